"""A TCP connection to any address of a name: the first one that answers."""

from __future__ import annotations

import socket
import time

__all__ = ["FAMILIES", "connect_to_any"]

FAMILIES = {"any": socket.AF_UNSPEC, "inet": socket.AF_INET, "inet6": socket.AF_INET6}
"""ssh_config's `AddressFamily`."""


def connect_to_any(
    host: str, port: int, timeout: float, *, family: str = "any", source: str = ""
) -> socket.socket:
    """Connect to the addresses of a host in turn, as OpenSSH does: one that drops packets must not hide the next.

    Args:
        host: Name or address.
        port: TCP port.
        timeout: Seconds for all addresses together; each gets its share of what is left.
        family: One of `FAMILIES`.
        source: The address of this machine to connect from; empty: any.

    Raises:
        OSError: The name has no address, or none of them accepts the connection; that of the last address.
    """
    found = socket.getaddrinfo(host, port, FAMILIES[family], socket.SOCK_STREAM)
    until = time.monotonic() + timeout
    problem = OSError(f"{host} has no address")
    for left, (kind, type_, protocol, _, address) in zip(range(len(found), 0, -1), found, strict=True):
        opened = socket.socket(kind, type_, protocol)
        try:
            opened.settimeout(max(0.1, (until - time.monotonic()) / left))
            if source:
                opened.bind((source, 0))
            opened.connect(address)
        except OSError as failed:
            opened.close()
            problem = failed
        else:
            return opened
    raise problem
