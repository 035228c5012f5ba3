"""Medians, ratios, and the table."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, Any

from tabulate import tabulate

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from benchmarks.rows import Limit, Row

__all__ = ["markdown"]

Results = dict[str, Any]
_MIB = 2**20


def markdown(results: Results, rows: Sequence[Row]) -> str:
    """Return results as Markdown: what is to be reached first, then each program.

    Args:
        results: As in `results.json`: rows by name, in each `title`, `measured` and `programs` with their samples.
        rows: Where the limits are told.
    """
    measured = results["rows"]
    limits = [line for row in rows if row.name in measured for line in _limits(row, measured)]
    programs = [
        [
            told["title"],
            name,
            f"{statistics.median(samples['seconds']):.2f}",
            f"{min(samples['seconds']):.2f} to {max(samples['seconds']):.2f} ({len(samples['seconds'])})",
            round(statistics.median(samples["memory"]) / _MIB) or "",
        ]
        for told in (measured[row.name] for row in rows if row.name in measured)
        for name, samples in told["programs"].items()
    ]
    days = sorted({told["measured"][:10] for told in measured.values()})
    return "\n".join(
        [
            f"Measured {', '.join(days)} on {results['machine']}; programs in turns, medians.",
            "",
            tabulate(limits, ["work", "ours", "compared with", "ratio", "to reach", "reached"], "github"),
            "",
            tabulate(programs, ["work", "program", "seconds", "from, to (times)", "MiB at most"], "github"),
            "",
        ]
    )


def _limits(row: Row, measured: Mapping[str, Results]) -> Iterator[list[Any]]:
    for limit in row.limits:
        other_row, _, other = limit.of.rpartition("/")
        there = measured.get(other_row or row.name, {"programs": {}})["programs"].get(other)
        ours = measured[row.name]["programs"].get(limit.ours)
        if there and ours:
            ratio = _median(ours, limit) / _median(there, limit)
            where = f"{other}, {measured[other_row]['title']}" if other_row else other
            yield [
                measured[row.name]["title"],
                limit.ours,
                f"{limit.quantity} of {where}",
                f"{ratio:.2f}",
                f"{limit.ratio:g}",
                "yes" if ratio <= limit.ratio else "no",
            ]


def _median(samples: Results, limit: Limit) -> Any:  # noqa: ANN401 - a number
    return statistics.median(samples[limit.quantity])
