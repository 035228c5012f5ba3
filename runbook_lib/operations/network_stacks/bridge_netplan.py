"""A bridge in netplan's YAML, for both of netplan's renderers.

The file is edited in place: netplan joins the lists of several files, so that a later file could not take the port's
addresses away.
netplan only generates files for systemd-networkd or NetworkManager, which then have to reload them.
`netplan apply` is not used: it needs a running udev, and stops NetworkManager before it may fail.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from runbook_lib.errors import PlanRefused
from runbook_lib.facts.interface_manager import NETPLAN_NETWORKD, NETPLAN_NETWORKMANAGER, netplan_id
from runbook_lib.facts.netplan import NetplanFiles, NetplanProblem
from runbook_lib.operations.commit_confirm import GuardedChange, GuardedFile
from runbook_lib.operations.network_stacks.bridge_backend import BridgeBackend
from runbook_lib.operations.network_stacks.bridge_networkmanager import up_again
from runbook_lib.operations.network_stacks.netplan_file import NetplanConfiguration

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runbook_lib.facts.base import Fact, Facts
    from runbook_lib.operations.network_stacks.bridge_backend import Wanted

__all__ = ["NetplanNetworkManagerBridge", "NetplanNetworkdBridge"]

_GENERATE = "netplan generate"


class _NetplanBridge(BridgeBackend):
    """What is the same for both renderers."""

    @classmethod
    def needed_facts(cls, wanted: Wanted, facts: Facts) -> Sequence[Fact[Any]]:  # noqa: ARG003 - always the same
        """Return the files, and what netplan says of them."""
        return (NetplanFiles(), NetplanProblem())

    @property
    def title(self) -> str:
        """The file that defines the port."""
        file = None if self.facts[NetplanProblem()] else self._configuration.file
        return file.path if file else "/etc/netplan"

    def missing(self) -> list[str]:
        """Return the settings that the files lack."""
        if self.facts[NetplanProblem()]:
            return [f"a configuration that netplan accepts: {self.facts[NetplanProblem()]}"]
        return self._configuration.missing()

    def addresses(self) -> tuple[str, ...]:
        """Return the addresses that the bridge will have."""
        if self.facts[NetplanProblem()]:
            return (self.wanted.address,)
        return self._configuration.addresses()

    @property
    def mtu(self) -> int | None:
        """The port's `mtu`."""
        return None if self.facts[NetplanProblem()] else self._configuration.mtu

    def refuse(self) -> None:
        """Refuse files that netplan refuses, and settings that are not understood."""
        problem = self.facts[NetplanProblem()]
        if problem:
            raise PlanRefused(
                f"netplan refuses its own files: {problem}",
                hint="correct them on the host until `netplan get` accepts them, then run this again",
            )
        self._configuration.refuse()

    def _files(self) -> tuple[GuardedFile, ...]:
        file = self._configuration.file
        assert file is not None, "refused before"  # noqa: S101
        return (GuardedFile(file.path, file.text, self._configuration.changed()),)

    @property
    def _identifier(self) -> str:
        return netplan_id(self.managers[0], self.wanted.port)

    @functools.cached_property
    def _configuration(self) -> NetplanConfiguration:
        return NetplanConfiguration(self.facts[NetplanFiles()], self._identifier, self.wanted, self.mac)


class NetplanNetworkdBridge(_NetplanBridge):
    """A bridge that systemd-networkd configures as netplan says."""

    name = NETPLAN_NETWORKD
    boot_unit = "systemd-networkd.service"

    def change(self, timeout: float) -> GuardedChange:
        """Return the new YAML; systemd-networkd reads what netplan generates from it."""
        name, port = self.wanted.name, self.wanted.port
        if self.bridge:  # one that was deleted is made again by a restart only
            restart = f"{_GENERATE}\nsystemctl restart systemd-networkd"
            return GuardedChange(
                files=self._files(),
                stop_old=f"ip link delete {name} type bridge",
                start_new=restart,
                start_old=restart,
                at_boot=_GENERATE,
                timeout=timeout,
            )
        mtu = f"\nip link set {port} mtu {self.port.mtu}" if self.port and self.port.mtu else ""
        return GuardedChange(
            files=self._files(),
            start_new=f"{_GENERATE}\nnetworkctl reload",
            # A bridge that is gone from the YAML is not deleted, and the MTU of a file that is gone stays.
            start_old=f"{_GENERATE}\nnetworkctl reload\nip link delete {name} type bridge\n"
            f"networkctl reconfigure {port}{mtu}",
            # netplan's generator ran before this: what it made of the new file is in force until it runs again.
            at_boot=_GENERATE,
            timeout=timeout,
        )


class NetplanNetworkManagerBridge(_NetplanBridge):
    """A bridge that NetworkManager configures as netplan says."""

    name = NETPLAN_NETWORKMANAGER
    boot_unit = "NetworkManager.service"

    def change(self, timeout: float) -> GuardedChange:
        """Return the new YAML; NetworkManager reads what netplan generates from it."""
        name, delete = self.wanted.name, f"ip link delete {self.wanted.name} type bridge"
        load = f"{_GENERATE}\nnmcli connection reload\n"
        port, bridge = f"netplan-{self._identifier}", f"netplan-{name}"
        up = "\n".join(f"nmcli --wait 20 connection up {profile}" for profile in (port, bridge))
        return GuardedChange(
            files=self._files(),
            stop_old=delete if self.bridge else "",
            start_new=load + up,
            start_old=load
            + up_again(port)
            + (
                f"\n{up_again(bridge)}"
                if self.bridge
                else f"\n! ip link show {name} >/dev/null 2>&1 || {delete}"
            ),
            at_boot=_GENERATE,
            timeout=timeout,
        )
