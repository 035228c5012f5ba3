"""Files on a host."""

from __future__ import annotations

from dataclasses import dataclass

from runbook_lib.errors import FactError
from runbook_lib.facts.base import Fact, parsing
from runbook_lib.masking import excerpt
from runbook_lib.model.commands import Command, Output

__all__ = ["FileInfo", "FileState", "FileText"]

# Wi-Fi passwords, keys of tunnels, the secret from which systemd-networkd makes addresses.
_OF_NETWORKS = ("/etc/network/", *(f"{top}/systemd/network/" for top in ("/etc", "/run", "/usr/lib", "/lib")))
_REGULAR = {"regular file", "regular empty file"}
_LONGEST_TEXT = 65536  # bytes of a file that are read for a record
# What may not be looked at, such as a directory that its server hides from root, is not absent.
_STATE = """
if [ -d "$(dirname -- "$1")" ]; then echo present; else echo missing; fi
if [ -L "$1" ]; then printf 'symbolic link|||0|0|%s\\n' "$(readlink -- "$1")"; exit 0; fi
if [ ! -e "$1" ]; then
  found=$(LC_ALL=C stat -- "$1" 2>&1)
  case $found in *": No such file or directory"|*": Not a directory") echo absent; exit 0 ;; esac
  printf '%s\\n' "$found" >&2; exit 1
fi
found=$(stat --format='%F|%U|%G|%a|%s|' -- "$1") || exit 1
case $found in *"|UNKNOWN|"*) found=$(stat --format='%F|%u|%g|%a|%s|' -- "$1") || exit 1; esac
printf '%s\\n' "$found"
if [ ! -f "$1" ] || [ ! -r "$1" ]; then exit 0; fi
sum=$(sha256sum < "$1") && printf '%s\\n' "${sum%% *}" || exit 1
if [ "$2" = 0 ] || [ "$(stat --format=%s -- "$1")" -gt "$2" ]; then exit 0; fi
if grep -Eq 'PRIVATE KEY( BLOCK)?-----' -- "$1"; then exit 0; fi
if iconv -f UTF-8 -t UTF-8 < "$1" > /dev/null 2>&1; then echo text; cat -- "$1"; fi
"""


@dataclass(frozen=True)
class FileText(Fact[str | None]):
    """A text file's contents; None if the file does not exist.

    In files of ifupdown and systemd-networkd, passwords and keys are masked.

    Args:
        path: Absolute path.
    """

    path: str

    def request(self) -> Command:
        """Return the command that reads it as root."""
        secret = f"secret of {self.path}" if self.path.startswith(_OF_NETWORKS) else ""
        return Command(("cat", "--", self.path), sudo=True, accept=(0, 1), secret_values=secret)

    def parse(self, output: Output) -> str | None:
        """Return the text unchanged, with all newlines."""
        if output.exit_code == 0:
            return output.stdout
        if "No such file" in output.stderr:
            return None
        raise FactError(f"{self.path} cannot be read: {output.stderr.strip()}")


@dataclass(frozen=True)
class FileInfo:
    """What is at a path.

    Args:
        in_directory: Whether the path's directory exists.
        kind: As `stat` says: `regular file`, `directory`, `symbolic link`, …; empty if nothing is there.
        owner: Name of the owner. If owner or group has no name, both are numbers.
        group: Name of the group.
        mode: Permissions in octal, four digits: `0644`.
        size: Bytes.
        sha256: Hash of a regular file's contents; empty for anything else.
        text: A regular file's contents, if they were asked for and may be recorded: UTF-8, at most 64 KiB, and no
            private key.
        target: Where a symbolic link leads.
    """

    in_directory: bool
    kind: str = ""
    owner: str = ""
    group: str = ""
    mode: str = ""
    size: int = 0
    sha256: str = ""
    text: str | None = None
    target: str = ""

    @property
    def exists(self) -> bool:
        """Whether anything is there, a broken symbolic link too."""
        return bool(self.kind)

    @property
    def is_file(self) -> bool:
        """Whether it is a regular file."""
        return self.kind in _REGULAR


@dataclass(frozen=True)
class FileState(Fact[FileInfo]):
    """What is at a path: its kind, owner, permissions, size and hash, and short text.

    Args:
        path: Absolute path.
        contents: Whether the text is read as well; False for files that hold secrets.
        sudo: Ask as root, who may read everything; otherwise the hash of a file that the user may not read is empty.
        secret_values: Name under which secrets among the file's settings are masked; empty: the text has none.
    """

    path: str
    contents: bool = False
    sudo: bool = True
    secret_values: str = ""

    def request(self) -> Command:
        """Return the command."""
        return Command(
            ("sh", "-c", _STATE, "sh", self.path, str(_LONGEST_TEXT if self.contents else 0)),
            sudo=self.sudo,
            secret_values=self.secret_values,
        )

    def parse(self, output: Output) -> FileInfo:
        r"""Return what is there.

        >>> FileState("/etc/motd").parse(Output(0, "present\nregular file|root|root|644|0|\n" + "0" * 64)).mode
        '0644'
        """
        with parsing(f"state of {self.path}"):
            directory, _, rest = output.stdout.partition("\n")
            state, _, rest = rest.partition("\n")
            in_directory = {"present": True, "missing": False}[directory]
            if state == "absent":
                return FileInfo(in_directory)
            kind, owner, group, mode, size, target = state.split("|", 5)
            sha256, _, rest = rest.partition("\n")
            if kind in _REGULAR and (sha256 or self.sudo) and len(bytes.fromhex(sha256)) != 32:  # noqa: PLR2004 - bytes of a SHA-256
                raise ValueError(f"{excerpt(sha256, 80)!r} is not a SHA-256")
            marker, _, text = rest.partition("\n")
            return FileInfo(
                in_directory=in_directory,
                kind=kind,
                owner=owner,
                group=group,
                mode=f"{int(mode, 8):04o}",
                size=int(size),
                sha256=sha256,
                text=text if marker == "text" and "\0" not in text else None,
                target=target,
            )

    @property
    def label(self) -> str:
        """Path alone: how it is read does not matter to the reader."""
        return f"{self.id}({self.path})"
