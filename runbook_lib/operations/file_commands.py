"""Commands that keep, replace, remove and restore files on a host, each atomic; used by `files`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runbook_lib.errors import ParameterError, PlanRefused
from runbook_lib.model.commands import Command

if TYPE_CHECKING:
    from runbook_lib.facts.file import FileInfo

__all__ = [
    "KEPT",
    "KEPT_IN_MEMORY",
    "check_path",
    "keep",
    "make_directory",
    "octal",
    "owner_and_mode",
    "ownership",
    "refuse_what_is_no_file",
    "remove",
    "replace",
    "restore",
    "unmake_directory",
]

KEPT = "/var/lib/runbook/before"
"""Directory on the host, root's alone, with the former contents of changed files, each named by its SHA-256."""
KEPT_IN_MEMORY = "/run/runbook/before"
"""The same for files below /run: what is in memory only, as a key, must not get onto a disk."""

_DAYS_KEPT = "30"
# The contents must still be those that the plan was made from: a rollback restores by their hash.
_KEEP = """set -e; umask 077; install -d -m 0700 -- "$1"; trap 'rm -f -- "$1/$3.new"' EXIT
cp -- "$2" "$1/$3.new"
printf '%s  %s\\n' "$3" "$1/$3.new" | sha256sum --check --status || {
  echo "$2 has changed since it was read" >&2; exit 1; }
mv -f -- "$1/$3.new" "$1/$3"
find "$1" -type f -mtime "+$4" -delete"""
# A name that begins with a dot is not found by patterns such as conf.d/* or sites-enabled/*. The directory may belong
# to another user, who may have put a symbolic link there: what has that name is removed, and the new file is made
# exclusively.
_REPLACE = """set -e; umask 077; path=$1 owner=$2 mode=$3 sum=$4 encoding=$5 absent=$6; shift 6
new=$(dirname -- "$path")/.$(basename -- "$path").runbook-new
trap 'rm -f -- "$new"' EXIT; rm -f -- "$new"; set -C
if [ "$encoding" = base64 ]; then base64 --decode > "$new"; else cat > "$new"; fi
printf '%s  %s\\n' "$sum" "$new" | sha256sum --check --status || { echo "the contents arrived incomplete" >&2; exit 1; }
chown -h -- "$owner" "$new"; chmod -- "$mode" "$new"
if [ $# -gt 0 ]; then
  said=$("$@" "$new" 2>&1) || { code=$?; printf '%s\\n' "$said"
    echo "$1 refuses the new file: $(printf '%s\\n' "$said" | head -n 1)"; exit $code; } >&2
  printf '%s\\n' "$said"
fi
if [ -n "$absent" ] && { [ -e "$path" ] || [ -L "$path" ]; }; then
  echo "$path was made by someone else since it was looked for: left as it is" >&2; exit 1
fi
mv -fT -- "$new" "$path\""""
_RESTORE = """set -e; umask 077; path=$1 kept=$2 former=$3 changed=$4 owner=$5 mode=$6 current= restored=; shift 6
if [ -e "$path" ]; then current=$(sha256sum < "$path"); current=${current%% *}; fi
if [ "$current" != "$former" ]; then
  [ "$current" = "$changed" ] || { echo "$path was changed by someone else since: left as it is" >&2; exit 1; }
  if [ -z "$former" ]; then rm -- "$path"
  else
    old=$(dirname -- "$path")/.$(basename -- "$path").runbook-old
    trap 'rm -f -- "$old"' EXIT
    rm -f -- "$old"; cp --remove-destination -T -- "$kept/$former" "$old"
    chown -h -- "$owner" "$old"; chmod -- "$mode" "$old"; mv -fT -- "$old" "$path"
  fi
  restored=yes
fi
if [ -n "$former" ]; then chown -h -- "$owner" "$path"; chmod -- "$mode" "$path"; fi
if [ -n "$restored" ]; then "$@"; fi"""
_UNMAKE = '[ ! -d "$1" ] || rmdir --ignore-fail-on-non-empty -- "$1"'


def check_path(path: str) -> None:
    """Refuse what is not one absolute path.

    Raises:
        ParameterError: It is relative, or holds characters that no record could show.
    """
    if not path.startswith("/") or path.endswith("/") or not path.isprintable() or "\\" in path:
        raise ParameterError(
            f"{path!r} is not an absolute path of a file on a host", hint="as in /etc/nginx/nginx.conf"
        )


def refuse_what_is_no_file(path: str, state: FileInfo) -> None:
    """Refuse to replace anything but a regular file.

    Raises:
        PlanRefused: A directory, a symbolic link or something else is there, or the directory is missing.
    """
    if state.target:
        raise PlanRefused(
            f"{path} is a symbolic link to {state.target}", hint="name the file that the link leads to"
        )
    if state.exists and not state.is_file:
        raise PlanRefused(f"{path} is a {state.kind}", hint="choose another path, or move it away")
    if not state.in_directory:
        raise PlanRefused(
            f"the directory of {path} does not exist",
            hint="make it in an earlier step: directory.present, or a package that has it",
        )


