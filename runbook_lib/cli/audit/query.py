"""`runbook audit query`: SQL over an archive."""

from __future__ import annotations

from typing import Any

import click

from runbook_lib.cli.audit.archive_options import archive_options, open_archive, print_table

__all__ = ["query_command"]


@click.command("query")
@click.argument("sql")
@click.option(
    "--format", "form", type=click.Choice(["table", "csv", "json"]), default="table", show_default=True
)
@archive_options
def query_command(archive_settings: dict[str, Any], sql: str, form: str) -> int:
    """Run one SELECT over the tables runs, steps, commands, checks and files.

    For example, failures by host in the last 30 days:

    \b
    runbook audit query "SELECT host, count(*) AS failures FROM steps
      WHERE status = 'failed' AND started > now() - INTERVAL 30 DAY GROUP BY host"
    """  # noqa: D301 - \b is click's mark for lines that it must not rewrap
    print_table(open_archive(archive_settings).query(sql), form)
    return 0
