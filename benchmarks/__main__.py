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
from typing import TYPE_CHECKING, Any

import click

from benchmarks import environment
from benchmarks.all_benchmarks import SIZES, all_rows
from benchmarks.clock import Sample, timed
from benchmarks.measured import SECONDS_FILE
from benchmarks.table import markdown

if TYPE_CHECKING:
    from benchmarks.row import Row

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
    "--size",
    "sizes",
    multiple=True,
    metavar="ROW=NUMBER",
    help=f"Another size of a row; by default {', '.join(f'{row}={size}' for row, size in SIZES.items())}.",
)
@click.option(
    "--write/--no-write", default=True, help="Save the results in benchmarks/results.json and results.md."
)
def main(
    names: tuple[str, ...],
    without: tuple[str, ...],
    repetitions: int,
    sizes: tuple[str, ...],
    write: bool,  # noqa: FBT001 - click
) -> None:
    """Measure all programs in turns, and print a table of medians and ratios."""
    signal.signal(
        signal.SIGTERM, lambda *_: sys.exit(4)
    )  # unwinds the stack, which stops whatever was started
    rows = all_rows(_sizes(sizes))
    chosen = [row for row in rows if not names or row.name in names]
    if len(chosen) < len(set(names)):
        raise click.UsageError(f"rows are: {', '.join(row.name for row in rows)}")
    if left_out := [row.name for row in chosen if row.as_root and os.geteuid() != 0]:
        click.echo(
            f"left out, since practice hosts are started as root only: {', '.join(left_out)}", err=True
        )
        chosen = [row for row in chosen if row.name not in left_out]
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


def _sizes(given: tuple[str, ...]) -> dict[str, int]:
    sizes = {}
    for text in given:
        row, _, number = text.partition("=")
        if row not in SIZES or not number.isdecimal() or int(number) < 1:
            raise click.UsageError(f"--size {text}: give ROW=NUMBER; rows with a size are {', '.join(SIZES)}")
        sizes[row] = int(number)
    return sizes


def _measure(row: Row, programs: Path, repetitions: int, without: tuple[str, ...]) -> dict[str, list[Sample]]:
    """Measure a row's programs in turns, so that other load on the machine affects all of them alike."""
    samples: dict[str, list[Sample]] = {name: [] for name in row.scripts if name not in without}
    with contextlib.ExitStack() as stack:
        work = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="runbook-benchmark-")))
        trips = stack.enter_context(row.prepare(work))
        for turn in range(repetitions):
            for number, (name, taken) in enumerate(samples.items()):
                if turn and taken[0].seconds > _SLOW:
                    continue
                out = work / f"out-{turn}-{number}"
                out.mkdir()
                before = trips.total() if trips else 0
                sample = timed(row.scripts[name], _environment(work, out, programs), _TOP, _TIMEOUT)
                if (measured := out.with_suffix(".seconds")).exists():
                    sample = replace(sample, seconds=float(measured.read_text(encoding="ascii")))
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
        SECONDS_FILE: str(out.with_suffix(".seconds")),
        "PEERS": str(programs),
    }


if __name__ == "__main__":
    main()
