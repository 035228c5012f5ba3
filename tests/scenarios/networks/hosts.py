"""One practice host for each network stack: its configuration made rich, its state compared, the bridge applied."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from runbook_lib import Runbook
from runbook_lib.connections.registry import connect
from runbook_lib.errors import RunbookError
from runbook_lib.evidence.reader import read_journal
from runbook_lib.facts.base import Facts
from runbook_lib.inventory import Inventory
from runbook_lib.lab.lab import Lab
from runbook_lib.model.commands import Command
from runbook_lib.operations import bridge
from runbook_lib.secrets import Secrets
from tests.deadlines import deadline, wait_until
from tests.runbook.practice import parameters

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from runbook_lib.facts.base import Fact
    from runbook_lib.host_settings import Host
    from runbook_lib.model.records import HostRecord

TOPOLOGY = Path("params/lab/networks.yml")
STACKS = ("ifupdown", "networkd", "netplan", "netplan-nm", "nm")
RELEASES = ("debian-12", "debian-13")
EACH_RELEASE = pytest.mark.parametrize("release", RELEASES, indirect=True, scope="module")
"""Each test of a module on each release."""
REVERTS_AFTER = 25.0

STATE = r"""
find /etc/network /etc/systemd/network /etc/netplan /etc/NetworkManager/system-connections -type f \
  -exec sha256sum {} + 2>/dev/null | sort -k 2
ip -o address show scope global | awk '{print $2, $4}' | sort
# The address that NetworkManager makes up for the second cable is not compared.
ip -4 route show | grep -v em2 | sed 's/ proto [a-z]*//; s/ metric [0-9]*//; s/ onlink//; s/ *$//' | sort
ip -o link show type bridge
echo "MTU $(cat /sys/class/net/em1/mtu)"
ls /var/lib/runbook/network /etc/systemd/system/runbook-network-boot.service 2>/dev/null
systemctl --no-legend --plain list-units 'runbook-*'
"""
"""Prints what must be the same after a revert: files, addresses, routes, bridges, MTU, and nothing of the guard."""

_NETWORKD = """\
# The uplink, as the network team wants it.
[Match]
Name=em1

[Link]
MTUBytes=1400

[Network]
Address=ADDRESS/20
Address=10.9.0.ID/24
; IPv6
Address=fd07::ID/64
Gateway=192.168.7.254
IPv6AcceptRA=no

[Route]
Destination=10.10.0.0/16
Gateway=192.168.7.254
"""
_NETPLAN = """\
# The network, as the network team wants it.
network:
  version: 2
  renderer: RENDERER
  ethernets:
    em1:   # the uplink
      mtu: 1400
      addresses:
        - ADDRESS/20   # the host's own
        - 10.9.0.ID/24
        - "fd07::ID/64"
      routes:
        - to: default
          via: 192.168.7.254
        - {to: 10.10.0.0/16, via: 192.168.7.254}
      accept-ra: false

    # the second cable
    em2:
      link-local: []
      optional: true
"""
_PROFILE = """\
# The uplink, as the network team wants it.
[connection]
id=em1
type=ethernet
interface-name=em1

[ethernet]
mtu=1400

[ipv4]
method=manual
address1=ADDRESS/20,192.168.7.254
address2=10.9.0.ID/24
route1=10.10.0.0/16,192.168.7.254

[ipv6]
method=manual
address1=fd07::ID/64
"""
_INTERFACES = """\
auto lo
iface lo inet loopback

# The uplink, as the network team wants it.
auto em1
iface em1 inet static
    address ADDRESS/20
    gateway 192.168.7.254
    mtu 1400
    up ip route add 10.10.0.0/16 via 192.168.7.254

iface em1 inet static
    address 10.9.0.ID/24

iface em1 inet6 static
    address fd07::ID/64

auto em2
iface em2 inet manual
    up ip link set dev $IFACE up
    down ip link set dev $IFACE down
