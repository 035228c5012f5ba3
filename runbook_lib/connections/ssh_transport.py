"""Set up SSH transports: the cheapest cipher and a known kind of host key first, small packets without delay."""

from __future__ import annotations

import socket
from typing import Any

import paramiko
from paramiko.packet import Packetizer

__all__ = ["make_transport"]

# AES-GCM authenticates packets itself; for other ciphers paramiko compares the MAC byte by byte, in Python.
_PREFERRED_CIPHERS = ("aes256-gcm@openssh.com", "aes128-gcm@openssh.com")


_MAX_PACKET = 2**20  # bytes; OpenSSH's own maximum is 256 KiB


class _BoundedPacketizer(Packetizer):
    """Reads packets of a sane size: paramiko would wait for 4 GiB, in memory, if a host announces them."""

    def read_all(self, n: int, check_rekey: bool = False) -> bytes:  # noqa: FBT001, FBT002 - paramiko's signature
        if n > _MAX_PACKET:
            raise paramiko.SSHException(f"the host announces a packet of {n} bytes")
        packet: bytes = super().read_all(n, check_rekey)
        return packet


def make_transport(
    sock: Any,  # noqa: ANN401 - paramiko's
    *,
    key_types: frozenset[str] = frozenset(),
    **options: Any,  # noqa: ANN401 - paramiko's
) -> paramiko.Transport:
    """Return a transport that prefers AES-GCM over paramiko's other ciphers, and sends small packets at once.

    Args:
        sock: The connected socket, or the channel through a bastion.
        key_types: The types of the known host keys: the host is asked for one of them first.
        options: Other arguments of the transport.
    """
    if isinstance(sock, socket.socket) and sock.family in (socket.AF_INET, socket.AF_INET6):
        # Otherwise each channel that is opened waits 40 ms: Nagle's algorithm holds a packet back until the host has
        # acknowledged the one before, and the host delays its acknowledgement.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    transport = paramiko.Transport(sock, packetizer_class=_BoundedPacketizer, **options)
    security = transport.get_security_options()
    offered = security.ciphers
    security.ciphers = tuple(sorted(offered, key=lambda cipher: cipher not in _PREFERRED_CIPHERS))
    security.key_types = tuple(sorted(security.key_types, key=lambda name: name not in key_types))
    return transport
