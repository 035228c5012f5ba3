"""A session that a host was asked for, and has not opened yet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import paramiko

if TYPE_CHECKING:
    import threading

    from runbook_lib.connections.command_wait import CommandWait

__all__ = ["SessionRequest"]

_POLL = 0.1  # seconds between checks of the clock and of an interrupt


class SessionRequest:
    """A session that a host was asked for.

    Args:
        transport: The connection, a `PipeliningTransport`.
        channel: The session's channel; usable once the host has opened it.
        answered: Set by the transport.
    """

    def __init__(
        self,
        transport: Any,  # noqa: ANN401 - the stubs of paramiko leave out what is used
        channel: paramiko.Channel,
        answered: threading.Event,
    ) -> None:
        self._transport = transport
        self._channel = channel  # the transport itself holds only a weak reference
        self._answered = answered

    def result(self, wait: CommandWait) -> paramiko.Channel:
        """Return the channel of the session, once it is open.

        Raises:
            ChannelException: The host refuses the session.
            SSHException: The connection is lost, or the host has not answered in time.
        """
        while not self._answered.wait(_POLL):
            if not self._transport.active:
                break
            if why := wait.expired():
                raise paramiko.SSHException(why)
        if not self._transport.active:
            raise paramiko.SSHException("the connection is closed")
        if not self._channel.active:
            raise paramiko.ChannelException(0, "the host refuses the session")
        return self._channel
