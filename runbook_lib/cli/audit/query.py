"""`runbook audit query`: SQL over an archive."""

from __future__ import annotations

from typing import Any

import click

from runbook_lib.cli.audit.archive_options import archive_options, opened, print_table

__all__ = ["query_command"]


@click.command("query")
@click.argument("sql")
@click.option(
    "--format", "form", type=click.Choice(["table", "csv", "json"]), default="table", show_default=True
)
@archive_options
def query_command(chosen: dict[str, Any], sql: str, form: str) -> int:
    """Answer SQL, one SELECT, over the tables runs, steps, commands, checks and files.

    For example, failures by host in the last 30 days:

    \b
    runbook audit query "SELECT host, count(*) AS failures FROM steps
      WHERE status = 'failed' AND started > now() - INTERVAL 30 DAY GROUP BY host"
    """  # noqa: D301 - \b is click's mark for lines to be left as they are
    print_table(opened(chosen).query(sql), form)
    return 0
