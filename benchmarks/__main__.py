"""Measure this project and its peers side by side: `python -m benchmarks`."""

from __future__ import annotations

import compileall
import contextlib
import json
import os
import platform
import signal
import sys
import tempfile
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from benchmarks import environment
from benchmarks.all_benchmarks import Row, all_rows
from benchmarks.clock import Sample, timed
from benchmarks.table import markdown

_TOP = Path(__file__).parents[1]
_RESULTS = Path(__file__).with_name("results.json")
_SLOW = 10.0  # seconds; a program that takes longer is measured only once
_TIMEOUT = 900.0  # seconds


@click.command()
@click.option(
    "--row",
    "names",
    multiple=True,
    metavar="NAME",
    help="Measure only these rows; the results of the others are kept.",
)
@click.option("--without", multiple=True, metavar="PROGRAM", help="Do not measure this program.")
@click.option("--repetitions", default=3, show_default=True, type=click.IntRange(1))
@click.option(
    "--runs", default=100, show_default=True, type=click.IntRange(1), help="Number of runs in the row `many`."
)
@click.option(
    "--write/--no-write", default=True, help="Save the results in benchmarks/results.json and results.md."
)
def main(names: tuple[str, ...], without: tuple[str, ...], repetitions: int, runs: int, write: bool) -> None:  # noqa: FBT001 - click
    """Measure all programs in turns, and print a table of medians and ratios."""
    signal.signal(
        signal.SIGTERM, lambda *_: sys.exit(4)
    )  # unwinds the stack, which stops whatever was started
    rows = all_rows(runs)
    chosen = [row for row in rows if not names or row.name in names]
    if len(chosen) < len(set(names)):
        raise click.UsageError(f"rows are: {', '.join(row.name for row in rows)}")
    scripts = [text for row in chosen for name, text in row.scripts.items() if name not in without]
    # As an installed package has it: otherwise each process would compile our modules, and the peers' have theirs.
    compileall.compile_dir(_TOP / "runbook_lib", quiet=2)
    # Without programs from the peers' own environment, that is not made: the tests measure only this project.
    peers = environment.programs() if any("$PEERS" in text for text in scripts) else Path()
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    results: dict[str, Any] = {"machine": machine, "rows": {}}
    if write and names and _RESULTS.exists():
        results = {**json.loads(_RESULTS.read_text(encoding="utf-8")), "machine": machine}
    for row in chosen:
        samples = _measure(row, peers, repetitions, without)
        results["rows"][row.name] = {
            "title": row.title,
            "measured": datetime.now(UTC).isoformat(timespec="seconds"),
            "machine": machine,
            "load": [round(load, 1) for load in os.getloadavg()],
            "programs": {
                name: {
                    "seconds": [round(sample.seconds, 3) for sample in taken],
                    "memory": [sample.memory for sample in taken],
                    "round trips": [sample.round_trips for sample in taken if sample.round_trips is not None],
                }
                for name, taken in samples.items()
            },
        }
    text = markdown(results, rows)
    click.echo(text)
    if write:
        _RESULTS.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
        _RESULTS.with_suffix(".md").write_text(text, encoding="utf-8")


def _measure(row: Row, programs: Path, repetitions: int, without: tuple[str, ...]) -> dict[str, list[Sample]]:
    """Measure a row's programs in turns, so that other load on the machine affects all of them alike."""
    samples: dict[str, list[Sample]] = {name: [] for name in row.scripts if name not in without}
    with contextlib.ExitStack() as stack:
        work = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="runbook-benchmark-")))
        trips = stack.enter_context(row.prepare(work))
        for turn in range(repetitions):
            for name, taken in samples.items():
                if turn and taken[0].seconds > _SLOW:
                    continue
                out = work / f"out-{turn}-{name.partition(' ')[0]}"
                out.mkdir(exist_ok=True)
                before = trips.total() if trips else 0
                sample = timed(row.scripts[name], _environment(work, out, programs), _TOP, _TIMEOUT)
                if trips:
                    sample = replace(sample, round_trips=trips.total() - before)
                taken.append(sample)
                click.echo(f"{row.name}: {name}: {taken[-1].seconds:.2f} s", err=True)
    return samples


def _environment(work: Path, out: Path, programs: Path) -> dict[str, str]:
    dropped = ("RUNBOOK_", "PYTHONDONTWRITEBYTECODE")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(dropped)}
    return {
        **inherited,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(_TOP),
        "TOP": str(_TOP),
        "WORK": str(work),
        "OUT": str(out),
        "PEERS": str(programs),
    }


if __name__ == "__main__":
    main()
