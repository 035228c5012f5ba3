"""Medians, ratios, and the table."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, Any

from tabulate import tabulate

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from benchmarks.clock import Sample
    from benchmarks.rows import Row

__all__ = ["markdown", "results_of"]

OURS = "runbook"


def results_of(rows: Sequence[Row], measured: Mapping[str, Mapping[str, list[Sample]]]) -> dict[str, Any]:
    """Return medians of all programs, and how ours compare with what is to be reached."""
    medians = {
        f"{row.name}/{name}": {
            "work": row.title,
            "program": name,
            "seconds": round(statistics.median(sample.seconds for sample in samples), 3),
            "all_seconds": [round(sample.seconds, 3) for sample in samples],
            "memory": round(statistics.median(sample.memory for sample in samples)),
        }
        for row in rows
        for name, samples in measured[row.name].items()
    }
    reached = []
    for row in rows:
        for limit in row.limits:
            other = medians.get(limit.of if "/" in limit.of else f"{row.name}/{limit.of}")
            ours = medians.get(f"{row.name}/{OURS}")
            if other and ours:
                ratio = ours[limit.quantity] / other[limit.quantity]
                reached.append(
                    {
                        "work": row.title,
                        "of": limit.of.replace("/runbook", ", runbook"),
                        "quantity": limit.quantity,
                        "ratio": round(ratio, 3),
                        "to_reach": round(limit.ratio, 3),
                        "reached": ratio <= limit.ratio,
                    }
                )
    return {"programs": list(medians.values()), "limits": reached}


def markdown(results: Mapping[str, Any]) -> str:
    """Return the results as Markdown: what is to be reached first, then each program."""
    limits = [
        [
            limit["work"],
            f"{limit['quantity']} of {limit['of']}",
            limit["ratio"],
            limit["to_reach"],
            _word(limit),
        ]
        for limit in results["limits"]
    ]
    programs = [
        [
            told["work"],
            told["program"],
            told["seconds"],
            f"{min(told['all_seconds']):.2f} to {max(told['all_seconds']):.2f} ({len(told['all_seconds'])})",
            round(told["memory"] / 2**20) or "",
        ]
        for told in results["programs"]
    ]
    head = f"Measured {results['measured']} on {results['machine']}; medians, programs in turns.\n"
    return "\n".join(
        [
            head,
            tabulate(limits, ["work", "runbook in", "ratio", "to reach", "reached"], "github"),
            "",
            tabulate(programs, ["work", "program", "seconds", "from, to (times)", "MiB at most"], "github"),
            "",
        ]
    )


def _word(limit: Mapping[str, Any]) -> str:
    return "yes" if limit["reached"] else "no"
