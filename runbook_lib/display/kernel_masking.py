"""Mask secret values in all that a kernel says: what cells print and show, tracebacks, replies."""

from __future__ import annotations

import os
import sys
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from runbook_lib.masking import Masker
    from runbook_lib.secrets import Secrets

__all__ = ["mask_outputs"]

_COPY = "_original_stdstream_copy"  # ipykernel's own name


def mask_outputs(secrets: Secrets) -> None:
    """Mask every message that this kernel sends from now on; outside of a kernel nothing is done.

    What child processes print goes out as messages too, and raw to wherever the kernel was started from. That
    copy ends here: nobody could mask it.
    """
    ipython: Any = sys.modules.get("IPython")  # a kernel has loaded it; nobody else needs it for this
    shell = ipython.get_ipython() if ipython else None
    session = getattr(getattr(shell, "kernel", None), "session", None)
    if session is None:
        return
    session.send = _MaskedSend(session.send, secrets)
    nothing = os.open(os.devnull, os.O_WRONLY)
    for copy in (getattr(stream, _COPY, None) for stream in (sys.stdout, sys.stderr)):
        if copy is not None:
            os.dup2(nothing, copy)
    os.close(nothing)


class _MaskedSend:
    """Stands before `jupyter_client.session.Session.send`, the one way out of a kernel.

    What is printed goes out in pieces as it comes, so the end of a piece that may be the beginning of a secret
    is held back until the next piece, or until something else is said.
    """

    def __init__(self, send: Callable[..., Any], secrets: Secrets) -> None:
        self._send = send
        self._secrets = secrets
        self._lock = threading.RLock()
        self._maskers: dict[str, Masker] = {}
        self._again: dict[str, Callable[[str], Any]] = {}

    def __call__(
        self,
        stream: Any,  # noqa: ANN401 - a socket
        msg_or_type: dict[str, Any] | str,
        content: dict[str, Any] | None = None,
        *rest: Any,  # noqa: ANN401 - as jupyter_client's
        **told: Any,  # noqa: ANN401 - as above
    ) -> Any:  # noqa: ANN401 - as above
        """Send a message without secret values in it; what is held back of it goes out later."""

        def send(masked: Any) -> Any:  # noqa: ANN401 - JSON
            if isinstance(msg_or_type, dict):
                return self._send(stream, {**msg_or_type, "content": masked}, content, *rest, **told)
            return self._send(stream, msg_or_type, masked, *rest, **told)

        said: Any = content
        kind = msg_or_type
        if isinstance(msg_or_type, dict):
            kind, said = msg_or_type["header"]["msg_type"], msg_or_type["content"]
        with self._lock:
            if kind == "stream":
                return self._print(said, send)
            for name in list(self._maskers):
                self._let_go(name)
            return send(self._secrets.mask_data(said))

    def _print(self, said: dict[str, str], send: Callable[[Any], Any]) -> Any:  # noqa: ANN401 - as above
        name = said["name"]
        masker = self._maskers.setdefault(name, self._secrets.masker())
        self._again[name] = lambda text: send({"name": name, "text": text})
        text = masker.feed(said["text"])
        return self._again[name](text) if text else None

    def _let_go(self, name: str) -> None:
        """Send what was held back of a stream; a secret that is known later is masked in what comes then."""
        text = self._maskers.pop(name).end()
        again = self._again.pop(name)
        if text:
            again(text)
