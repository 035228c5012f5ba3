"""`runbook audit countersign`: add a signature."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from runbook_lib.attestation.keys import KEY, signers
from runbook_lib.audit.verify.countersign import countersign
from runbook_lib.cli.audit.archive_options import runs_options
from runbook_lib.cli.audit.seal import run_directory
from runbook_lib.cli.audit.verify import VerificationSettings, print_verdict, source_options
from runbook_lib.cli.completed_names import complete_runs
from runbook_lib.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["countersign_command"]


@click.command("countersign")
@click.argument("run", metavar="RUN", shell_complete=complete_runs)
@click.option("--key", metavar="REF", help="The signing key: a file or a secret reference.")
@click.option("--passphrase", metavar="REF", help="Secret reference to the key's passphrase.")
@source_options
@runs_options
def countersign_command(
    run: str,
    key: str | None,
    passphrase: str | None,
    runs: Path,
    **options: str | bool | tuple[str, ...] | None,
) -> None:
    """Add a signature to a sealed run, as its reviewer.

    The run is verified first. Altered evidence is never signed. Incomplete evidence can be signed, since the
    statement itself says so. Signers who sign at the same time wait for each other.
    """
    settings = VerificationSettings.of(options)
    keys = signers(key, passphrase)
    if not keys:
        raise InputError("no key to sign with", hint=f"give --key, or set {KEY}")
    verdict = countersign(run_directory(run, runs), keys, trust=settings.trust, approved=settings.approval)
    click.echo(f"signed by key {keys[0].public_key.keyid}")
    print_verdict(verdict)
