"""Hosts behind a delaying proxy that counts round trips."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.hosts import loopback
from benchmarks.ports import reserved_port
from runbook_lib.subprocess_termination import communicate_or_kill

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.hosts import Hosts

__all__ = ["RoundTrips", "delayed", "proxy"]

_STOP_TIMEOUT = 10.0  # seconds


@dataclass(frozen=True)
class RoundTrips:
    """What a proxy has counted.

    Args:
        file: Always has the number so far.
    """

    file: Path

    def total(self) -> int:
        """Return the round trips of all connections so far."""
        return int(self.file.read_text(encoding="ascii"))


@contextlib.contextmanager
def delayed(count: int, round_trip: float, place: Path) -> Iterator[tuple[Hosts, RoundTrips]]:
    """Serve SSH on `count` loopback addresses, behind a proxy, during the block.

    Args:
        count: Number of hosts.
        round_trip: Seconds.
        place: Directory for the counts, and for what a client must know of the hosts.

    Raises:
        RuntimeError: sshd or the proxy does not start.
    """
    with loopback(count) as hosts, reserved_port() as port:
        known = place / "known_hosts"
        text = hosts.known_hosts.read_text(encoding="ascii")
        known.write_text(text.replace(f":{hosts.port} ", f":{port} "), encoding="ascii")
        pairs = [f"{address}:{port}={address}:{hosts.port}" for address in hosts.addresses]
        with proxy(pairs, round_trip, place / "round-trips") as trips:
            yield replace(hosts, port=port, known_hosts=known), trips


@contextlib.contextmanager
def proxy(pairs: Sequence[str], round_trip: float, counts: Path, namespace: str = "") -> Iterator[RoundTrips]:
    """Run a delaying proxy during the block.

    Args:
        pairs: `ADDRESS:PORT=ADDRESS:PORT`: where it listens, and the server behind it.
        round_trip: Seconds.
        counts: File for the counts.
        namespace: The file of the network namespace that the proxy is in; empty: that of this process.

    Raises:
        RuntimeError: The proxy does not start.
    """
    program = Path(__file__).with_name("delay_proxy.py")
    enter = ["nsenter", f"--net={namespace}"] if namespace else []
    process = subprocess.Popen(
        [*enter, sys.executable, program, str(round_trip), counts, *pairs],
        stdin=subprocess.PIPE,  # the proxy ends with it
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        if not (process.stdout and process.stdout.readline()):
            raise RuntimeError(f"the delaying proxy does not listen on {pairs[0]}")
        yield RoundTrips(counts)
    finally:
        process.terminate()
        communicate_or_kill(process, b"", _STOP_TIMEOUT)
