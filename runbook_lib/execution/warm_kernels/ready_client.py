"""A kernel client that sees at once that its kernel is ready."""

from __future__ import annotations

import time
from queue import Empty
from typing import Any

from jupyter_client.asynchronous.client import AsyncKernelClient

__all__ = ["PromptClient"]

_REPLY = 1.0  # seconds after which a kernel that did not answer is asked again
_IDLE = 0.2  # the same, where the answer came and what it tells all clients did not: that channel lags behind


class PromptClient(AsyncKernelClient):
    """As jupyter_client's own, which lets 0.2 s pass in silence before it calls a kernel ready.

    A kernel tells on its iopub channel that it is idle, after all else that belongs to a question. Once this
    has come, both channels are connected and nothing old is under way.
    """

    async def wait_for_ready(self, timeout: float | None = None) -> None:  # noqa: ASYNC109 - as there
        """Wait until the kernel has answered on both channels.

        Args:
            timeout: Seconds; None: for ever.

        Raises:
            RuntimeError: It died, or did not answer in time.
        """
        deadline = time.monotonic() + (float("inf") if timeout is None else timeout)
        while time.monotonic() < deadline:
            question = self.kernel_info()
            try:
                reply = await _told(self.shell_channel, question, _REPLY)
                while (await _told(self.iopub_channel, question, _IDLE)).get("execution_state") != "idle":
                    pass
            except Empty:
                if not await self._async_is_alive():
                    raise RuntimeError("Kernel died before replying to kernel_info") from None
            else:
                self._handle_kernel_info_reply({"content": reply})
                return
        raise RuntimeError(f"Kernel didn't respond in {timeout:g} seconds")


async def _told(channel: Any, question: str, patience: float) -> dict[str, Any]:  # noqa: ANN401 - untyped
    """Return what a channel's next message about a question says.

    Raises:
        Empty: There was none for `patience` seconds.
    """
    while True:
        message = await channel.get_msg(timeout=patience)
        if message["parent_header"].get("msg_id") == question:
            content: dict[str, Any] = message["content"]
            return content
