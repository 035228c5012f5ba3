"""`runbook audit keygen`: make a key pair."""

from __future__ import annotations

from pathlib import Path

import click

from runbook_lib.attestation.keys import KEY, generate

__all__ = ["keygen_command"]


@click.command("keygen")
@click.argument("path", metavar="PATH")
@click.option("--passphrase", metavar="REF", help="Encrypt it: ${env:NAME}, ${file:PATH} or ${keyring:…}.")
def keygen_command(path: str, passphrase: str | None) -> None:
    """Make an Ed25519 key pair: the private key at PATH, the public one at PATH.pub.

    The private key is only for its owner (0600); a file that exists is never overwritten. Give PATH.pub
    to whoever verifies: into their folder trusted_keys/, under the signer's name.
    """
    file = Path(path).expanduser()
    key = generate(file, passphrase)
    click.echo(f"private key: {file} (keep it; use it as {KEY}='${{file:{file.absolute()}}}')")
    click.echo(f"public key:  {file}.pub (give it to those who verify)")
    click.echo(f"key id:      {key.keyid}")