"""
RICH = {
    "ifupdown": ("/etc/network/interfaces", _INTERFACES, "systemctl restart networking"),
    "networkd": ("/etc/systemd/network/50-em1.network", _NETWORKD, "networkctl reload"),
    "netplan": (
        "/etc/netplan/50-installer.yaml",
        _NETPLAN.replace("RENDERER", "networkd"),
        "netplan generate && networkctl reload",
    ),
    "netplan-nm": (
        "/etc/netplan/50-installer.yaml",
        _NETPLAN.replace("RENDERER", "NetworkManager"),
        "netplan generate && nmcli connection reload && nmcli --wait 20 connection up netplan-em1",
    ),
    "nm": (
        "/etc/NetworkManager/system-connections/em1.nmconnection",
        _PROFILE,
        "nmcli connection reload && nmcli --wait 20 connection up em1",
    ),
}
"""For each host: the file of its uplink, a text with several addresses, IPv6, MTU and a route, and what applies it."""


@dataclass(frozen=True)
class Networks:
    """The lab, and where runs are recorded."""

    lab: Lab
    folder: Path
    release: str = RELEASES[0]

    def on(self, host: str, script: str, *, check: bool = True) -> str:
        """Run a script as root on a host, without a runbook."""
        done = subprocess.run(
            self.lab.ssh_command(host, ["sudo sh -s"]),
            input=script,
            capture_output=True,
            text=True,
            timeout=deadline(120),
            check=False,
        )
        assert done.returncode == 0 or not check, f"{host}: {script}: {done.stdout}{done.stderr}"
        return done.stdout

    def states(self, hosts: Sequence[str] = STACKS) -> dict[str, str]:
        """Return what must be the same after a revert, by host."""
        return {host: self.on(host, STATE, check=False) for host in hosts}

    def enrich(self, hosts: Sequence[str] = STACKS) -> None:
        """Give each host's uplink several addresses, IPv6, an MTU and a route."""
        for host in hosts:
            path, text, apply = RICH[host]
            number = str(41 + STACKS.index(host))
            text = text.replace("ADDRESS", f"192.168.7.{number}").replace("ID", number)
            self.on(host, f"cat > {path} <<'EOF'\n{text}EOF\n{apply}\n")
        # `networkctl reload` does not wait until the interface is configured.
        for host in hosts:
            number = str(41 + STACKS.index(host))
            self._wait_for_parts(
                host, f"em1 10.9.0.{number}/24", f"em1 fd07::{number}/64", "10.10.0.0/16 via", "MTU 1400"
            )

    def _wait_for_parts(self, host: str, *parts: str) -> None:
        def there() -> bool:
            state = self.on(host, STATE, check=False)
            return all(part in state for part in parts)

        wait_until(there, f"{host}: {', '.join(parts)}")

    def apply(
        self,
        hosts: Sequence[str] = STACKS,
        *,
        mode: str = "apply",
        wanted: Callable[[Host], dict[str, Any]] = lambda _: {},
    ) -> dict[str, HostRecord]:
        """Make the bridge on hosts side by side, and return what came of it, by host.

        Args:
            hosts: The hosts.
            mode: The run's mode.
            wanted: Arguments of `bridge.present` for a host, where they differ from the usual ones.
        """

        def operation(host: Host) -> bridge.Present:
            usual = {
                "name": "br0", "port": "em1", "address": host["bridge_address"], "gateway": host["gateway"],
                "revert_after": deadline(REVERTS_AFTER),
            }  # fmt: skip
            return bridge.present(**{**usual, **wanted(host)})

        before = set(self.folder.rglob("journal.jsonl"))
        book = Runbook.open(
            parameters(self.folder, inventory=str(self.lab.inventory), hosts=",".join(hosts), mode=mode)
        )
        with contextlib.suppress(RunbookError):
            book.step("Make the bridge", operation)
        with contextlib.suppress(RunbookError):
            book.close()
        (journal,) = set(self.folder.rglob("journal.jsonl")) - before
        (step,) = read_journal(journal.parent).steps
        return {record.host: record for record in step.hosts}

    def change_without_confirming(self, host: str, revert_after: float, **wanted: Any) -> None:  # noqa: ANN401 - arguments of `bridge.present`
        """Arm the host's timer and make the change, as a run does that is not heard of again afterwards."""
        found = Inventory.load(self.lab.inventory).select(host)[0]
        usual = {
            "name": "br0",
            "port": "em1",
            "address": found["bridge_address"],
            "gateway": found["gateway"],
        }
        operation = bridge.present(**{**usual, "revert_after": revert_after, **wanted})
        connection = connect(found, Secrets())
        never = threading.Event()
        connection.open()
        try:
            values: dict[Fact[Any], Any] = {}
            needed = list(operation.facts())
            while needed:
                for fact in needed:
                    request = fact.request()
                    assert isinstance(request, Command)
                    values[fact] = fact.parse(connection.run(request, never))
                further = operation.further_facts(Facts(values))
                needed = [fact for fact in further if fact not in values]
            plan = operation.plan(Facts(values))
            assert plan.guard is not None
            for command in plan.guard.arm:
                output = connection.run(command, never)
                assert output.exit_code in command.accept, f"{host}: {command.text}: {output.stderr}"
            for command in plan.commands:
                connection.run(command, never)
        finally:
            connection.close()

    def wait_for_state(self, host: str, state: str, seconds: float) -> float:
        """Wait until a host answers at its address and is as before; return how many seconds that took."""
        begin = time.monotonic()

        def as_before() -> bool:
            ssh = self.lab.ssh_command(host, ["sudo sh -s"])
            with contextlib.suppress(subprocess.TimeoutExpired):
                done = subprocess.run(
                    ssh, input=STATE, capture_output=True, text=True, timeout=20, check=False
                )
                return done.stdout == state
            return False

        wait_until(as_before, f"{host}: its former state", seconds=seconds)
        return time.monotonic() - begin


def main(lab: str, folder: str, host: str) -> None:
    """Make a bridge whose gateway does not answer, for a test that kills this process."""
    networks = Networks(Lab.open(lab, TOPOLOGY), Path(folder))
    networks.apply([host], wanted=lambda _: {"gateway": "192.168.7.253"})


if __name__ == "__main__":
    main(*sys.argv[1:])
