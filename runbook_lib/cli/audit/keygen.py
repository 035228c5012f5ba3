"""`runbook audit keygen`: make a key pair."""

from __future__ import annotations

import click

from runbook_lib.attestation.keys import KEY, generate
from runbook_lib.project import expanded

__all__ = ["keygen_command"]


@click.command("keygen")
@click.argument("path", metavar="PATH")
@click.option(
    "--passphrase", metavar="REF", help="Encrypt the private key: ${env:NAME}, ${file:PATH} or ${keyring:…}."
)
def keygen_command(path: str, passphrase: str | None) -> None:
    """Make an Ed25519 key pair: the private key at PATH, the public one at PATH.pub.

    Only its owner can read the private key (mode 0600); an existing file is never overwritten. Give PATH.pub to
    those who verify: it belongs in their folder trusted_keys/, named after the signer.
    """
    file = expanded(path)
    key = generate(file, passphrase)
    click.echo(f"private key: {file} (keep it; use it as {KEY}='${{file:{file.absolute()}}}')")
    click.echo(f"public key:  {file}.pub (give it to those who verify)")
    click.echo(f"key id:      {key.keyid}")
