"""A kernel client that notices at once that its kernel is ready."""

from __future__ import annotations

import time
from queue import Empty
from typing import Any

from jupyter_client.asynchronous.client import AsyncKernelClient

__all__ = ["ReadyClient"]

_REPLY_TIMEOUT = 1.0  # seconds after which a request without a reply is sent again
_IDLE_TIMEOUT = 0.2  # the same after a reply without an idle message: the iopub channel is connected later


class ReadyClient(AsyncKernelClient):
    """jupyter_client's client without its wait of 0.2 s for silence before it considers a kernel ready.

    A kernel sends on its iopub channel that it is idle, as the last message of a request. Once this has arrived,
    both channels are connected and no older message is pending.
    """

    async def wait_for_ready(self, timeout: float | None = None) -> None:  # noqa: ASYNC109 - as there
        """Wait until the kernel has answered on both channels.

        Args:
            timeout: Seconds; None: no limit.

        Raises:
            RuntimeError: The kernel died, or did not answer in time.
        """
        deadline = time.monotonic() + (float("inf") if timeout is None else timeout)
        while time.monotonic() < deadline:
            request = self.kernel_info()
            try:
                reply = await _content(self.shell_channel, request, _REPLY_TIMEOUT)
                while (await _content(self.iopub_channel, request, _IDLE_TIMEOUT)).get(
                    "execution_state"
                ) != "idle":
                    pass
            except Empty:
                if not await self._async_is_alive():
                    raise RuntimeError("Kernel died before replying to kernel_info") from None
            else:
                self._handle_kernel_info_reply({"content": reply})
                return
        raise RuntimeError(f"Kernel didn't respond in {timeout:g} seconds")


async def _content(channel: Any, request: str, timeout: float) -> dict[str, Any]:  # noqa: ANN401, ASYNC109
    """Return the content of a channel's next message about a request.

    Raises:
        Empty: No message came for `timeout` seconds.
    """
    while True:
        message = await channel.get_msg(timeout=timeout)
        if message["parent_header"].get("msg_id") == request:
            content: dict[str, Any] = message["content"]
            return content
