"""`runbook audit html`: an archive as a site."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from runbook_lib.cli.audit.archive_options import archive_options, opened, trust_option

__all__ = ["html_command"]


@click.command("html")
@click.argument("out")
@click.argument("path", required=False)
@click.option("--title", default="Runs", show_default=True, help="The overview's heading.")
@click.option("--no-verify", is_flag=True, help="Do not say what each run's evidence is worth: quicker.")
@trust_option
@archive_options
def html_command(  # noqa: PLR0913 - click passes each option by name
    *, chosen: dict[str, Any], out: str, path: str | None, title: str, no_verify: bool, trust: tuple[str, ...]
) -> int:
    """Write the runs below PATH (default: runs) as static pages into the directory OUT.

    Open OUT/index.html in a browser; nothing is fetched from anywhere. Pages that are right already are left.
    """
    from runbook_lib.audit.site.site import write_site  # noqa: PLC0415 - `--help` stays quick

    keys = [Path(name).expanduser() for name in trust]
    told = write_site(opened(chosen, path), Path(out), title=title, verify=not no_verify, trust=keys)
    click.echo(f"{told.index}\n{told.pages} pages written, {told.kept} were right already")
    return 0
