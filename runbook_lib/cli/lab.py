"""`runbook lab`: practice hosts on this machine."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import click

from runbook_lib.lab.faults import FAULTS
from runbook_lib.lab.lab import DEFAULT_NAME, Lab
from runbook_lib.lab.topology import DEFAULT_TOPOLOGY, Topology

__all__ = ["lab", "lab_command"]

_name = click.option(
    "--name", default=DEFAULT_NAME, show_default=True, help="Labs of different names run side by side."
)


@click.group()
def lab() -> None:
    """Practice hosts on this machine: booted Debian systems on a network of their own."""


@lab.command()
@_name
@click.option("--hosts", help="Hosts of the topology, separated by commas.  [default: its containers]")
@click.option(
    "--topology",
    type=click.Path(path_type=Path),
    default=DEFAULT_TOPOLOGY,
    show_default=True,
    help="Its description.",
)
@click.option(
    "--inventory",
    type=click.Path(path_type=Path),
    help="Where to write the inventory.  [default: inventory.yml beside the topology; for other names than "
    f"{DEFAULT_NAME!r} in the lab's state directory]",
)
def up(name: str, hosts: str | None, topology: Path, inventory: Path | None) -> None:
    """Start the lab; the first time, build what it is made of (some minutes).

    Virtual machines are started by name, and need no root: `--hosts cloud`.
    """
    begun = time.monotonic()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: take down what was begun
    chosen = Lab.open(name, topology, inventory)
    made = chosen.up([host.strip() for host in hosts.split(",")] if hosts else _containers(topology))
    took = f"up after {time.monotonic() - begun:.1f} s" if made else "up already"
    click.echo(f"lab {name}: {took}; inventory: {chosen.inventory}")


def _containers(topology: Path) -> list[str] | None:
    """Return the hosts that are up in seconds; all of the topology where it has none such."""
    hosts = Topology.load(topology).hosts
    return [name for name, host in hosts.items() if host.kind == "container"] or None


@lab.command()
@_name
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def status(name: str, as_json: bool) -> None:  # noqa: FBT001 - click passes options by name
    """Show whether the lab is up, its hosts and its faults."""
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
    for service, works in found.services.items():
        click.echo(f"  {service}: {'answers' if works else 'does not answer; `runbook lab up` starts it'}")
    click.echo(f"  faults: {', '.join(found.faults) or 'none'}; inventory: {found.inventory}")


@lab.command(context_settings={"ignore_unknown_options": True})
@_name
@click.argument("host")
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
def shell(name: str, host: str, command: tuple[str, ...]) -> None:
    """Open a shell on HOST, or run COMMAND there."""
    argv = Lab.open(name).ssh_command(host, command)
    os.execvp(argv[0], argv)  # noqa: S606 - becomes ssh, so that its terminal and exit code are the user's


@lab.command()
@_name
@click.argument("hosts", nargs=-1)
def reset(name: str, hosts: tuple[str, ...]) -> None:
    """Put HOSTS (all without it) back to freshly installed machines; repairs every fault."""
    Lab.open(name).reset(hosts or None)
    click.echo(f"lab {name}: {', '.join(hosts) or 'all hosts'} as new")


@lab.command("break")
@_name
@click.argument("fault")
def break_(name: str, fault: str) -> None:
    Lab.open(name).faults.inject(fault)
    click.echo(f"lab {name}: {fault}; `runbook lab repair` mends it")


break_.help = f"Break something on purpose: {', '.join(FAULTS)}."


@lab.command()
@_name
def repair(name: str) -> None:
    """Mend everything that was broken on purpose."""
    mended = Lab.open(name).faults.repair()
    click.echo(f"lab {name}: {'mended ' + ', '.join(mended) if mended else 'nothing was broken'}")


@lab.command()
@_name
def down(name: str) -> None:
    """End the lab, and prove that nothing of it is left."""
    click.echo(f"lab {name}: {'ended; nothing is left' if Lab.open(name).down() else 'there was none'}")


lab_command = lab
