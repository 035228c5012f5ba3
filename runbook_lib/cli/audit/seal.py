"""`runbook audit seal`: seal a run after its end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from runbook_lib.attestation import seal, signers
from runbook_lib.evidence.lookup import find_run
from runbook_lib.project import project_top

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["run_directory", "seal_command"]


@click.command("seal")
@click.argument("run", metavar="RUN")
@click.option("--key", metavar="REF", help="The signing key: a file or a secret reference.")
@click.option("--passphrase", metavar="REF", help="Secret reference to the key's passphrase.")
@click.option("--runs", "below", default="runs", show_default=True, help="Where to look RUN up by its id.")
def seal_command(run: str, key: str | None, passphrase: str | None, below: str) -> None:
    """Seal a run that was not sealed at its end: one that was killed, or that ran in Jupyter.

    It is sealed as what it is: without an end of its own its status is unknown and its result FAILED. The
    seal says who made it, when, and that it was made later. Without a key the hashes stand unsigned.
    """
    done = seal(run_directory(run, below), signers(key, passphrase))
    click.echo(f"sealed as {done.result} ({done.record.status}): {done.path}")
    if done.record.incomplete:
        click.echo(f"  incomplete: {done.record.incomplete}")
    for key_id in done.key_ids:
        click.echo(f"  signed by key {key_id}")
    if not done.key_ids:
        click.echo("  unsigned: no key was given")


def run_directory(name: str, below: str) -> Path:
    """Return the run directory that a user means: by its path, its journal, its id, or `last`."""
    path = find_run(name, project_top() / below)
    return path if path.is_dir() else path.parent
