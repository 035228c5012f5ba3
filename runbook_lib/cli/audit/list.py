"""`runbook audit list`: the runs of an archive."""

from __future__ import annotations

from typing import Any

import click

from runbook_lib.cli.audit.archive_options import archive_options, open_archive, print_table

__all__ = ["list_command"]

_RUNS = """
SELECT CASE f.kind WHEN 'foreign' THEN 'foreign' WHEN 'damaged' THEN 'damaged' ELSE r.status END AS outcome,
       r.run, r.runbook, r.mode, r.hosts, r.started, r.duration AS seconds,
       (SELECT NULLIF(count(DISTINCT s.step), 0) FROM steps s WHERE s.run = r.run AND s.status = 'skipped') AS skipped,
       r.operator AS "by", f.problem
FROM runs r JOIN files f ON f.run = r.run AND f.kind <> 'copy'
WHERE (? IS NULL OR r.runbook = ?) AND (? IS NULL OR list_contains(string_split(r.hosts, ','), ?))
  AND (? IS NULL OR r.status = ? OR f.kind = ?) AND (? IS NULL OR r.started >= CAST(? AS TIMESTAMPTZ))
ORDER BY r.started DESC NULLS FIRST, r.run
"""
_KINDS = "SELECT kind, count(*) AS files FROM files GROUP BY kind ORDER BY kind"


@click.command("list")
@click.option("--runbook", help="Only runs of this runbook.")
@click.option("--host", help="Only runs on this host.")
@click.option("--status", help="Only runs with this outcome: ok, changed, failed, …, foreign, damaged.")
@click.option("--since", type=click.DateTime(), help="Only runs started since then, in local time.")
@click.option(
    "-n", "most", type=click.IntRange(min=0), default=50, show_default=True, help="How many rows; 0: all."
)
@click.option(
    "--format", "form", type=click.Choice(["table", "csv", "json"]), default="table", show_default=True
)
@archive_options
def list_command(  # noqa: PLR0913 - one for each option
    *,
    archive_settings: dict[str, Any],
    runbook: str | None,
    host: str | None,
    status: str | None,
    since: Any,  # noqa: ANN401 - a datetime, or None
    most: int,
    form: str,
) -> int:
    """List the runs in ARCHIVE (default: runs), newest first.

    Damaged files come first, with what is wrong with them. Notebooks that no runbook wrote are `foreign`: that
    papermill reports them as completed proves nothing. The exit code is 0 whatever is listed.
    """
    archive = open_archive(archive_settings)
    when = since.astimezone().isoformat() if since else None
    pairs = [value for given in (runbook, host) for value in (given, given)]
    found = archive.query(_RUNS, [*pairs, status, status, status, when, when])
    print_table(found.slice(0, most) if most else found, form, heading=2)
    if form == "table":
        kinds = archive.query(_KINDS).to_pylist()
        summary = ", ".join(f"{row['files']} {row['kind']}" for row in kinds) or "nothing"
        shown = min(most or found.num_rows, found.num_rows)
        click.echo(f"\n{shown} of {found.num_rows} runs shown; files in the archive: {summary}")
    return 0
