"""A TCP proxy that delays both directions, as a real network does, and counts round trips. Needs no privileges.

    python -m benchmarks.delay_proxy SECONDS COUNTS ADDRESS:PORT=ADDRESS:PORT ...

Each pair is a listening address and the server behind it. SECONDS is the round trip. COUNTS is a file that always has
the number of round trips of all connections so far.

A round trip is an answer that the client could not have had earlier: bytes of the client are one trip later than the
latest bytes that it had received, and bytes of the server belong to the same trip as the latest bytes that it had
received. So ten requests that are sent together and answered together are one round trip, and ten requests that wait
for each other are ten.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

__all__ = ["DelayProxy"]

_PIECE = 2**16  # bytes


@dataclass
class _Trips:
    """The latest round trip whose bytes have arrived at each end."""

    at_server: int = 0
    at_client: int = 0


class DelayProxy:
    """Proxies in one event loop.

    Args:
        round_trip: Seconds; half of it in each direction.
        counts: Gets the number of round trips of all connections so far.
    """

    def __init__(self, round_trip: float, counts: Path) -> None:
        self._delay = round_trip / 2
        self._counts = os.open(counts, os.O_WRONLY | os.O_CREAT, 0o600)
        self._total = 0
        self._count(0)
        self._open: set[asyncio.Task[None]] = set()

    async def listen(self, address: str, port: int, to_address: str, to_port: int) -> None:
        """Listen on an address, and forward each connection to the server at another one."""

        async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.ensure_future(self._forward(reader, writer, to_address, to_port))
            self._open.add(task)
            task.add_done_callback(self._open.discard)

        await asyncio.start_server(accept, address, port)

    async def close(self) -> None:
        """Close all connections."""
        for task in tuple(self._open):
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    async def _forward(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, address: str, port: int
    ) -> None:
        trips = _Trips()
        try:
            answers, requests = await asyncio.open_connection(address, port)
            try:
                await asyncio.gather(
                    self._carry(reader, requests, trips, upwards=True),
                    self._carry(answers, writer, trips, upwards=False),
                )
            finally:
                requests.close()
        except (OSError, EOFError):
            pass  # one of the two is gone, and so is the connection
        finally:
            writer.close()

    def _count(self, more: int) -> None:
        self._total += more
        os.pwrite(self._counts, f"{self._total:12}".encode(), 0)

    async def _carry(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, trips: _Trips, *, upwards: bool
    ) -> None:
        """Carry one direction: each piece arrives half a round trip after it was sent."""
        loop = asyncio.get_running_loop()
        underway: asyncio.Queue[tuple[float, int, bytes]] = asyncio.Queue()

        async def arrive() -> None:
            while True:
                when, trip, piece = await underway.get()
                await asyncio.sleep(when - loop.time())
                if not piece:
                    with contextlib.suppress(OSError):
                        sink.write_eof()
                    return
                if upwards:
                    trips.at_server = max(trips.at_server, trip)
                else:
                    self._count(max(0, trip - trips.at_client))
                    trips.at_client = max(trips.at_client, trip)
                sink.write(piece)
                await sink.drain()

        arrival = asyncio.create_task(arrive())
        try:
            while piece := await source.read(_PIECE):
                trip = trips.at_client + 1 if upwards else trips.at_server
                underway.put_nowait((loop.time() + self._delay, trip, piece))
            underway.put_nowait((loop.time() + self._delay, 0, b""))
            await arrival
        finally:
            arrival.cancel()


async def _main(round_trip: float, counts: Path, pairs: list[str]) -> None:
    proxy, over = DelayProxy(round_trip, counts), asyncio.Event()
    for pair in pairs:
        near, _, far = pair.partition("=")
        (address, _, port), (to_address, _, to_port) = near.rpartition(":"), far.rpartition(":")
        await proxy.listen(address, int(port), to_address, int(to_port))
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, over.set)
    # Standard input ends with the process that started the proxy, also where that is killed.
    asyncio.get_running_loop().add_reader(sys.stdin.fileno(), over.set)
    sys.stdout.write("listening\n")
    sys.stdout.flush()
    await over.wait()
    await proxy.close()


if __name__ == "__main__":
    asyncio.run(_main(float(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:]))
