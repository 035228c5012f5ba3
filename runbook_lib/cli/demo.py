"""`runbook demo`: practice hosts up, the whole chapter headless, one report."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runbook_lib.execution.headless import Outcome

__all__ = ["CHAPTER", "demo_command"]

CHAPTER = ("00_preflight", "20_docker_install", "30_bridge_br0", "40_ambassador_redis", "90_validate")
"""The chapter's runbooks in order."""


@click.command("demo")
@click.option("--runs", default="runs", show_default=True, help="Where run directories go.")
@click.option("--name", default="default", show_default=True, help="The lab's name.")
def demo_command(runs: str, name: str) -> int:
    """Carry the whole chapter out on two practice hosts on this machine, and write a report.

    The hosts stay up, to look around in; `runbook lab down` ends them. Run again: nothing changes.
    """
    from runbook_lib.cli.run import carry_out  # noqa: PLC0415 - `--help` stays quick
    from runbook_lib.execution.headless import exit_code  # noqa: PLC0415 - as above
    from runbook_lib.lab.lab import Lab  # noqa: PLC0415 - as above

    began = time.monotonic()
    click.echo("practice hosts: two Debian systems on this machine (the first time they are built, minutes)")
    lab = Lab.open(name)
    lab.up()
    click.echo(f"practice hosts: up after {time.monotonic() - began:.0f} s\n")
    outcomes = carry_out(list(CHAPTER), None, [("inventory", str(lab.inventory)), ("runs", runs)])
    report = _write_report(outcomes, Path(runs))
    code = exit_code(outcomes[-1].status)
    _sum_up(outcomes, report, time.monotonic() - began, name)
    return code


def _write_report(outcomes: Sequence[Outcome], runs: Path) -> Path | None:
    from runbook_lib.report.html import write_html  # noqa: PLC0415 - as above
    from runbook_lib.runbook.directory import project_top  # noqa: PLC0415 - as above

    records = [outcome.record for outcome in outcomes if outcome.record]
    if not records:
        return None
    path = project_top() / runs / "report.html"
    write_html(records, path, "The chapter on practice hosts")
    return path


def _sum_up(outcomes: Sequence[Outcome], report: Path | None, seconds: float, name: str) -> None:
    pairs = [
        (step, host)
        for outcome in outcomes
        if outcome.record
        for step in outcome.record.steps
        for host in step.hosts
    ]
    counts: dict[str, int] = {}
    for _, host in pairs:
        counts[host.status] = counts.get(host.status, 0) + 1
    told = ", ".join(f"{count} {status}" for status, count in sorted(counts.items()))
    click.echo(f"\n{len(outcomes)} of {len(CHAPTER)} runbooks in {seconds:.0f} s; steps on hosts: {told}")
    pong = [
        host
        for step, host in pairs
        for check in host.checks
        if check.name.startswith("hop 4") and check.holds
    ]
    if pong:
        click.echo(f"PING from {pong[-1].host} through both ambassadors: PONG")
    if all(outcome.status.good for outcome in outcomes) and len(outcomes) == len(CHAPTER):
        changed = counts.get("changed", 0)
        click.echo(
            "All is as it should be"
            + (f"; {changed} changes were made." if changed else ": nothing changed.")
        )
    else:
        click.echo(f"It did not end well: {outcomes[-1].status}. The report begins with what failed.")
    click.echo(
        f"  report:      {report}\n  look around: runbook lab shell host-a\n  end it:      runbook lab down"
    )
    if name != "default":
        click.echo(f"  (with --name {name})")
