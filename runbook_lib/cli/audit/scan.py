"""`runbook audit scan`: an archive checked against the rules of a policy."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from runbook_lib.cli.audit.archive_options import archive_options, open_archive, print_table, trust_option
from runbook_lib.printing.standard_streams import print_document
from runbook_lib.printing.visible_text import in_json
from runbook_lib.project import expanded
from runbook_lib.report.summary import counted

if TYPE_CHECKING:
    from runbook_lib.audit.archive.archive import Archive
    from runbook_lib.audit.rules.policy import Scan

__all__ = ["scan_command"]

_FIELDS = ("rule", "level", "run", "message", "step", "host", "command")
_COLUMNS = ("rule", "level", "run", "step", "host", "command", "message")


@click.command("scan")
@click.option("--policy", "policy_file", required=True, metavar="FILE", help="The rules to apply, as YAML.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "json", "junit", "sarif"]),
    default="table",
    show_default=True,
)
@click.option("-o", "--output", default="-", show_default=True, help="File; - is standard output.")
@trust_option
@archive_options
def scan_command(
    *,
    archive_settings: dict[str, Any],
    policy_file: str,
    form: str,
    output: str,
    trust: tuple[str, ...],
) -> int:
    """Check the runs in ARCHIVE (default: runs) against the rules of a policy.

    The exit code is 1 if anything was found, otherwise 0. A finding about a secret says where it is, never the secret.
    """
    from runbook_lib.audit.rules.policy import Policy, scan  # noqa: PLC0415 - `--help` stays quick
    from runbook_lib.project import find_shipped  # noqa: PLC0415 - as above
    from runbook_lib.report.report_file import is_standard_output, write_named_file  # noqa: PLC0415 - as above

    policy = Policy.load(find_shipped(policy_file))
    archive = open_archive(archive_settings)
    result = scan(archive, policy, [expanded(name) for name in trust])
    to_stdout = is_standard_output(output)
    if form in {"table", "json"} and to_stdout:
        _print(result, form)
    else:
        data = _render(result, form, archive)
        if to_stdout:
            print_document(in_json(data.decode()) if form == "sarif" else data.decode())
        else:
            write_named_file(Path(output), data)
            click.echo(output)
    return 1 if result.findings else 0


def _print(scan: Scan, form: str) -> None:
    import pyarrow as pa  # noqa: PLC0415 - `--help` stays quick

    rows = [{name: getattr(finding, name) or None for name in _COLUMNS} for finding in scan.findings]
    if rows or form == "json":
        print_table(pa.Table.from_pylist(rows), form, heading=3)
    if form == "table":
        rules = len(scan.policy.rules)
        found = counted(len(scan.findings), "finding")
        click.echo(f"{found}: {counted(rules, 'rule')}, {counted(scan.runs, 'run')}")


def _render(scan: Scan, form: str, archive: Archive) -> bytes:
    import orjson  # noqa: PLC0415 - `--help` stays quick

    from runbook_lib.audit.rules.findings_report import junit, sarif  # noqa: PLC0415 - as above
    from runbook_lib.audit.rules.sarif import file_of_run  # noqa: PLC0415 - as above

    if form == "junit":
        return junit(scan)
    if form == "sarif":
        files = archive.query("SELECT run, path, kind FROM files WHERE kind <> 'copy'").to_pylist()
        paths = {row["run"]: file_of_run(row["path"], row["kind"]) for row in files}
        data = sarif(scan, paths, archive.location.name)
        kept = len(orjson.loads(data)["runs"][0]["results"])
        if kept < len(scan.findings):
            message = f"{kept} of {len(scan.findings)} findings written, the most severe ones: GitHub accepts no more"
            click.echo(message, err=True)
        return data
    findings = [{name: getattr(finding, name) for name in _FIELDS} for finding in scan.findings]
    return orjson.dumps(findings, option=orjson.OPT_INDENT_2)
