"""Make the tables of medians and ratios."""

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
    """Return results as Markdown: first the targets, then each program.

    Args:
        results: As in `results.json`: rows by name, in each `title`, `measured` and `programs` with their samples.
        rows: The rows, with their targets.
    """
    measured = results["rows"]
    limits = [line for row in rows if row.name in measured for line in _limits(row, measured)]
    programs = [
        [
            row_results["title"],
            name,
            f"{statistics.median(samples['seconds']):.2f}",
            f"{min(samples['seconds']):.2f} to {max(samples['seconds']):.2f} ({len(samples['seconds'])})",
            round(statistics.median(samples["memory"]) / _MIB) or "",
        ]
        for row_results in (measured[row.name] for row in rows if row.name in measured)
        for name, samples in row_results["programs"].items()
    ]
    days = sorted({row_results["measured"][:10] for row_results in measured.values()})
    return "\n".join(
        [
            f"Measured {', '.join(days)} on {results['machine']}; programs in turns, medians.",
            "",
            tabulate(limits, ["work", "ours", "compared with", "ratio", "target", "reached"], "github"),
            "",
            tabulate(programs, ["work", "program", "seconds", "from, to (runs)", "peak MiB"], "github"),
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
