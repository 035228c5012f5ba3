"""Read the packets of an SSH connection: none too large, and with few calls of the system."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import paramiko
from paramiko.packet import Packetizer

if TYPE_CHECKING:
    import socket

__all__ = ["BoundedPacketizer"]

_MAX_PACKET = 2**20  # bytes; OpenSSH's own maximum is 256 KiB
_READ_AHEAD = 4096  # bytes; a thread that waits for a host holds as many


class _ReadAhead:
    """A socket of which more is read than was asked for, as far as it has arrived.

    paramiko reads each packet in two pieces. Each call of the system lets another thread run, and waits for it: with
    many hosts that takes longer than all the rest of a packet.

    Args:
        sock: The socket, or what stands in for one.
    """

    def __init__(self, sock: Any) -> None:  # noqa: ANN401 - paramiko's
        self._sock = sock
        self._rest = b""
        self.send, self.close = sock.send, sock.close

    def recv(self, size: int) -> bytes:
        """Return up to so many bytes; see `socket.recv`."""
        if not self._rest:
            self._rest = self._sock.recv(max(size, _READ_AHEAD))
        piece, self._rest = self._rest[:size], self._rest[size:]
        return piece


class BoundedPacketizer(Packetizer):
    """Reads packets of a sane size: paramiko would wait for 4 GiB, in memory, if a host announces them."""

    def __init__(self, sock: Any) -> None:  # noqa: ANN401 - paramiko's
        super().__init__(cast("socket.socket", _ReadAhead(sock)))

    def read_all(self, n: int, check_rekey: bool = False) -> bytes:  # noqa: FBT001, FBT002 - paramiko's signature
        """Read so many bytes; see paramiko's `Packetizer.read_all`.

        Raises:
            SSHException: They are more than any packet has.
        """
        if n > _MAX_PACKET:
            raise paramiko.SSHException(f"the host announces a packet of {n} bytes")
        packet: bytes = super().read_all(n, check_rekey)
        return packet
