"""Mask secret values in everything that a kernel sends: cell outputs, tracebacks, replies."""

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
    """Mask every message that this kernel sends from now on; outside of a kernel do nothing.

    The kernel sends the output of child processes as messages, and also copies it unmasked to the terminal that the
    kernel was started from. That copy is discarded, because it cannot be masked.
    """
    ipython: Any = sys.modules.get("IPython")  # always loaded in a kernel; not worth loading elsewhere
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
    """Wraps `jupyter_client.session.Session.send`, through which a kernel sends everything.

    Printed text is sent in pieces. If the end of a piece may be the start of a secret, that end is held back until
    the next piece, or until another message is sent.
    """

    def __init__(self, send: Callable[..., Any], secrets: Secrets) -> None:
        self._send = send
        self._secrets = secrets
        self._lock = threading.RLock()
        self._maskers: dict[str, Masker] = {}
        self._resend: dict[str, Callable[[str], Any]] = {}

    def __call__(
        self,
        stream: Any,  # noqa: ANN401 - a socket
        msg_or_type: dict[str, Any] | str,
        content: dict[str, Any] | None = None,
        *rest: Any,  # noqa: ANN401 - as jupyter_client's
        **keywords: Any,  # noqa: ANN401 - as above
    ) -> Any:  # noqa: ANN401 - as above
        """Send a message with secret values masked; text that is held back is sent later."""

        def send(masked: Any) -> Any:  # noqa: ANN401 - JSON
            if isinstance(msg_or_type, dict):
                return self._send(stream, {**msg_or_type, "content": masked}, content, *rest, **keywords)
            return self._send(stream, msg_or_type, masked, *rest, **keywords)

        sent: Any = content
        kind = msg_or_type
        if isinstance(msg_or_type, dict):
            kind, sent = msg_or_type["header"]["msg_type"], msg_or_type["content"]
        with self._lock:
            if kind == "stream":
                return self._send_stream(sent, send)
            for name in list(self._maskers):
                self._flush(name)
            return send(self._secrets.mask_data(sent))

    def _send_stream(self, sent: dict[str, str], send: Callable[[Any], Any]) -> Any:  # noqa: ANN401 - as above
        name = sent["name"]
        masker = self._maskers.setdefault(name, self._secrets.masker())
        self._resend[name] = lambda text: send({"name": name, "text": text})
        text = masker.feed(sent["text"])
        return self._resend[name](text) if text else None

    def _flush(self, name: str) -> None:
        """Send the text that was held back of a stream."""
        text = self._maskers.pop(name).end()
        resend = self._resend.pop(name)
        if text:
            resend(text)
