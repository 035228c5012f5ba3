"""`runbook lab`: practice hosts on this machine."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from runbook_lib.cli.completed_names import complete_faults, complete_lab_hosts, complete_lab_names
from runbook_lib.cli.lab_interrupts import interruptible_change
from runbook_lib.cli.lab_progress import lab_progress
from runbook_lib.cli.lazy_group import PrefixGroup
from runbook_lib.errors import InventoryError
from runbook_lib.known_names import complete_name
from runbook_lib.lab.command_lines import name_option
from runbook_lib.lab.faults import RANDOM, Faults
from runbook_lib.lab.hosts.registry import host_class
from runbook_lib.lab.lab import DEFAULT_NAME, Lab
from runbook_lib.lab.state import running_state
from runbook_lib.lab.topology_file import DEFAULT_TOPOLOGY, load_topology

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["lab", "lab_command"]

_name = click.option(
    "--name",
    default=DEFAULT_NAME,
    show_default=True,
    help="Labs with different names can run at the same time.",
    shell_complete=complete_lab_names,
)


@click.group(cls=PrefixGroup)
def lab() -> None:
    """Practice hosts on this machine: booted Debian systems on a network of their own."""


@lab.command()
@_name
@click.option(
    "--hosts",
    help="Hosts of the topology, separated by commas.  [default: all except virtual machines]",
    shell_complete=complete_lab_hosts,
)
@click.option(
    "--topology",
    type=click.Path(path_type=Path),
    default=DEFAULT_TOPOLOGY,
    show_default=True,
    help="File that describes the hosts.",
)
@click.option(
    "--inventory",
    type=click.Path(path_type=Path),
    help=f"Where to write the inventory.  [default: for the lab {DEFAULT_NAME!r} inventory.yml next to the topology "
    "file, for other labs in the lab's state directory]",
)
@click.option(
    "--release", help="Debian release of the hosts: debian-12 or debian-13.  [default: the topology's]"
)
@click.option(
    "--engine",
    type=int,
    help="Major version of the Docker engine that runbooks install: 20 on debian-12, 26 or 28 on debian-13.  "
    "[default: the release's own]",
)
@click.option("--store", is_flag=True, help="Also start an object store (S3), for 50_registry_s3.")
def up(  # noqa: PLR0913, PLR0917 - click passes each option
    name: str,
    hosts: str | None,
    topology: Path,
    inventory: Path | None,
    release: str | None,
    engine: int | None,
    store: bool,  # noqa: FBT001 - click passes options by name
) -> None:
    """Start the lab. The first start builds root file systems and images, which takes some minutes.

    Virtual machines start only if named, and do not need root: `--hosts cloud`.
    """
    started = time.monotonic()
    chosen = Lab.open(name, topology, inventory)
    names = (
        _full_names(hosts.split(","), load_topology(topology).hosts) if hosts else _default_hosts(topology)
    )
    with interruptible_change(chosen), lab_progress():
        changed = chosen.up(names, release=release, engine=engine, store=store)
    state = f"up after {time.monotonic() - started:.1f} s" if changed else "already up"
    click.echo(f"lab {name}: {state}; inventory: {chosen.inventory}")


def _full_names(typed: Iterable[str], known: Iterable[str]) -> list[str]:
    """Return the names of hosts, each of which may have been given by a prefix.

    Raises:
        InventoryError: A name is unknown, or the prefix of several.
    """
    names = [*known]
    return [
        complete_name(name.strip(), names, kind="host", where="lab topology", error=InventoryError)
        for name in typed
    ]


def _hosts_of(lab: Lab) -> list[str]:
    """Return the names of a running lab's hosts.

    Raises:
        LabError: The lab is not up.
    """
    return [*running_state(lab.paths).hosts]


def _default_hosts(topology: Path) -> list[str] | None:
    """Return the hosts whose kind starts by default; None, for all, if the topology has no such host."""
    hosts = load_topology(topology).hosts
    return [name for name, host in hosts.items() if host_class(host.kind).starts_by_default] or None


@lab.command()
@_name
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def status(name: str, as_json: bool) -> None:  # noqa: FBT001 - click passes options by name
    """Show whether the lab is up, and its hosts, services and faults."""
    found = Lab.open(name).status()
    if as_json:
        click.echo(json.dumps(found.as_dict(), indent=1))
        return
    click.echo(f"lab {name}: {found.phase}")
    if found.phase == "absent":
        return
    for host in found.hosts:
        power = "on" if host.running else "off"
        greeting = "SSH answers" if host.answers else "SSH does not answer"
        click.echo(f"  {host.name}  {host.address}  {power}, {greeting}; console: {host.console}")
    for service, answers in found.services.items():
        state = "answers" if answers else f"does not answer; `runbook lab up{name_option(name)}` starts it"
        click.echo(f"  {service}: {state}")
    click.echo(f"  faults: {', '.join(found.faults) or 'none'}; inventory: {found.inventory}")


@lab.command(context_settings={"allow_interspersed_args": False})
@_name
@click.argument("host", shell_complete=complete_lab_hosts)
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
def shell(name: str, host: str, command: tuple[str, ...]) -> None:
    """Open a shell on HOST, or run COMMAND there: options after HOST are the command's."""
    chosen = Lab.open(name)
    (full,) = _full_names([host], _hosts_of(chosen))
    argv = chosen.ssh_command(full, command)
    os.execvp(argv[0], argv)  # noqa: S606 - becomes ssh, so that ssh has the user's terminal and sets the exit code


