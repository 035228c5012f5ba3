"""`runbook demo`: start practice hosts, run the whole chapter on them, write one report."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from runbook_lib.cli.background_run import BackgroundRun
from runbook_lib.model.status import Status, worst

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runbook_lib.execution.notebook.outcome import Outcome
    from runbook_lib.lab.lab import Lab

__all__ = ["CHAPTER", "demo_command"]

CHAPTER = (
    "00_preflight",
    "20_docker_install",
    "25_published_ports",
    "30_bridge_br0",
    "35_two_vlans",
    "40_ambassador_redis",
    "60_overlay_names",
    "90_validate",
)
"""The chapter's runbooks on the two containers, in order."""
CLOUD = ("00_preflight", "10_kernel_upgrade", "20_docker_install")
"""The runbooks that run on the host `cloud` at the same time: it has a kernel of its own."""

_HOSTS = ("host-a", "host-b")
_CLOUD = "cloud"


@click.command("demo")
@click.option("--runs", default="runs", show_default=True, help="Directory for the run directories.")
@click.option("--name", default="default", show_default=True, help="The lab's name.")
@click.option(
    "--cloud/--no-cloud",
    default=True,
    show_default=True,
    help="Also upgrade the kernel and install Docker on a virtual machine, in parallel; takes minutes longer.",
)
def demo_command(runs: str, name: str, cloud: bool) -> int:  # noqa: FBT001 - click passes options by name
    """Run the whole chapter on practice hosts on this machine, and write a report.

    The hosts stay up so that you can inspect them; `runbook lab down` ends them. A second demo changes nothing.
    """
    from runbook_lib.cli.lab_interrupts import interruptible_change  # noqa: PLC0415 - keeps `--help` fast
    from runbook_lib.cli.lab_progress import lab_progress  # noqa: PLC0415 - as above
    from runbook_lib.lab.lab import Lab  # noqa: PLC0415 - as above

    started = time.monotonic()
    click.echo(
        "practice hosts: Debian systems on this machine (the first start builds them and takes minutes)"
    )
    lab = Lab.open(name)
    with interruptible_change(lab), lab_progress():
        lab.up(_HOSTS)
    click.echo(f"practice hosts: up after {time.monotonic() - started:.0f} s")
    background = _cloud_run(lab, runs) if cloud else None
    click.echo()
    return _run_chapter(background, lab.inventory, runs, name, started)


def _cloud_run(lab: Lab, runs: str) -> BackgroundRun:
    from runbook_lib.errors import InventoryError, RequirementError  # noqa: PLC0415 - as above
    from runbook_lib.lab.hosts.registry import host_class  # noqa: PLC0415 - as above
    from runbook_lib.lab.topology_file import load_topology  # noqa: PLC0415 - as above

    parameters = ["-p", "inventory", str(lab.inventory), "-p", "runs", runs]
    try:
        plan = load_topology().only([_CLOUD]).hosts[_CLOUD]  # another project's topology may lack it
        host_class(plan.kind).check_requirements()
    except (InventoryError, RequirementError) as problem:
        # The runbook itself says, and records, why it is skipped on hosts that share a kernel.
        click.echo(f"{_CLOUD} cannot be started; the kernel upgrade will be skipped.\n  {problem}")
        return BackgroundRun(
            [_notebook(CLOUD[1]), *parameters, "-p", "hosts", ",".join(_HOSTS)], lambda: None
        )
    click.echo(f"in parallel on the virtual machine {_CLOUD}: {', '.join(CLOUD)}")
    return BackgroundRun(
        [*map(_notebook, CLOUD), *parameters, "-p", "hosts", _CLOUD], lambda: lab.up([_CLOUD])
    )


