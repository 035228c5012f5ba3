"""Commands that write files."""

from __future__ import annotations

from runbook_lib.model.commands import Command

__all__ = ["write"]

_WRITE = (
    'umask 022; cat > "$1.runbook-new" && chmod -- "$2" "$1.runbook-new" && mv -f -- "$1.runbook-new" "$1"'
)


def write(path: str, text: str, *, mode: str = "0644", purpose: str = "") -> Command:
    """Return the command that atomically replaces a file as root: readers see the old or the new one.

    Args:
        path: Absolute path; its directory exists.
        text: The whole contents.
        mode: Permissions, octal.
        purpose: The command's purpose; default: `write PATH`.
    """
    return Command(
        ("sh", "-c", _WRITE, "sh", path, mode), stdin=text, sudo=True, purpose=purpose or f"write {path}"
    )
