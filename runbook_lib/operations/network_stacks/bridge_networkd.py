"""A bridge of systemd-networkd: three files in front of the port's own, which is not touched.

systemd-networkd configures an interface by the first file that matches it, in the order of the files' names. So the
port's own file stays as it is, and is in force again as soon as ours are removed.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from runbook_lib.errors import PlanRefused
from runbook_lib.facts.file import FileText
from runbook_lib.facts.interface_manager import NETWORKD, InterfaceManager
from runbook_lib.facts.networkd import DropIns, NetdevFiles
from runbook_lib.operations.commit_confirm import GuardedChange, GuardedFile
from runbook_lib.operations.configuration_text import refuse_unmovable
from runbook_lib.operations.network_stacks import networkd_file
from runbook_lib.operations.network_stacks.bridge_backend import BridgeBackend
from runbook_lib.operations.network_stacks.networkd_file import NetworkFile

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runbook_lib.facts.base import Fact, Facts
    from runbook_lib.operations.network_stacks.bridge_backend import Wanted

__all__ = ["NetworkdBridge"]

_DIRECTORY = "/etc/systemd/network"


class NetworkdBridge(BridgeBackend):
    """A bridge that systemd-networkd creates and configures."""

    name = NETWORKD
    boot_unit = "systemd-networkd.service"

    @classmethod
    def needed_facts(cls, wanted: Wanted, facts: Facts) -> Sequence[Fact[Any]]:
        """Return the files in force for port and bridge, what changes them, and our own files."""
        in_force = [facts[InterfaceManager(name)].networkd for name in (wanted.port, wanted.name)]
        needed: list[Fact[Any]] = [NetdevFiles(wanted.name)]
        for path in filter(None, in_force):
            needed += [FileText(path), DropIns(_basename(path))]
        needed += [FileText(path) for path in _own(wanted)]
        if NetdevFiles(wanted.name) in facts:
            needed += [FileText(path) for path in facts[NetdevFiles(wanted.name)]]
        return needed

    @property
    def title(self) -> str:
        """The file in force for the bridge, or the one that will be."""
        return self._in_force(self.wanted.name) or _own(self.wanted)[2]

    def missing(self) -> list[str]:
        """Return the settings that the files in force lack."""
        port = self._text(self._in_force(self.wanted.port))
        netdevs = [self._text(path) for path in self.facts[NetdevFiles(self.wanted.name)]]
        missing = networkd_file.missing_in_port(port, self.wanted.name)
        if not any(networkd_file.is_bridge(text) for text in netdevs):
            missing.append(f"a .netdev file with Name={self.wanted.name} and Kind=bridge")
        bridge = self._in_force(self.wanted.name)
        if not bridge:
            return [*missing, f"a .network file for {self.wanted.name}"]
        return [*missing, *NetworkFile(self._text(bridge), self.wanted).missing()]

    def addresses(self) -> tuple[str, ...]:
        """Return the addresses that the bridge will have."""
        return self._source.addresses()

    @property
    def mtu(self) -> int | None:
        """`MTUBytes=` of the port's file."""
        return networkd_file.mtu(self._text(self._in_force(self.wanted.port)))

    def refuse(self) -> None:
        """Refuse drop-ins, settings that are not understood, and files whose names come before ours."""
        name, port = self.wanted.name, self.wanted.port
        mine = [_basename(path) for path in _own(self.wanted)]
        for interface, own in ((port, mine[1]), (name, mine[2])):
            path = self._in_force(interface)
            if not path:
                continue
            drop_ins = self.facts[DropIns(_basename(path))]
            if drop_ins:
                raise PlanRefused(
                    f"{path} is changed by {', '.join(drop_ins)}, which this operation does not read",
                    hint="move those settings into the file itself, then run this again",
                )
            if _basename(path) < own:
                raise PlanRefused(
                    f"{path} would still be in force for {interface}: its name comes before {own}",
                    hint=f"rename it so that it comes after {own}, as 50-{port}.network, then run this again",
                )
        others = [path for path in self.facts[NetdevFiles(name)] if path != _own(self.wanted)[0]]
        bridge = self._in_force(name)
        others += [bridge] if bridge and bridge != _own(self.wanted)[2] else []
        if others:
            raise PlanRefused(
                f"{name} is configured in {', '.join(others)}, not as desired",
                hint="choose another name, or change those files by hand and run this again",
            )
        refuse_unmovable(self._source.obstacles(), f"{self._source_path} has settings", name)

    def change(self, timeout: float) -> GuardedChange:
        """Return the three files; `networkctl reload` puts them into force."""
        name, port = self.wanted.name, self.wanted.port
        netdev, of_port, of_bridge = _own(self.wanted)
        texts = {
            netdev: networkd_file.netdev(name, self.mac),
            of_port: networkd_file.port_file(self._text(self._in_force(port)), port, name),
            of_bridge: self._source.bridge_file(),
        }
        # A bridge that exists is not changed by its .netdev file: it is made again.
        delete = f"ip link delete {name} type bridge 2>/dev/null || true"
        existed = self.bridge is not None
        mtu = f"\nip link set {port} mtu {self.port.mtu}" if self.port and self.port.mtu else ""
        return GuardedChange(
            files=tuple(GuardedFile(path, self.facts[FileText(path)], text) for path, text in texts.items()),
            stop_old=delete if existed else "",
            start_new="systemctl restart systemd-networkd" if existed else "networkctl reload",
            # MTUBytes= of a file that is gone would stay in force.
            start_old=("systemctl restart systemd-networkd" if existed else f"networkctl reload\n{delete}")
            + mtu,
            stop_new=delete if existed else "",
            timeout=timeout,
        )

    def _in_force(self, interface: str) -> str:
        return self.facts[InterfaceManager(interface)].networkd

    def _text(self, path: str) -> str:
        return (self.facts[FileText(path)] or "") if path else ""

    @property
    def _source_path(self) -> str:
        """The file with what the bridge is to have: the port's, or the bridge's once it is ours."""
        own = _own(self.wanted)[2]
        return own if self._in_force(self.wanted.name) == own else self._in_force(self.wanted.port)

    @functools.cached_property
    def _source(self) -> NetworkFile:
        return NetworkFile(self._text(self._source_path), self.wanted)


def _own(wanted: Wanted) -> tuple[str, str, str]:
    """Return our three files: the bridge itself, its port, its addresses."""
    name = wanted.name
    return (
        f"{_DIRECTORY}/05-{name}.netdev",
        f"{_DIRECTORY}/05-{name}-port.network",
        f"{_DIRECTORY}/05-{name}.network",
    )


def _basename(path: str) -> str:
    return path.rpartition("/")[2]
