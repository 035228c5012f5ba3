"""`runbook audit show`: one run of an archive."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from runbook_lib.cli.audit.archive_options import archive_options, open_archive, print_table
from runbook_lib.cli.completed_names import complete_runs
from runbook_lib.connections.shown_command import shown_command
from runbook_lib.readable_time import local_time

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["show_command"]

_ABOUT = """
SELECT f.kind, f.path, f.sha256, f.problem, r.* FROM runs r JOIN files f ON f.run = r.run AND f.kind <> 'copy'
WHERE r.run = ?
"""
_STEPS = """
SELECT step, title, host, status, duration AS seconds, commands_sent AS sent, commands_planned AS planned,
       checks, checks_broken AS broken, split_part(message, chr(10), 1) AS message
FROM steps WHERE run = ? ORDER BY step, host
"""
_COMMANDS = """
SELECT step, host, number, kind, text, exit_code AS exit, duration AS seconds, problem
FROM commands WHERE run = ? AND (? OR kind <> 'fact') ORDER BY step, host, position
"""
_BROKEN = """
SELECT step, host, name AS "failed check", expected, observed
FROM checks WHERE run = ? AND NOT holds ORDER BY step, host, position
"""
_COPIES = "SELECT path, problem FROM files WHERE run = ? AND kind = 'copy' ORDER BY path"


@click.command("show")
@click.argument("run", shell_complete=complete_runs)
@click.option("--all", "everything", is_flag=True, help="Also read-only commands.")
@archive_options
def show_command(archive_settings: dict[str, Any], run: str, everything: bool) -> int:  # noqa: FBT001 - click
    """Show one run: steps per host, commands, failed checks.

    RUN is a run's id, a unique id prefix, a path in the archive, or `last`. For a readable page, see
    `runbook report`. The exit code is 0 however the run ended.
    """
    archive = open_archive(archive_settings)
    found = archive.find(run)
    (about,) = archive.query(_ABOUT, [found]).to_pylist()
    for name in (
        "run",
        "runbook",
        "mode",
        "status",
        "started",
        "ended",
        "operator",
        "machine",
        "hosts",
        "kind",
    ):
        if about[name] not in {None, ""}:
            value = about[name]
            text = local_time(value, seconds=True) if isinstance(value, datetime) else value
            click.echo(f"{name:<10} {text}")
    click.echo(f"{'path':<10} {about['path']}\n{'sha256':<10} {about['sha256']}")
    click.echo(f"{'evidence':<10} {about['problem'] or 'complete'}")
    for sql, given in (
        (_STEPS, [found]),
        (_COMMANDS, [found, everything]),
        (_BROKEN, [found]),
        (_COPIES, [found]),
    ):
        table = _shown(archive.query(sql, given))
        if table.num_rows:
            click.echo()
            print_table(table, "table")
    return 0


def _shown(table: pa.Table) -> pa.Table:
    """Return a table with its commands as they are shown elsewhere; `audit query` has their exact texts."""
    place = table.schema.get_field_index("text")
    if place < 0:
        return table
    texts = [[str(shown_command(text)) for text in table["text"].to_pylist()]]
    return table.set_column(place, "text", texts)
