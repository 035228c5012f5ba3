"""`runbook list`: the runbooks and how each ended last."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from runbook_lib.model.records import RunRecord

__all__ = ["list_command"]


@click.command("list")
@click.option("--runs", default="runs", show_default=True, help="Where run directories are.")
def list_command(runs: str) -> int:
    """List the runbooks: order, target, risk, last outcome."""
    from rich.console import Console  # noqa: PLC0415 - `--help` stays quick
    from rich.table import Table  # noqa: PLC0415 - as above
    from rich.text import Text  # noqa: PLC0415 - as above

    from runbook_lib.errors import EvidenceError  # noqa: PLC0415 - as above
    from runbook_lib.evidence.reader import read_journal  # noqa: PLC0415 - as above
    from runbook_lib.execution.catalog import analyses, catalog  # noqa: PLC0415 - as above
    from runbook_lib.project import project_top  # noqa: PLC0415 - as above

    table = Table("runbook", "title", "target", "risk", "last outcome", box=None, pad_edge=False)
    for entry in catalog():
        told = "never run"
        for path in sorted((project_top() / runs).glob(f"*_{entry.name}_*"), reverse=True)[:1]:
            try:
                told = _outcome(read_journal(path))
            except EvidenceError as problem:
                told = f"? {problem.message}"
        table.add_row(*map(Text, (entry.name, entry.model.title, entry.target, entry.risk, told)))
    Console(highlight=False).print(table)
    for name, purpose in analyses().items():
        click.echo(f"\nanalysis, no host touched: {name}: {purpose}")
        click.echo(f"  papermill notebooks/{name}.ipynb out.ipynb")
    return 0


def _outcome(record: RunRecord) -> str:
    """Return how a run ended, or that it goes on, or that it was killed on the way."""
    from runbook_lib.evidence.liveness import Liveness, liveness  # noqa: PLC0415 - as above
    from runbook_lib.model.status import SYMBOLS  # noqa: PLC0415 - `--help` stays quick

    where = f"{record.mode}, {record.started:%Y-%m-%d %H:%M} UTC"
    match liveness(record):
        case Liveness.RUNNING:
            return f"… running, {where}"
        case Liveness.STALE:
            return f"{SYMBOLS[record.status]} {record.status}, stale: its process is gone, {where}"
        case _:
            return f"{SYMBOLS[record.status]} {record.status}, {where}"
