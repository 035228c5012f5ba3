"""What netplan's YAML says of a port and its bridge: what the bridge lacks, and what stands in its way.

Each setting of the port either stays, or moves to the bridge byte for byte, or is an obstacle: it is named.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runbook_lib.errors import PlanRefused
from runbook_lib.operations.configuration_text import refuse_unmovable
from runbook_lib.operations.network_stacks import netplan_yaml
from runbook_lib.operations.network_stacks.netplan_edit import KNOWN, NetplanEdit, port_of
from runbook_lib.operations.network_stacks.netplan_values import NetplanValues

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runbook_lib.facts.netplan import NetplanFile
    from runbook_lib.operations.network_stacks.bridge_backend import Wanted
    from runbook_lib.operations.network_stacks.netplan_values import NetplanInterface
    from runbook_lib.operations.network_stacks.netplan_yaml import Mapping

__all__ = ["NetplanConfiguration"]


@dataclass(frozen=True)
class NetplanConfiguration:
    """All files of netplan.

    Args:
        files: The files.
        identifier: The port's name in the files; often the interface's.
        wanted: The bridge as it should be.
        mac: The port's hardware address, for the bridge; empty: not known.
    """

    files: tuple[NetplanFile, ...]
    identifier: str
    wanted: Wanted
    mac: str = ""

    @property
    def file(self) -> NetplanFile | None:
        """The file that defines the port; None if none does, or several do."""
        having = [file for file, tree in self._trees if self._defines(tree)]
        return having[0] if len(having) == 1 else None

    def changed(self) -> str:
        """Return the new text of `file`: the bridge has what the port had."""
        assert self.file is not None and self.file.text is not None, "refused before"  # noqa: PT018, S101
        path, text = self.file.path, self.file.text
        if self._is_complete:  # and not in force: it is applied again
            return text
        return NetplanEdit(path, text, self.identifier, self.wanted, self.mac, self._port_values).changed()

    def missing(self) -> list[str]:
        """Return the settings that the files lack."""
        bridge, port, wanted = self._bridge_values, self._port_values, self.wanted
        if not bridge.values:
            return [f"bridges: {wanted.name}"]
        nameservers = f"nameservers: {{addresses: [{', '.join(wanted.nameservers)}]}}"
        lacking = {
            f"interfaces: [{self.identifier}]": bridge.values.get("interfaces") != [self.identifier],
            f"addresses: [{wanted.address}]": not bridge.has_address,
            f"routes: [{{to: default, via: {wanted.gateway}}}]": bridge.has_other_gateway,
            nameservers: bridge.has_other_nameservers,
            "parameters: {stp: false}": bridge.has_spanning_tree,
            f"{self.identifier} without addresses": any(
                port.values.get(key) for key in ("addresses", "dhcp4", "dhcp6")
            ),
        }
        return [setting for setting, lacks in lacking.items() if lacks]

    def addresses(self) -> tuple[str, ...]:
        """Return the static addresses, and with DHCP the given one: it is the lease's."""
        return (self._bridge_values if self._bridge_values.values else self._port_values).addresses

    @property
    def mtu(self) -> int | None:
        """The port's MTU; None if none is configured."""
        return self._port_values.mtu

    def refuse(self) -> None:
        """Refuse what cannot be edited without loss.

        Raises:
            PlanRefused: With what stands in the way, and where.
        """
        name, identifier = self.wanted.name, self.identifier
        for file in self.files:
            if file.text is None:
                raise PlanRefused(
                    f"{file.path} holds a password or a key, so it is not read: runs record what they read",
                    hint="move that interface into a file of its own mode 0600, and its secret with it, or change "
                    "the bridge by hand, then validate",
                )
        having = [file.path for file, tree in self._trees if self._defines(tree)]
        self._values.refuse_other_kind(identifier)
        if len(having) != 1:
            raise PlanRefused(
                f"{identifier} is defined in {' and '.join(having) or 'no file of netplan'}",
                hint="define it in one file under /etc/netplan, then run this again",
            )
        if not having[0].startswith("/etc/netplan/"):
            raise PlanRefused(
                f"{having[0]} is not under /etc/netplan: it would not outlive a reboot or an upgrade",
                hint="copy it to /etc/netplan, then run this again",
            )
        if self._is_complete:
            return
        if self._bridge_values.values:
            raise PlanRefused(
                f"{name} is configured by netplan, not as desired: it lacks {'; '.join(self.missing())}",
                hint="choose another name, or change netplan's files by hand and run this again",
            )
        self._refuse_users()
        obstacles = list(self._obstacles())
        if not obstacles:
            self.changed()
        refuse_unmovable(obstacles, f"{having[0]} has settings of {identifier}", name)

    def _refuse_users(self) -> None:
        for kind, name, interface in self._values.definitions():
            if self.identifier in interface.uses:
                raise PlanRefused(
                    f"{self.identifier} is used by {name} ({kind}), which would go down",
                    hint=f"put {name} on {self.wanted.name} or remove it by hand, then run this again",
                )
            if name == self.wanted.name:
                raise PlanRefused(
                    f"{name} is already the name of one of netplan's {kind}", hint="choose another name"
                )

    def _obstacles(self) -> Iterator[str]:
        port = self._port_values
        yield from (str(key) for key in port.values if key not in KNOWN)
        if not port.has_address:
            yield f"addresses: {', '.join(port.addresses) or 'none'}, and not {self.wanted.address}"
        several = len(port.gateways) > 1 or ("routes" in port.values and not port.gateways)
        if port.has_other_gateway and several:
            yield f"routes: no default route that could become one by way of {self.wanted.gateway}"
        if port.has_other_nameservers and "nameservers" in port.values and not port.nameservers:
            yield "nameservers: without addresses"

    @functools.cached_property
    def _trees(self) -> tuple[tuple[NetplanFile, Mapping], ...]:
        return tuple(
            (file, netplan_yaml.parse(file.text, file.path)) for file in self.files if file.text is not None
        )

    def _defines(self, tree: Mapping) -> bool:
        return port_of(tree, self.identifier) is not None

    @property
    def _is_complete(self) -> bool:
        return bool(self._bridge_values.values) and not self.missing()

    @functools.cached_property
    def _values(self) -> NetplanValues:
        return NetplanValues(self.files, self.wanted)

    @functools.cached_property
    def _port_values(self) -> NetplanInterface:
        return self._values.interface("ethernets", self.identifier)

    @functools.cached_property
    def _bridge_values(self) -> NetplanInterface:
        return self._values.interface("bridges", self.wanted.name)
