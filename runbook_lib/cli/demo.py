"""`runbook demo`: practice hosts up, the whole chapter headless, one report."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from runbook_lib.cli.background_run import Beside
from runbook_lib.model.status import Status, worst

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runbook_lib.execution.notebook.run_notebook import Outcome
    from runbook_lib.lab.lab import Lab

__all__ = ["CHAPTER", "demo_command"]

CHAPTER = ("00_preflight", "20_docker_install", "30_bridge_br0", "40_ambassador_redis", "90_validate")
"""The chapter's runbooks on the two container hosts, in order."""
CLOUD = ("00_preflight", "10_kernel_upgrade", "20_docker_install")
"""What is carried out on the cloud host meanwhile: it has a kernel of its own."""

_HOSTS = ("host-a", "host-b")
_CLOUD = "cloud"


@click.command("demo")
@click.option("--runs", default="runs", show_default=True, help="Where run directories go.")
@click.option("--name", default="default", show_default=True, help="The lab's name.")
@click.option(
    "--cloud/--no-cloud",
    default=True,
    show_default=True,
    help="With the kernel upgrade and Docker on a virtual machine, side by side: minutes more.",
)
def demo_command(runs: str, name: str, cloud: bool) -> int:  # noqa: FBT001 - click passes options by name
    """Carry the whole chapter out on practice hosts on this machine, and write a report.

    The hosts stay up, to look around in; `runbook lab down` ends them. Run again: nothing changes.
    """
    from runbook_lib.lab.lab import Lab  # noqa: PLC0415 - `--help` stays quick

    began = time.monotonic()
    click.echo("practice hosts: Debian systems on this machine (the first time they are built, minutes)")
    lab = Lab.open(name)
    lab.up(_HOSTS)
    click.echo(f"practice hosts: up after {time.monotonic() - began:.0f} s")
    beside = _beside(lab, runs) if cloud else None
    click.echo()
    return _carry_out(beside, lab.inventory, runs, name, began)


def _beside(lab: Lab, runs: str) -> Beside:
    from runbook_lib import system_requirements  # noqa: PLC0415 - as above
    from runbook_lib.errors import RequirementError  # noqa: PLC0415 - as above

    place = ["-p", "inventory", str(lab.inventory), "-p", "runs", runs]
    try:
        system_requirements.need("vm")
    except RequirementError as lacking:
        # The runbook itself says, and records, why it is skipped on hosts that share a kernel.
        click.echo(f"no VM: the kernel upgrade will be skipped, and says so.\n  {lacking}")
        return Beside([CLOUD[1], *place, "-p", "hosts", ",".join(_HOSTS)], lambda: None)
    click.echo(f"{_CLOUD}, a virtual machine: {', '.join(CLOUD)} there, side by side with what follows")
    return Beside([*CLOUD, *place, "-p", "hosts", _CLOUD], lambda: lab.up([_CLOUD]))


def _carry_out(beside: Beside | None, inventory: Path, runs: str, name: str, began: float) -> int:
    from runbook_lib.cli.run import carry_out  # noqa: PLC0415 - `--help` stays quick
    from runbook_lib.execution.notebook.run_notebook import Outcome, exit_code  # noqa: PLC0415 - as above

    code = 0
    paths: list[Path] = []
    with beside or contextlib.nullcontext():
        place = [("inventory", str(inventory)), ("runs", runs)]
        # The cloud host may still be booting: it is looked at where its own runbooks are.
        outcomes = carry_out(list(CHAPTER), None, place, {CHAPTER[0]: {"hosts": ",".join(_HOSTS)}})
        if beside:
            if outcomes[-1].status is Status.INTERRUPTED:
                beside.stop()
            click.echo(f"\nmeanwhile, beside it ({', '.join(CLOUD)}):")
            code, paths = beside.wait(click.echo)
    outcomes = [*map(Outcome.read, paths), *outcomes]
    report = _write_report(outcomes, Path(runs))
    _sum_up(outcomes, report, time.monotonic() - began, name, well=code == 0)
    return exit_code(outcomes[-1].status) or code


def _write_report(outcomes: Sequence[Outcome], runs: Path) -> Path | None:
    from runbook_lib.project import project_top  # noqa: PLC0415 - as above
    from runbook_lib.report.html import write_html  # noqa: PLC0415 - as above

    records = [outcome.record for outcome in outcomes if outcome.record]
    if not records:
        return None
    path = project_top() / runs / "report.html"
    write_html(records, path, "The chapter on practice hosts")
    return path


def _sum_up(
    outcomes: Sequence[Outcome], report: Path | None, seconds: float, name: str, *, well: bool
) -> None:
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
    click.echo(f"\n{len(outcomes)} runs of runbooks in {seconds:.0f} s; steps on hosts: {told}")
    pong = [
        host
        for step, host in pairs
        for check in host.checks
        if check.name.startswith("hop 4") and check.holds
    ]
    if pong:
        click.echo(f"PING from {pong[-1].host} through both ambassadors: PONG")
    kernel = next(
        (outcome.record for outcome in outcomes if outcome.record and outcome.record.runbook == CLOUD[1]),
        None,
    )
    if kernel and any(host.status is Status.SKIPPED for step in kernel.steps for host in step.hosts):
        click.echo("The kernel upgrade was skipped: it needs a host with a kernel of its own.")
    ended = [outcome for outcome in outcomes if outcome.status.good or outcome.status is Status.SKIPPED]
    if (
        well
        and len(ended) == len(outcomes)
        and outcomes[-1].record
        and outcomes[-1].record.runbook == CHAPTER[-1]
    ):
        changed = counts.get("changed", 0)
        click.echo(
            "All is as it should be"
            + (f"; {changed} changes were made." if changed else ": nothing changed.")
        )
    else:
        worst_of_all = worst([outcome.status for outcome in outcomes])
        click.echo(f"It did not end well: {worst_of_all}. The report begins with what failed.")
    click.echo(
        f"  report:      {report}\n  look around: runbook lab shell host-a\n  end it:      runbook lab down"
    )
    if name != "default":
        click.echo(f"  (with --name {name})")
