"""What a kernel shows, kept as a notebook would keep it: for the copy of a notebook that has not been saved yet.

A kernel sends its outputs and forgets them; the program that shows them saves them later, or never.
"""

from __future__ import annotations

import functools
import json
import sys
import threading
from typing import TYPE_CHECKING, Any

from runbook_lib.display.ipython_shell import shell

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["ShownOutputs", "shown_outputs"]

_MOST = 64 * 2**20  # characters of all outputs; a notebook that has more is not readable in a browser either
_TOO_MANY = "[the outputs of this cell are not here: the cells of this run have shown too much to be kept]\n"
_OUTPUTS = frozenset({"stream", "display_data", "execute_result", "error"})

Data = dict[str, Any]


class _Output:
    """One output, packed: cards are large, and are not looked at before the end of the run.

    Args:
        data: The output as in a notebook; of a stream without its text.
        display_id: By which it is replaced; empty: it stays.
    """

    def __init__(self, data: Data, display_id: str = "") -> None:
        self.display_id = display_id
        self.stream = str(data["name"]) if data["output_type"] == "stream" else ""
        self.texts: list[str] = []
        self.packed = ""
        self.pack(data)

    @property
    def size(self) -> int:
        return len(self.packed) + sum(map(len, self.texts))

    def pack(self, data: Data) -> None:
        # What has been sent is JSON but for the types that the kernel's own packer writes as text.
        self.packed = json.dumps(data, default=str)

    def unpack(self) -> Data:
        data: Data = json.loads(self.packed)
        return {**data, "text": "".join(self.texts)} if self.stream else data


class ShownOutputs:
    """The outputs of cells, by the request that had each cell executed."""

    def __init__(self) -> None:
        self._cells: dict[str, list[_Output]] = {}
        self._cleared: set[str] = set()
        self._too_large: set[str] = set()
        self._size = 0
        self._keeps = False
        self._lock = threading.Lock()

    def keep(self) -> None:
        """Keep the outputs of all cells from the present one on."""
        with self._lock:
            self._keeps = True

    def forget(self) -> None:
        """Forget all outputs but those of the latest cell, now and whenever another cell shows something."""
        with self._lock:
            self._keeps = False
            self._drop_all_but(next(reversed(self._cells), ""))

    def of(self, request: str) -> list[Data]:
        """Return the outputs of a cell as in a notebook; a note in place of outputs that were too large to be kept.

        Args:
            request: The id of the message that had the cell executed.
        """
        for stream in (sys.stdout, sys.stderr):
            stream.flush()  # the kernel collects what is printed, and sends it in pieces
        with self._lock:
            if request in self._too_large:
                return [{"output_type": "stream", "name": "stderr", "text": _TOO_MANY}]
            return [output.unpack() for output in self._cells.get(request, ())]

    def add(self, kind: str, content: Data, request: str) -> None:
        """Add what the kernel has sent.

        Args:
            kind: The type of the message.
            content: Its content.
            request: The id of the message that had the cell executed.
        """
        with self._lock:
            if kind == "update_display_data":
                self._replace(content)
            elif kind == "clear_output":
                self._clear(request, wait=bool(content.get("wait")))
            elif kind in _OUTPUTS:
                self._append(kind, content, request)

    def _append(self, kind: str, content: Data, request: str) -> None:
        if request in self._too_large:
            return
        if request not in self._cells and not self._keeps:
            self._drop_all_but(request)
        outputs = self._cells.setdefault(request, [])
        if request in self._cleared:
            self._clear(request, wait=False)
            outputs = self._cells[request]
        if kind == "stream" and outputs and outputs[-1].stream == content["name"]:
            output = outputs[-1]
        else:
            output = _Output(_as_in_notebook(kind, content), _display_id(content))
            self._size += output.size
            outputs.append(output)
        if kind == "stream":
            output.texts.append(str(content["text"]))
            self._size += len(output.texts[-1])
        if self._size > _MOST:
            self._too_large.add(request)
            self._clear(request, wait=False)

    def _replace(self, content: Data) -> None:
        """Replace an output wherever it is shown."""
        display_id = _display_id(content)
        for output in (output for outputs in self._cells.values() for output in outputs):
            if display_id and output.display_id == display_id:
                self._size -= output.size
                output.pack({**output.unpack(), **_data(content)})
                self._size += output.size

    def _clear(self, request: str, *, wait: bool) -> None:
        if wait:
            self._cleared.add(request)
            return
        self._cleared.discard(request)
        self._size -= sum(output.size for output in self._cells.get(request, ()))
        self._cells[request] = []

    def _drop_all_but(self, request: str) -> None:
        self._cells = {request: self._cells[request]} if request in self._cells else {}
        self._cleared &= {request}
        self._too_large &= {request}
        self._size = sum(output.size for outputs in self._cells.values() for output in outputs)


@functools.cache
def shown_outputs() -> ShownOutputs:
    """Return what this kernel has shown; the first call starts to keep it.

    It has to come before `mask_outputs`: then what is kept is what was sent, without secrets.
    """
    shown = ShownOutputs()
    session = getattr(getattr(shell(), "kernel", None), "session", None)
    if session is not None:
        session.send = _kept(session.send, shown)
    return shown


def _kept(send: Callable[..., Any], shown: ShownOutputs) -> Callable[..., Any]:
    """Return `jupyter_client.session.Session.send`, through which a kernel sends everything, with a look at it."""

    def send_and_keep(
        stream: Any,  # noqa: ANN401 - a socket
        msg_or_type: Data | str,
        content: Data | None = None,
        parent: Data | None = None,
        *rest: Any,  # noqa: ANN401 - as jupyter_client's
        **keywords: Any,  # noqa: ANN401 - as above
    ) -> Any:  # noqa: ANN401 - as above
        sent = send(stream, msg_or_type, content, parent, *rest, **keywords)
        if isinstance(msg_or_type, dict):
            kind, content = str(msg_or_type["header"]["msg_type"]), msg_or_type["content"]
            parent = msg_or_type.get("parent_header")
        else:
            kind = msg_or_type
        header = (parent or {}).get("header", parent) or {}
        if content is not None:
            shown.add(kind, content, str(header.get("msg_id", "")))
        return sent

    return send_and_keep


def _as_in_notebook(kind: str, content: Data) -> Data:
    """Return a message's content as an output of a notebook of format 4."""
    if kind == "stream":
        return {"output_type": kind, "name": str(content["name"])}
    if kind == "error":
        return {"output_type": kind, **{key: content[key] for key in ("ename", "evalue", "traceback")}}
    count = {"execution_count": content.get("execution_count")} if kind == "execute_result" else {}
    return {"output_type": kind, **count, **_data(content)}


def _data(content: Data) -> Data:
    return {"data": content.get("data") or {}, "metadata": content.get("metadata") or {}}


def _display_id(content: Data) -> str:
    return str((content.get("transient") or {}).get("display_id") or "")
