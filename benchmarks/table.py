"""Make the tables of medians and ratios."""

from __future__ import annotations

import statistics
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tabulate import tabulate

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from benchmarks.row import Row

__all__ = ["markdown"]

Results = dict[str, Any]
_MIB = 2**20
_PROGRAMS = ["work", "program", "seconds", "from, to (runs)", "peak MiB", "round trips", "day", "machine"]
_PER_COMMAND = ["work", "program", "ms per command and host", "round trips per command and host"]


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
            round(statistics.median(samples["round trips"])) or "" if samples.get("round trips") else "",
            row_results["measured"][:10],
            row_results.get("machine", results["machine"]),
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
            tabulate(programs, _PROGRAMS, "github"),
            "",
            tabulate(_per_command(rows, measured), _PER_COMMAND, "github"),
            "",
        ]
    )


def _limits(row: Row, measured: Mapping[str, Results]) -> Iterator[list[Any]]:
    for limit in row.limits:
        other_row, _, other = limit.of.rpartition("/")
        ours = _value(row, limit.ours, limit.quantity, measured)
        theirs = 1.0
        if limit.of:
            in_row = replace(row, name=other_row) if other_row else row
            found = _value(in_row, other, limit.quantity, measured)
            if found is None:
                continue
            theirs = found
        if ours is None:
            continue
        where = f"{other}, {measured[other_row]['title']}" if other_row else other
        same_day = (
            not other_row or measured[other_row]["measured"][:10] == measured[row.name]["measured"][:10]
        )
        unit = _MIB if limit.quantity == "memory" and not limit.of else 1
        quantity = "MiB of memory" if unit == _MIB else limit.quantity
        yield [
            measured[row.name]["title"],
            limit.ours,
            f"{quantity} of {where}" if limit.of else quantity,
            f"{ours / theirs / unit:.2f}",
            f"{limit.ratio / unit:g}",
            ("yes" if ours / theirs <= limit.ratio else "no") if same_day else "other day",
        ]


def _value(row: Row, program: str, quantity: str, measured: Mapping[str, Results]) -> float | None:
    """Return the median of a program's samples; None if the program was not measured."""
    quantity, _, per_command = quantity.partition(" per ")
    samples = measured.get(row.name, {"programs": {}})["programs"].get(program, {}).get(quantity)
    if not samples:
        return None
    value = float(statistics.median(samples))
    if not per_command:
        return value
    fewer = measured.get(row.more_of, {"programs": {}})["programs"].get(program, {}).get(quantity)
    return (value - statistics.median(fewer)) / row.more_commands if fewer else None


def _per_command(rows: Sequence[Row], measured: Mapping[str, Results]) -> list[list[Any]]:
    """Return what a command more costs on one host, where two rows differ in the number of commands only."""
    lines = []
    for row in rows:
        programs = measured[row.name]["programs"] if row.more_of and row.name in measured else {}
        for program in programs:
            seconds = _value(row, program, "seconds per command", measured)
            trips = _value(row, program, "round trips per command", measured)
            if seconds is not None:
                lines.append(
                    [
                        measured[row.name]["title"],
                        program,
                        f"{1000 * seconds * row.hosts:.1f}",
                        "" if trips is None else f"{trips:.2f}",
                    ]
                )
    return lines