def ownership(owner: str, group: str) -> str:
    """Return owner and group as `chown` takes them."""
    return f"{owner}:{group}"


def octal(mode: str, path: str) -> str:
    """Return permissions as four octal digits.

    Args:
        mode: As given.
        path: The file, for the message.

    Raises:
        ParameterError: They are not octal.
    """
    try:
        value = int(mode, 8)
    except (TypeError, ValueError):
        value = -1
    if not 0 <= value <= 0o7777:  # noqa: PLR2004 - all bits of permissions
        raise ParameterError(f"{path}: mode {mode!r} is not octal", hint='give a text such as "0644"')
    return f"{value:04o}"


def owner_and_mode(state: FileInfo) -> tuple[str, str]:
    """Return owner and group as `chown` takes them, and permissions in octal; `absent` if nothing is there."""
    if not state.exists:
        return "absent", "absent"
    return ownership(state.owner, state.group), state.mode


def keep(path: str, sha256: str) -> Command:
    """Return the command that keeps a file's contents on the host for a rollback, for 30 days.

    Args:
        path: The file.
        sha256: Hash of the contents as they were read; other contents are refused.
    """
    folder = _kept_in(path)
    return Command(
        ("sh", "-c", _KEEP, "sh", folder, path, sha256, _DAYS_KEPT),
        sudo=True,
        purpose=f"keep the former contents of {path} in {folder}",
    )


def replace(  # noqa: PLR0913 - all that a file has
    path: str,
    stdin: str,
    sha256: str,
    *,
    owner: str,
    mode: str,
    absent: bool = False,
    encoding: str = "text",
    summary: str | None = None,
    check: tuple[str, ...] = (),
) -> Command:
    """Return the command that writes a file next to the old one, checks it, and replaces the old one by it.

    Args:
        path: The file; its directory exists.
        stdin: The contents.
        sha256: Hash of the contents.
        owner: Owner and group, as `root:root`.
        mode: Permissions, octal.
        absent: There was no file when the plan was made: one that is there by now is left as it is, and the step fails.
        encoding: `text`, or `base64` if `stdin` is in base64.
        summary: What is recorded in place of the contents.
        check: Program and arguments; the new file's path is appended. Unless it exits with 0 the old file stays.
    """
    return Command(
        ("sh", "-c", _REPLACE, "sh", path, owner, mode, sha256, encoding, "absent" if absent else "", *check),
        stdin=stdin,
        stdin_summary=summary,
        sudo=True,
        purpose=f"write {path}",
    )


def make_directory(path: str, purpose: str = "") -> Command:
    """Return the command that makes the directory of a file, of root, open to all; one that exists stays as it is.

    Args:
        path: The file.
        purpose: What the directory is for.
    """
    # `install -d` would change the permissions of a directory that was made since the host was asked.
    return Command(("mkdir", "-p", "-m", "0755", "--", _directory(path)), sudo=True, purpose=purpose)


def unmake_directory(path: str) -> Command:
    """Return the command that removes the directory of a file again, unless something else is in it by now."""
    directory = _directory(path)
    return Command(
        ("sh", "-c", _UNMAKE, "sh", directory), sudo=True, purpose=f"remove {directory} again if it is empty"
    )


def remove(path: str) -> Command:
    """Return the command that removes a file."""
    return Command(("rm", "--", path), sudo=True, purpose=f"remove {path}")


def restore(path: str, before: FileInfo, changed: str, *, then: tuple[str, ...] = ()) -> Command:
    """Return the command that restores a file: its former contents, owner and permissions, or its absence.

    A file that someone else has changed since is left as it is, and the rollback fails.

    Args:
        path: The file.
        before: What was there; `keep` has kept its contents.
        changed: Hash of the contents that the step has written; empty if it removed the file.
        then: Program and arguments, run only if the step's contents were there: a service whose file the step had not
            replaced yet need not restart.
    """
    arguments = (
        path,
        _kept_in(path),
        before.sha256,
        changed,
        ownership(before.owner, before.group),
        before.mode,
    )
    what = "the former contents" if before.exists else "the absence"
    return Command(
        ("sh", "-c", _RESTORE, "sh", *arguments, *then), sudo=True, purpose=f"restore {what} of {path}"
    )


def _directory(path: str) -> str:
    return path.rpartition("/")[0]


def _kept_in(path: str) -> str:
    return KEPT_IN_MEMORY if path.startswith("/run/") else KEPT