@lab.command()
@_name
@click.argument("hosts", nargs=-1, shell_complete=complete_lab_hosts)
def reset(name: str, hosts: tuple[str, ...]) -> None:
    """Reset HOSTS (default: all) to freshly installed machines, and repair every fault."""
    chosen = Lab.open(name)
    names = _full_names(hosts, _hosts_of(chosen)) if hosts else []
    with interruptible_change(chosen), lab_progress():
        chosen.reset(names or None)
    click.echo(f"lab {name}: {', '.join(names) or 'all hosts'} reset")


@lab.command("break")
@_name
@click.argument("fault", required=False, shell_complete=complete_faults)
def break_(name: str, fault: str | None) -> None:
    """Inject a fault, for a drill; without FAULT, list all of them.

    FAULT is a name of the list, with a host's name in place of HOST; or `random`: something is broken, and its name
    is not given. `runbook lab repair` repairs everything.
    """
    if fault is None:
        listed = click.HelpFormatter()
        listed.write_dl(
            [*Faults.summaries().items(), (RANDOM, "one that 91_drill can find; its name is not given")]
        )
        click.echo(listed.getvalue(), nl=False)
        return
    faults = Lab.open(name).faults
    option = name_option(name)
    injected = faults.inject(fault)
    if fault == RANDOM:
        click.echo(f"lab {name}: something is broken now. `runbook learn 91{option}` helps to find it;")
        click.echo(f"`runbook lab repair{option}` repairs it, and names it")
        return
    click.echo(f"lab {name}: {injected} injected: {faults.describe(injected)}")
    click.echo(f"`runbook lab repair{option}` repairs it")


@lab.command()
@_name
def repair(name: str) -> None:
    """Repair every fault that was injected with `break`."""
    chosen = Lab.open(name)
    faults = chosen.faults
    with interruptible_change(chosen), lab_progress():
        repaired = faults.repair()
    if not repaired:
        click.echo(f"lab {name}: no faults")
    for fault in repaired:
        click.echo(f"lab {name}: repaired {fault}: {faults.describe(fault)}")


@lab.command()
@_name
def down(name: str) -> None:
    """End the lab, and check that nothing of it remains."""
    chosen = Lab.open(name)
    with interruptible_change(chosen):
        ended = chosen.down()
    click.echo(f"lab {name}: {'down; nothing remains' if ended else 'was not up'}")


lab_command = lab
