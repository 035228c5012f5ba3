"""What a client sees of a redis, by each path that leads to it, while something on the way stops and comes back."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from runbook_lib.facts.base import Fact, lines_of, parsing
from runbook_lib.facts.redis_load import RedisPath  # noqa: TC001 - cases of tests are validated against the type
from runbook_lib.masking import excerpt
from runbook_lib.model.commands import Command, Output

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["ERRORS", "PathWatch", "RedisWatch"]

_PING_TIMEOUT = 1  # seconds, as for a client that does not wait for ever
_CUT_SHORT = "==> not asked to the end by the path "
_CALM = 15  # answers in a row after a failure: what was stopped is back
# Each PING is a connection of its own: what a new client sees. The clock is that of the client's host since its boot,
# in hundredths of a second. All paths are asked at the same time.
_ASK = r"""name=$1 server=$2 port=$3 end=$4 last=$5 failed= calm=0
while :; do
  read -r begun _ </proc/uptime
  [ "${begun%.*}" -lt "$end" ] || { [ -n "$failed" ] && [ "${begun%.*}" -lt "$last" ]; } || exit 0
  [ "$calm" -lt "$calm_enough" ] || exit 0
  said=$(timeout "$limit" redis-cli -h "$server" -p "$port" ping 2>&1 </dev/null); code=$?
  read -r ended _ </proc/uptime
  if [ "$said" = PONG ]; then calm=$((calm + ${failed:-0})); else failed=1 calm=0; fi
  printf '%s %s %s %s %s\n' "$name" "$begun" "$ended" "$code" "$(printf %s "$said" | head -n 1)"
  sleep 0.1
done"""
_WATCH = r"""seconds=$1 longer=$2; shift 2
read -r now _ </proc/uptime
end=$((${now%.*} + seconds)); last=$((end + longer))
for path in "$@"; do
  IFS=' ' read -r name container server port <<END
$path
END
  { docker exec "$container" sh -c "$ask" sh "$name" "$server" "$port" "$end" "$last" </dev/null ||
    echo "$cut_short$name: exit code $?"; } &
done
wait"""
_KINDS = {
    "Connection refused": "refused",
    "Connection reset": "closed",
    "Server closed the connection": "closed",
    "No route to host": "unreachable",
    "Network is unreachable": "unreachable",
    "name resolution": "unknown_name",
    "Name or service not known": "unknown_name",
    "timed out": "no_answer",
}
_KILLED = {124, 137, 143}  # by `timeout`, whose own exit code depends on who wrote it
ERRORS = ("refused", "closed", "unreachable", "unknown_name", "no_answer", "other")
"""Kinds of errors: the connection was refused or closed; there was no route, no such name, no answer in time."""


@dataclass(frozen=True)
class PathWatch:
    """What a client saw by one path.

    Args:
        path: Name of the path.
        asked: PINGs, each on a connection of its own.
        errors: How many of them failed, by kind (`ERRORS`).
        longest_gap: Seconds, the longest time between two answers; to the end of the observation, if none came.
        first_answer_after: Seconds from the first PING that failed to the first answer after it; None: none came, or
            none failed.
    """

    path: str
    asked: int
    errors: dict[str, int] = field(default_factory=dict)
    longest_gap: float = 0.0
    first_answer_after: float | None = None


@dataclass(frozen=True)
class RedisWatch(Fact[tuple[PathWatch, ...]]):
    """What a client sees that asks a redis by several paths, some times a second, for some seconds.

    The observation of a path ends before that time once it has answered again for a while after a failure.

    Args:
        paths: The paths.
        seconds: How long.
        stopped: What is stopped meanwhile; empty: nothing.
        longer: Seconds more for a path that has failed and has not come back yet.
    """

    paths: tuple[RedisPath, ...]
    seconds: int
    stopped: str = ""
    longer: int = 0

    def request(self) -> Command:
        """Return the command."""
        words = (f"{path.name} {path.container} {path.server} {path.port}" for path in self.paths)
        ask = f"limit={_PING_TIMEOUT} calm_enough={_CALM}\n{_ASK}"
        watch = f"cut_short='{_CUT_SHORT}' ask=$1; shift\n{_WATCH}"
        return Command(
            ("sh", "-c", watch, "sh", ask, str(self.seconds), str(self.longer), *words),
            sudo=True,
            timeout=self.seconds + self.longer + 60.0,
        )

    def parse(self, output: Output) -> tuple[PathWatch, ...]:
        """Return what was seen by each path.

        Raises:
            FactError: The output is that of another program, or a path was not asked at all or not to the end, as when
                its client has stopped: what came after that was not seen.
        """
        with parsing("PING by several paths"):
            asked: dict[str, list[tuple[float, float, str]]] = {path.name: [] for path in self.paths}
            for line in lines_of(output.stdout):
                if line.startswith(_CUT_SHORT):
                    raise ValueError(excerpt(line.removeprefix("==> "), 200))
                name, begun, ended, code, said = line.split(" ", 4)
                asked[name].append((float(begun), float(ended), _kind(int(code), said)))
            if not all(asked.values()):
                raise ValueError(f"no PING by the path {next(name for name in asked if not asked[name])}")
        return tuple(_seen(name, pings) for name, pings in asked.items())

    def absent(self) -> tuple[PathWatch, ...]:
        """Return none: without an engine there is no redis."""
        return ()

    @property
    def label(self) -> str:
        """What is stopped, and the names of the paths; the command has the rest."""
        return f"{self.id}({', '.join([*filter(None, [self.stopped]), *(path.name for path in self.paths)])})"


def _kind(code: int, said: str) -> str:
    """Return the kind of an error; empty for an answer."""
    if said == "PONG":
        return ""
    if code in _KILLED:
        return "no_answer"
    return next((kind for words, kind in _KINDS.items() if words in said), "other")


def _seen(path: str, pings: Sequence[tuple[float, float, str]]) -> PathWatch:
    kinds = [kind for _, _, kind in pings if kind]
    answers = [ended for _, ended, kind in pings if not kind]
    ends = [pings[0][0], *answers, pings[-1][1]]
    failed = next((begun for begun, _, kind in pings if kind), None)
    again = next((ended for ended in answers if failed is not None and ended > failed), None)
    return PathWatch(
        path,
        len(pings),
        {kind: kinds.count(kind) for kind in ERRORS if kind in kinds},
        round(max(later - earlier for earlier, later in itertools.pairwise(ends)), 2),
        None if failed is None or again is None else round(again - failed, 2),
    )
