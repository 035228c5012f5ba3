"""What is measured: for each kind of work, the shell script that a user of each program would run.

Scripts have these environment variables: `TOP` is the project's directory, `WORK` has the files prepared for the row,
`OUT` is a new directory for each execution, `PEERS` the directory of the peers' programs.
"""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.chapter_row import chapter_row
from benchmarks.evidence_rows import evidence_rows
from benchmarks.row import Limit, Row
from benchmarks.ssh_rows import ssh_rows

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from benchmarks.delayed import RoundTrips
    from benchmarks.row import Prepare

__all__ = ["SIZES", "all_rows"]

SIZES: dict[str, int] = {
    "many": 100,
    "verify": 10_000,
    "notebooks": 1000,
    "notebooks-chapter": 1000,
    "archive": 10_000,
}
"""The rows whose size can be chosen: number of runs, of commands, of notebooks, of notebooks and of runs."""

_HERE = Path(__file__).parent
_GIVEN = '-p inventory "$WORK/inventory.yml" -p runs "$OUT"'
_FIRST_LINE = 'python -m benchmarks.first_line "$OUT"'


def all_rows(sizes: Mapping[str, int]) -> list[Row]:
    """Return all rows.

    Args:
        sizes: What differs from `SIZES`.
    """
    sizes = {**SIZES, **sizes}
    runs = sizes["many"]
    one = '"$TOP/benchmarks/trivial.ipynb"'
    five = " ".join(f'"$WORK/{n}_five.ipynb"' for n in range(1, 6))
    return [
        Row(
            "one",
            "1 notebook, 10 trivial steps with records, cold",
            {
                "papermill": f'papermill {_GIVEN} {one} "$OUT/out.ipynb"',
                "runbook": f"runbook run {one} {_GIVEN}",
            },
            (Limit("papermill", 0.7),),
            _local(1),
        ),
        Row(
            "five",
            "5 notebooks, one command",
            {
                "papermill": f'for n in {five}; do papermill {_GIVEN} "$n" "$OUT/out.ipynb"; done',
                "runbook": f"runbook run {five} {_GIVEN}",
            },
            (Limit("papermill", 0.3),),
            _local(5),
        ),
        Row(
            "many",
            f"{runs} runs, 2 cores",
            {
                "papermill": f"seq 1 {runs} | xargs -P2 -I{{}} papermill {_GIVEN} -p hosts this-{{}} {one} "
                '"$OUT/out-{}.ipynb"',
                "runbook": f'runbook run --matrix "$WORK/matrix.yml" --jobs 2 {_GIVEN}',
            },
            (Limit("papermill", 0.12),),
            _local(runs),
        ),
        *ssh_rows(),
        Row(
            "help",
            "--help",
            {"papermill": "papermill --help", "runbook": "runbook --help"},
            (Limit("papermill", 0.4),),
            _local(1),
        ),
        Row(
            "start",
            "from the command to the first line of the journal",
            {
                "papermill": f'{_FIRST_LINE} papermill {_GIVEN} {one} "$OUT/out.ipynb"',
                "runbook": f"{_FIRST_LINE} runbook run {one} {_GIVEN}",
            },
            (Limit("papermill", 0.4),),
            _local(1),
        ),
        *evidence_rows(sizes),
        chapter_row(),
    ]


def _local(hosts: int) -> Prepare:
    @contextlib.contextmanager
    def prepare(work: Path) -> Iterator[RoundTrips | None]:
        names = ["this", *(f"this-{n}" for n in range(1, hosts + 1))]
        # What they act on differs, as that of names for devices that are managed from here does: they run in parallel.
        inventory = {name: {"connection": "local", "acts_on": name} for name in names}
        (work / "inventory.yml").write_text(json.dumps({"hosts": inventory}), encoding="utf-8")
        each = {"runbook": [str(_HERE / "trivial.ipynb")], "parameters": {"hosts": names[1:]}}
        (work / "matrix.yml").write_text(json.dumps({"cross": each}), encoding="utf-8")
        text = (_HERE / "trivial.ipynb").read_text(encoding="utf-8")
        for n in range(1, hosts + 1):
            (work / f"{n}_five.ipynb").write_text(
                text.replace('hosts = \\"this\\"', f'hosts = \\"this-{n}\\"'), encoding="utf-8"
            )
        yield None

    return prepare
