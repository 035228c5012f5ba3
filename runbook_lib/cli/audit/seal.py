"""`runbook audit seal`: seal a run after its end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from runbook_lib.attestation import seal, signers
from runbook_lib.cli.audit.archive_options import runs_options
from runbook_lib.cli.completed_names import complete_runs
from runbook_lib.evidence.lookup import find_run

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["run_directory", "seal_command"]


@click.command("seal")
@click.argument("run", metavar="RUN", shell_complete=complete_runs)
@click.option("--key", metavar="REF", help="The signing key: a file or a secret reference.")
@click.option("--passphrase", metavar="REF", help="Secret reference to the key's passphrase.")
@runs_options
def seal_command(run: str, key: str | None, passphrase: str | None, runs: Path) -> None:
    """Seal a run that was not sealed at its end: one that was killed, or that ran in Jupyter.

    A run without a recorded end is sealed with status unknown and result FAILED. The seal says who made it, when,
    and that it was made later. Without a key the run is sealed but unsigned.
    """
    sealed = seal(run_directory(run, runs), signers(key, passphrase))
    click.echo(f"sealed as {sealed.result} ({sealed.record.status}): {sealed.path}")
    if sealed.record.incomplete:
        click.echo(f"  incomplete: {sealed.record.incomplete}")
    for key_id in sealed.key_ids:
        click.echo(f"  signed by key {key_id}")
    if not sealed.key_ids:
        click.echo("  unsigned: no key was given")


def run_directory(name: str, runs: Path) -> Path:
    """Return the run directory that a user names: by its path, its journal, its id or id prefix, or `last`."""
    path = find_run(name, runs)
    return path if path.is_dir() else path.parent