def _run_chapter(
    background: BackgroundRun | None, inventory: Path, runs: str, name: str, started: float
) -> int:
    from runbook_lib.cli.run import run_in_turn  # noqa: PLC0415 - keeps `--help` fast
    from runbook_lib.execution.notebook.outcome import Outcome  # noqa: PLC0415 - as above

    code = 0
    paths: list[Path] = []
    with background or contextlib.nullcontext():
        parameters = [("inventory", str(inventory)), ("runs", runs)]
        # The host `cloud` may still be booting, so the preflight here leaves it out; its own runbooks check it.
        outcomes = run_in_turn(
            [*map(_notebook, CHAPTER)], parameters, {CHAPTER[0]: {"hosts": ",".join(_HOSTS)}}
        )
        if background:
            if outcomes[-1].status is Status.INTERRUPTED:
                background.stop()
            click.echo(f"\nin parallel ({', '.join(CLOUD)}):")
            code, paths = background.wait(click.echo)
    outcomes = [*map(Outcome.read, paths), *outcomes]
    report = _write_report(outcomes, Path(runs))
    _print_summary(outcomes, report, time.monotonic() - started, name, background_passed=code == 0)
    return outcomes[-1].status.exit_code or code


def _notebook(name: str) -> str:
    """Return what `runbook run` finds a runbook of the chapter by: in another project it comes with this package."""
    from runbook_lib.project import NOTEBOOKS, bundled_top, project_top  # noqa: PLC0415 - as above

    own = project_top() / NOTEBOOKS / f"{name}.ipynb"
    return name if own.exists() else str(bundled_top() / NOTEBOOKS / own.name)


def _write_report(outcomes: Sequence[Outcome], runs: Path) -> Path | None:
    from runbook_lib.evidence.layout import HTML_REPORT  # noqa: PLC0415 - as above
    from runbook_lib.project import project_top  # noqa: PLC0415 - as above
    from runbook_lib.report.html import write_html  # noqa: PLC0415 - as above

    records = [outcome.record for outcome in outcomes if outcome.record]
    if not records:
        return None
    path = project_top() / runs / HTML_REPORT
    write_html(records, path, "The chapter on practice hosts")
    return path


def _print_summary(
    outcomes: Sequence[Outcome], report: Path | None, seconds: float, name: str, *, background_passed: bool
) -> None:
    from runbook_lib.books.docker.hops import WHOLE_PATH  # noqa: PLC0415 - as above
    from runbook_lib.lab.command_lines import name_option  # noqa: PLC0415 - as above

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
    totals = ", ".join(f"{count} {status}" for status, count in sorted(counts.items()))
    click.echo(f"\n{len(outcomes)} runbooks run in {seconds:.0f} s; steps per host: {totals}")
    pong = [host for step, host in pairs for check in host.checks if check.id == WHOLE_PATH and check.holds]
    if pong:
        click.echo(f"PING from {pong[-1].host} through both ambassadors: PONG")
    kernel = next(
        (outcome.record for outcome in outcomes if outcome.record and outcome.record.runbook == CLOUD[1]),
        None,
    )
    if kernel and any(host.status is Status.SKIPPED for step in kernel.steps for host in step.hosts):
        click.echo("The kernel upgrade was skipped: it needs a host with a kernel of its own.")
    passed = [
        outcome for outcome in outcomes if outcome.status.is_success or outcome.status is Status.SKIPPED
    ]
    if (
        background_passed
        and len(passed) == len(outcomes)
        and outcomes[-1].record
        and outcomes[-1].record.runbook == CHAPTER[-1]
    ):
        changed = counts.get("changed", 0)
        click.echo(
            "The demo passed: " + (f"{changed} steps changed a host." if changed else "nothing changed.")
        )
    else:
        overall = worst([outcome.status for outcome in outcomes])
        click.echo(f"The demo did not pass: {overall}. The report lists failures first.")
    option = name_option(name)
    click.echo(
        f"  report:          {report}\n"
        f"  shell on a host: runbook lab shell{option} host-a\n"
        f"  end the hosts:   runbook lab down{option}"
    )
