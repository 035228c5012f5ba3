"""`make release`, and `python -m tools.release verify DIRECTORY --trust KEY` for those who install one."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import click

from runbook_lib.attestation import signers
from runbook_lib.attestation.trust import Trust
from runbook_lib.errors import InputError, OperationError, RunbookError
from runbook_lib.secrets import SIGNING_KEY
from tools.release import artifacts, licenses, provenance
from tools.release.tree import Tree

__all__ = ["cli"]

_TOP = Path(__file__).parents[2]
_POLICY = Path(__file__).parent / "licenses.toml"


@click.group()
def cli() -> None:
    """Make a release of this repository, or verify one."""


@cli.command()
@click.option(
    "--development", is_flag=True, help="Also of a commit without a tag, and without a key: to try it."
)
@click.option(
    "--output", type=click.Path(path_type=Path), default=_TOP / "dist", help="Directory; emptied first."
)
@click.option("--sign-key", envvar=SIGNING_KEY, help="Private key: a file or a secret reference.")
def make(*, development: bool, output: Path, sign_key: str | None) -> None:
    """Build wheel and source, list what the wheel needs, check licences, and sign who built it from what."""
    tree = Tree.read(_TOP)
    if not development:
        tree.require_release()
    if not (development or sign_key):
        raise InputError(
            "no key to sign with", where=SIGNING_KEY, hint="`runbook audit keygen ~/.runbook/release`"
        )
    keys = signers(sign_key)
    shutil.rmtree(output, ignore_errors=True)
    output.mkdir(parents=True)
    click.echo(f"building from commit {tree.commit[:12]}", err=True)
    wheel = next(path for path in artifacts.build(tree, output) if path.suffix == ".whl")
    version = wheel.name.split("-")[1]
    if tree.version and version != tree.version:
        raise OperationError(
            f"the wheel has version {version}", where=str(wheel), hint=f"the tag is {tree.tag}"
        )
    click.echo("installing the wheel, with all extras, into an environment of its own", err=True)
    python = artifacts.install(wheel, _TOP / "build" / "release", _TOP / "constraints.txt")
    packages = licenses.installed(python)
    problems = licenses.refused(packages, _POLICY)
    if problems:
        raise OperationError(
            "licences that nobody has decided on:" + "".join(f"\n  {problem}" for problem in problems),
            where=str(_POLICY),
            hint="allow the licence, or the package with a reason, or do without the package",
        )
    click.echo(f"licences of {len(packages)} packages: allowed", err=True)
    artifacts.list_packages(python, output)
    provenance.attest(tree, version, output, keys)
    for path in sorted(output.iterdir()):
        click.echo(str(path))


@cli.command()
@click.argument("directory", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--trust", "trusted", required=True, multiple=True, type=click.Path(path_type=Path),
              help="Public key of the maintainer who signed it, or a folder of them; repeatable.")  # fmt: skip
def verify(directory: Path, trusted: tuple[Path, ...]) -> None:
    """Verify the files of a release: all are there, unchanged, and signed by a key that you trust."""
    found = provenance.verify(directory, Trust.load(*trusted))
    wrong = {finding.partition(":")[0] for finding in found.findings}
    for name in found.names:
        click.echo(f"{'✗' if name in wrong else '✓'} {name}")
    for finding in found.findings:
        click.echo(finding, err=True)
    if found.findings:
        raise SystemExit(1)
    click.echo(
        f"verified: version {found.version} from commit {found.commit}, signed by {', '.join(found.signers)}"
    )


if __name__ == "__main__":
    try:
        cli(prog_name="python -m tools.release")
    except RunbookError as problem:
        click.echo(f"{type(problem).__name__}: {problem}", err=True)
        sys.exit(problem.exit_code)
