"""Mask secret values in all that a kernel says: what cells print and show, tracebacks, replies."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from IPython.core.getipython import get_ipython

if TYPE_CHECKING:
    from collections.abc import Callable

    from runbook_lib.masking import Masker
    from runbook_lib.secrets import Secrets

__all__ = ["mask_outputs"]


def mask_outputs(secrets: Secrets) -> None:
    """Mask every message that this kernel sends from now on; outside of a kernel nothing is done."""
    session = getattr(getattr(get_ipython(), "kernel", None), "session", None)
    if session is not None:
        session.send = _MaskedSend(session.send, secrets)


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
        self._held: dict[str, tuple[Any, dict[str, Any]]] = {}

    def __call__(
        self,
        stream: Any,  # noqa: ANN401 - a socket
        msg_or_type: dict[str, Any] | str,
        content: dict[str, Any] | None = None,
        parent: Any = None,  # noqa: ANN401 - as jupyter_client's
        ident: Any = None,  # noqa: ANN401 - as jupyter_client's
        **told: Any,  # noqa: ANN401 - as jupyter_client's
    ) -> Any:  # noqa: ANN401 - as jupyter_client's
        """Send a message without secret values in it."""
        told |= {"parent": parent, "ident": ident}
        with self._lock:
            if isinstance(msg_or_type, dict):
                self._let_go()
                masked = self._secrets.mask_data(msg_or_type.get("content"))
                return self._send(stream, {**msg_or_type, "content": masked}, content, **told)
            if msg_or_type == "stream" and content is not None:
                return self._print(stream, content, told)
            self._let_go()
            return self._send(stream, msg_or_type, self._secrets.mask_data(content), **told)

    def _print(self, stream: Any, content: dict[str, Any], told: dict[str, Any]) -> Any:  # noqa: ANN401
        name = content["name"]
        masker = self._maskers.setdefault(name, self._secrets.masker())
        text = masker.feed(content["text"])
        self._held[name] = (stream, told)
        return self._send(stream, "stream", {**content, "text": text}, **told) if text else None

    def _let_go(self) -> None:
        """Send what was held back."""
        for name, (stream, told) in self._held.items():
            text = self._maskers.pop(name).end()
            if text:
                self._send(stream, "stream", {"name": name, "text": text}, **told)
        self._held.clear()
