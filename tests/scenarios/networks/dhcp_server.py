"""A DHCP server for practice hosts (RFC 2131), as far as the test of a lease that changes needs one."""

from __future__ import annotations

import socket
import struct
import threading
import time
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Interface
from typing import TYPE_CHECKING, Self

from runbook_lib.connections.network_namespace import run_in

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

__all__ = ["DhcpServer"]

_BOOTP = struct.Struct("!4BI2H4s4s4s4s16s64s128s4s")
_COOKIE = b"\x63\x82\x53\x63"
_DISCOVER, _OFFER, _REQUEST, _ACK, _NAK = 1, 2, 3, 5, 6
_MASK, _ROUTER, _REQUESTED, _LEASE_TIME, _KIND, _SERVER, _END = 1, 3, 50, 51, 53, 54, 255
_AGAIN = 10.0  # seconds for which another lease stays the one that is offered, once a host has it


@dataclass
class DhcpServer:
    """Gives each host its address, and for a while another one.

    Args:
        namespace: The namespace of control, on whose interface the server listens.
        own: Control's address with prefix length; it is the router as well.
        leases: Hardware address -> the address that its host usually gets; others get no answer.
        others: Hardware address -> the address that its host gets next; removed some seconds after the host has it.
        given: Each address that was given, with the hardware address, in order.
    """

    namespace: Path
    own: IPv4Interface
    leases: dict[str, str]
    others: dict[str, str] = field(default_factory=dict)
    given: list[tuple[str, str]] = field(default_factory=list)
    _until: dict[str, float] = field(default_factory=dict)
    _ended: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Self:
        """Begin to answer."""
        self._socket = run_in(self.namespace, self._listen)
        self._thread = threading.Thread(target=self._serve, name="dhcp", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop answering; leases that were given stay valid for an hour."""
        self._ended.set()
        self._thread.join()
        self._socket.close()

    @staticmethod
    def _listen() -> socket.socket:
        listening = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"eth0")
        listening.bind(("", 67))
        listening.settimeout(0.2)
        return listening

    def _serve(self) -> None:
        while not self._ended.is_set():
            try:
                question = self._socket.recv(2048)
            except TimeoutError:
                continue
            answer = self._answer(question)
            if answer:
                self._socket.sendto(answer, ("255.255.255.255", 68))

    def _answer(self, question: bytes) -> bytes | None:
        header, options = _BOOTP.unpack_from(question), _options(question[_BOOTP.size :])
        mac = header[11][:6].hex(":")
        address = self._address(mac)
        if address is None:
            return None
        kind = options.get(_KIND, b"\0")[0]
        if kind == _DISCOVER:
            return self._packet(header, _OFFER, address)
        if kind != _REQUEST:
            return None
        asked_for = IPv4Address(options.get(_REQUESTED) or header[7])
        if str(asked_for) != address:
            return self._packet(header, _NAK, "0.0.0.0")  # noqa: S104 - no address
        self.given.append((mac, address))
        if mac in self.others:
            self._until.setdefault(mac, time.monotonic() + _AGAIN)
        return self._packet(header, _ACK, address)

    def _address(self, mac: str) -> str | None:
        if mac in self._until and time.monotonic() > self._until[mac]:
            del self._until[mac], self.others[mac]
        return self.others.get(mac) or self.leases.get(mac)

    def _packet(self, header: tuple[bytes, ...], kind: int, address: str) -> bytes:
        own = self.own.ip.packed
        zero = bytes(4)
        packed = _BOOTP.pack(
            2, 1, 6, 0, header[4], 0, 0x8000, zero, IPv4Address(address).packed, own, zero,
            header[11], b"", b"", _COOKIE,
        )  # fmt: skip
        options = {_KIND: bytes([kind]), _SERVER: own}
        if kind != _NAK:
            options |= {_LEASE_TIME: (3600).to_bytes(4, "big"), _MASK: self.own.netmask.packed, _ROUTER: own}
        body = b"".join(bytes([code, len(value)]) + value for code, value in options.items())
        return packed + body + bytes([_END])


def _options(text: bytes) -> dict[int, bytes]:
    found = {}
    place = 0
    while place < len(text) and text[place] != _END:
        if text[place] == 0:
            place += 1
            continue
        length = text[place + 1]
        found[text[place]] = text[place + 2 : place + 2 + length]
        place += 2 + length
    return found
