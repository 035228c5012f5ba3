"""`runbook new`: a runbook of one's own, in a repository of one's own."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from runbook_lib.project import expanded

__all__ = ["new_command"]


@click.command("new")
@click.argument("name")
@click.option(
    "--directory",
    default=".",
    show_default=True,
    metavar="DIR",
    help="The repository's directory; it is created if it does not exist.",
)
def new_command(name: str, directory: str) -> int:
    """Make a runbook that runs at once: notebook, parameters, inventory, test, CI, README.

    NAME is the runbook's name, such as rotate-certificates. In a repository that has runbooks already, files that
    belong to all of them are kept. No file is ever overwritten.
    """
    from runbook_lib.installation import Origin  # noqa: PLC0415 - `--help` stays quick
    from runbook_lib.new_repository.new_repository import create  # noqa: PLC0415 - as above

    top = expanded(directory)
    origin = Origin.installed()
    made = create(name, top, origin)
    for path in made.written:
        click.echo(f"  {path}")
    if made.kept:
        click.echo(f"kept as they were: {', '.join(made.kept)}")
    click.echo("\nNext:")
    if top.resolve() != Path.cwd():
        click.echo(f"  cd {directory}")
    commands = {
        f"runbook run {name} --mode plan": "what it would do",
        f"runbook run {name}": "do it, on this machine (see inventory.yml)",
        "runbook lint": "before each commit",
    }
    if origin.path and "requirements.txt" in made.written:
        commands[f"pip wheel --no-deps --wheel-dir wheels {shlex.quote(str(origin.path))}"] = (
            "for requirements.txt: once"
        )
    width = max(map(len, commands))
    for command, purpose in commands.items():
        click.echo(f"  {command:{width}}  # {purpose}")
    return 0
