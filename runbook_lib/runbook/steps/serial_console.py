"""The end of a host's serial console log, if the lab or the inventory has one: it shows what SSH cannot."""

from __future__ import annotations

import re

from runbook_lib.project import expanded

__all__ = ["Console"]

_LINES = 40
_PANIC = "Kernel panic - not syncing"
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[()][A-Za-z0-9]|\x1bc|[\x00-\x08\x0b-\x1f\x7f]")


class Console:
    """A console's log file, read from a mark on.

    Args:
        path: The file; None or a missing file reads as empty.
    """

    def __init__(self, path: str | None) -> None:
        self._path = expanded(path) if path else None
        self._mark = 0

    def mark(self) -> None:
        """Set the mark at the current end of the log."""
        self._mark = self._path.stat().st_size if self._path and self._path.is_file() else 0

    def tail(self, lines: int = _LINES) -> str:
        """Return the last lines since the mark, without control sequences; empty if the log cannot be read.

        After a kernel panic, the lines around it come first: a successful boot may have followed it.
        """
        if self._path is None:
            return ""
        try:
            with self._path.open("rb") as file:
                # A log that was rotated or truncated is shorter than the mark.
                file.seek(self._mark if self._path.stat().st_size >= self._mark else 0)
                text = file.read().decode(errors="replace")
        except OSError:
            return ""
        output = [_CONTROL.sub("", line).rstrip() for line in text.replace("\r\n", "\n").split("\n")]
        output = [line for line in output if line]
        panic = next((number for number, line in enumerate(output) if _PANIC in line), None)
        if panic is None:
            return "\n".join(output[-lines:])
        around = output[max(0, panic - lines // 2) : panic + lines // 4]
        rest = output[panic + lines // 4 :][-(lines // 4) :]
        return "\n".join([*around, "…", *rest] if rest else around)
