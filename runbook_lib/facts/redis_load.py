"""How fast a redis answers by each path that leads to it, measured by redis-benchmark."""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass

from runbook_lib.errors import FactError
from runbook_lib.facts.base import Fact, lines_of, parsing
from runbook_lib.masking import excerpt
from runbook_lib.model.commands import Command, Output

__all__ = ["RedisLoad", "RedisPath", "RedisSpeed"]

_TIMEOUT = 20  # seconds for one path; a path that leads nowhere must not hang the run
_MARK = "path "
_FAILED = "failed "
# Where nothing answers, redis-benchmark tries for ever: `timeout` has to be inside of the container to end it.
# PING changes nothing in the redis. The paths take turns in each round, so that none has the quieter machine.
_MEASURE = r"""requests=$1 clients=$2 rounds=$3; shift 3
while [ "$rounds" -gt 0 ]; do
  rounds=$((rounds - 1))
  for path in "$@"; do
    IFS=' ' read -r name container server port <<END
$path
END
    echo "path $name"
    docker exec "$container" timeout "$limit" redis-benchmark -h "$server" -p "$port" \
      -n "$requests" -c "$clients" -t ping_mbulk --csv </dev/null 2>&1 || echo "failed $?"
  done
done
"""


@dataclass(frozen=True)
class RedisPath:
    """A way to a redis.

    Args:
        name: One word, as `two-ambassadors`.
        container: The container that redis-benchmark runs in.
        server: Address or name at which that container reaches the redis.
        port: TCP port there.
    """

    name: str
    container: str
    server: str
    port: int


@dataclass(frozen=True)
class RedisSpeed:
    """One measurement.

    Args:
        path: Name of the path.
        requests_per_second: Answers a second, with all clients together.
        p50: Milliseconds within which half of the requests were answered.
        p99: Milliseconds within which 99 of 100 requests were answered.
    """

    path: str
    requests_per_second: float
    p50: float
    p99: float


@dataclass(frozen=True)
class RedisLoad(Fact[tuple[RedisSpeed, ...]]):
    """What redis-benchmark measures by each path, each in turn in every round.

    Args:
        paths: The paths.
        requests: PINGs by each path in each round.
        clients: Connections that send them at the same time.
        rounds: How often each path is measured.
    """

    paths: tuple[RedisPath, ...]
    requests: int
    clients: int
    rounds: int

    def request(self) -> Command:
        """Return the command."""
        words = (f"{path.name} {path.container} {path.server} {path.port}" for path in self.paths)
        counts = map(str, (self.requests, self.clients, self.rounds))
        return Command(
            ("sh", "-c", f"limit={_TIMEOUT}\n{_MEASURE}", "sh", *counts, *words),
            sudo=True,
            timeout=_TIMEOUT * self.rounds * len(self.paths) + 10.0,
        )

    def parse(self, output: Output) -> tuple[RedisSpeed, ...]:
        """Return the measurements in their order.

        Raises:
            FactError: A path leads nowhere, or redis-benchmark is older than 6.2 and names no percentiles.
        """
        found: list[RedisSpeed] = []
        for part in f"\n{output.stdout}".split(f"\n{_MARK}")[1:]:
            name, *lines = lines_of(part)
            found.append(_speed(name, lines))
        names = [path.name for path in self.paths] * self.rounds
        if [speed.path for speed in found] != names:
            raise FactError(f"redis-benchmark: {len(found)} measurements instead of {len(names)}")
        return tuple(found)

    def absent(self) -> tuple[RedisSpeed, ...]:
        """Return none: without an engine there is no redis."""
        return ()

    @property
    def label(self) -> str:
        """The names of the paths; the command has the rest."""
        return f"{self.id}({', '.join(path.name for path in self.paths)})"


def _speed(path: str, lines: list[str]) -> RedisSpeed:
    if lines and lines[-1].startswith(_FAILED):
        said = " ".join(lines[:-1]) or f"no answer within {_TIMEOUT} s"
        raise FactError(f"redis-benchmark by the path {path}: {excerpt(said, 200)}")
    with parsing(f"redis-benchmark by the path {path}"):
        (values,) = csv.DictReader(lines)
        speed = float(values["rps"])
        if not math.isfinite(speed):
            raise FactError(
                f"redis-benchmark by the path {path}: too few requests to measure how long they take"
            )
        return RedisSpeed(
            path=path,
            requests_per_second=speed,
            p50=float(values["p50_latency_ms"]),
            p99=float(values["p99_latency_ms"]),
        )
