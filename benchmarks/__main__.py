"""Measure this project and its peers side by side: `python -m benchmarks`."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import click

from benchmarks import environment
from benchmarks.clock import Sample, timed
from benchmarks.rows import Row, all_rows
from benchmarks.table import markdown, results_of

_TOP = Path(__file__).parents[1]
_SLOW = 20.0  # seconds after which a program is measured once only
_TIMEOUT = 900.0  # seconds


@click.command()
@click.option("--row", "names", multiple=True, metavar="NAME", help="Only these rows.")
@click.option("--without", multiple=True, metavar="PROGRAM", help="Leave a program out.")
@click.option("--repetitions", default=3, show_default=True, type=click.IntRange(1))
@click.option(
    "--runs", default=100, show_default=True, type=click.IntRange(1), help="For the row of many runs."
)
@click.option("--write/--no-write", default=True, help="Write benchmarks/results.json and results.md.")
def main(names: tuple[str, ...], without: tuple[str, ...], repetitions: int, runs: int, write: bool) -> None:  # noqa: FBT001 - click
    """Run everything, one after another and in turns, and show one table of medians and ratios."""
    rows = [row for row in all_rows(runs) if not names or row.name in names]
    if len(rows) < len(names):
        raise click.UsageError(f"rows are: {', '.join(row.name for row in all_rows(runs))}")
    peers = environment.programs()
    measured = {row.name: _measure(row, peers, repetitions, without) for row in rows}
    results = {
        "measured": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        "repetitions": repetitions,
        **results_of(rows, measured),
    }
    text = markdown(results)
    click.echo(text)
    if write:
        place = Path(__file__).parent
        (place / "results.json").write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
        (place / "results.md").write_text(text, encoding="utf-8")


def _measure(row: Row, programs: Path, repetitions: int, without: tuple[str, ...]) -> dict[str, list[Sample]]:
    """Measure a row's programs in turns, so that what else the machine does hits all of them alike."""
    samples: dict[str, list[Sample]] = {name: [] for name in row.contenders if name not in without}
    with contextlib.ExitStack() as stack:
        work = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="runbook-benchmark-")))
        stack.enter_context(row.prepare(work))
        for turn in range(repetitions):
            for name, taken in samples.items():
                if turn and taken[0].seconds > _SLOW:
                    continue
                out = work / f"out-{turn}-{name.partition(' ')[0]}"
                out.mkdir(exist_ok=True)
                taken.append(timed(row.contenders[name], _environment(work, out, programs), _TOP, _TIMEOUT))
                click.echo(f"{row.name}: {name}: {taken[-1].seconds:.2f} s", err=True)
    return samples


def _environment(work: Path, out: Path, programs: Path) -> dict[str, str]:
    ours = {name: value for name, value in os.environ.items() if not name.startswith("RUNBOOK_")}
    return {
        **ours,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(_TOP),
        "TOP": str(_TOP),
        "WORK": str(work),
        "OUT": str(out),
        "PEERS": str(programs),
    }


if __name__ == "__main__":
    main()
