"""What IPython knows of the notebook that it runs: its variables, and the cells that ran. Never imports IPython."""

from __future__ import annotations

import functools
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["CellLog", "RanCell", "cell_log", "execution_count", "shell", "variables"]


class RanCell(NamedTuple):
    """A cell that ran, as it was sent to the kernel.

    Args:
        number: Its execution count.
        source: Its text.
        request: The id of the message that had it executed; empty outside of a kernel.
        cell_id: Its id in the notebook, as far as the program that sent it says so.
    """

    number: int
    source: str
    request: str = ""
    cell_id: str = ""


def shell() -> Any:  # noqa: ANN401 - IPython's
    """Return IPython's shell, or None outside of IPython."""
    ipython: Any = sys.modules.get("IPython")
    return ipython.get_ipython() if ipython else None


def variables() -> Mapping[str, Any]:
    """Return the notebook's variables; none outside of IPython."""
    found = shell()
    return found.user_ns if found else {}


class CellLog:
    """The cells that ran in this kernel since the log was started, as they were sent.

    IPython's own history has no cell that is sent without one, and is renumbered by `%reset in`. Cells that IPython
    executes from a file are in neither.
    """

    def __init__(self) -> None:
        self._cells: list[RanCell] = []
        found = shell()
        if found is None:
            return
        started = (
            str(found.history_manager.input_hist_raw[-1]) if found.history_manager.input_hist_raw else ""
        )
        if started.strip():  # the cell that starts the log
            self._cells.append(RanCell(int(found.execution_count), started, *_request(found)))
        found.events.register("pre_run_cell", self._add)

    def __len__(self) -> int:
        return len(self._cells)

    def since(self, position: int) -> list[RanCell]:
        """Return the cells from a position on, the one that runs now included."""
        return self._cells[max(0, position) :]

    def _add(self, info: Any) -> None:  # noqa: ANN401 - IPython's ExecutionInfo
        found = shell()
        count = int(found.execution_count) if found else 0
        self._cells.append(RanCell(count, str(info.raw_cell), *_request(found)))


@functools.cache
def cell_log() -> CellLog:
    """Return the log of this kernel's cells; the first call starts it."""
    return CellLog()


def _request(ipython: Any) -> tuple[str, str]:  # noqa: ANN401 - IPython's
    """Return the id of the message that has the present cell executed, and the cell's id; empty where there is none."""
    kernel = getattr(ipython, "kernel", None)
    if kernel is None:
        return "", ""
    message = kernel.get_parent("shell") or {}
    header, metadata = message.get("header") or {}, message.get("metadata") or {}
    return str(header.get("msg_id", "")), str(metadata.get("cellId") or "")


def execution_count() -> int:
    """Return the number of the cell that runs now; 0 outside of IPython."""
    found = shell()
    return int(found.execution_count) if found else 0
