"""`runbook audit html`: an archive as a site."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from runbook_lib.cli.audit.archive_options import archive_options, open_archive, trust_option
from runbook_lib.project import expanded

__all__ = ["html_command"]


@click.command("html")
@click.argument("out")
@click.option("--title", default="Runs", show_default=True, help="The overview's heading.")
@click.option("--no-verify", is_flag=True, help="Do not verify each run's evidence: faster.")
@trust_option
@archive_options
def html_command(
    *,
    archive_settings: dict[str, Any],
    out: str,
    title: str,
    no_verify: bool,
    trust: tuple[str, ...],
) -> int:
    """Write the runs in ARCHIVE (default: runs) as static pages to the directory OUT.

    Open OUT/index.html in a browser; the pages load nothing from the network. Pages that are up to date are kept.
    """
    from runbook_lib.audit.site.site import write_site  # noqa: PLC0415 - `--help` stays quick

    keys = [expanded(name) for name in trust]
    written = write_site(
        open_archive(archive_settings), Path(out), title=title, verify=not no_verify, trust=keys
    )
    click.echo(f"{written.index}\n{written.pages} pages written, {written.kept} up to date")
    return 0
