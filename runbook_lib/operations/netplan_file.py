"""What netplan's YAML says of a port and its bridge, and the file in which the bridge has what the port had.

Each setting of the port either stays, or moves to the bridge byte for byte, or is an obstacle: it is named.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml

from runbook_lib.errors import PlanRefused
from runbook_lib.operations import netplan_yaml
from runbook_lib.operations.configuration_text import ended, refuse_unmovable
from runbook_lib.operations.netplan_values import DEFAULT_ROUTES, NetplanValues, load

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runbook_lib.facts.netplan import NetplanFile
    from runbook_lib.operations.bridge_backend import Wanted
    from runbook_lib.operations.netplan_values import NetplanInterface
    from runbook_lib.operations.netplan_yaml import Entry, Mapping

__all__ = ["NetplanConfiguration"]

_MOVES = frozenset({
    "addresses", "gateway4", "gateway6", "nameservers", "routes", "routing-policy", "dhcp4", "dhcp6", "dhcp-identifier",
    "dhcp4-overrides", "dhcp6-overrides", "ra-overrides", "accept-ra", "ipv6-privacy", "ipv6-address-generation",
    "ipv6-address-token", "ipv6-mtu", "link-local", "critical", "optional-addresses", "neigh-suppress",
})  # fmt: skip
_BOTH = frozenset({"mtu", "renderer", "optional"})
_STAYS = frozenset({
    "match", "set-name", "macaddress", "wakeonlan", "emit-lldp", "receive-checksum-offload",
    "transmit-checksum-offload", "tcp-segmentation-offload", "tcp6-segmentation-offload",
    "generic-segmentation-offload", "generic-receive-offload", "large-receive-offload", "ignore-carrier",
})  # fmt: skip
_NO_ADDRESS = {"dhcp4": "false", "dhcp6": "false", "accept-ra": "false", "link-local": "[]"}


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
        before = load(text, path)
        for replaced in self._replacements(netplan_yaml.parse(text, path)):
            text = netplan_yaml.replace_value(text, *replaced)
        port = self._port(netplan_yaml.parse(text, path))
        assert port is not None, "the file defines the port"  # noqa: S101
        bridge = self._bridge_text(port)
        text = self._with_port(port)
        network = netplan_yaml.parse(text, path).mapping("network")
        assert network is not None, "as before"  # noqa: S101
        text = self._with_bridge(network, *bridge)
        self._refuse_other_meaning(before, text)
        return text

    def _refuse_other_meaning(self, before: dict[str, Any], text: str) -> None:
        """Refuse a style that the edit did not expect: whatever is not meant to change must be the same afterwards."""
        try:
            after = load(text, "the new file")
            port = after["network"]["ethernets"].pop(self.identifier)
            bridge = after["network"]["bridges"].pop(self.wanted.name)
            was = before["network"]["ethernets"].pop(self.identifier) or {}
        except (PlanRefused, LookupError, TypeError, AttributeError) as problem:
            reason = getattr(problem, "message", "") or f"{type(problem).__name__}: {problem}"
        else:
            after["network"]["bridges"] = after["network"]["bridges"] or before["network"].get("bridges")
            before["network"].setdefault("bridges", after["network"]["bridges"])
            replaced = {"gateway4", "routes", "nameservers"}
            lost = [
                key
                for key in was
                if key in _MOVES | _BOTH and key not in replaced and bridge.get(key) != was[key]
            ]
            lost += [key for key in was if key in _STAYS | _BOTH and port.get(key) != was[key]]
            lost += [key for key in replaced & set(was) if key not in bridge]
            if after == before and not lost:
                return
            reason = f"it would change {', '.join(lost) or 'other interfaces'}"
        assert self.file is not None, "it is being changed"  # noqa: S101
        raise PlanRefused(
            f"{self.file.path} is written in a way that cannot be edited in place: {reason}",
            hint=f"write {self.identifier} in plain YAML, one key per line, then run this again",
        )

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
                    f"{file.path} holds a password or a key, so it is not read: what is read is recorded",
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
        yield from (str(key) for key in port.values if key not in _MOVES | _BOTH | _STAYS)
        if not port.has_address:
            yield f"addresses: {', '.join(port.addresses) or 'none'}, and not {self.wanted.address}"
        several = len(port.gateways) > 1 or (port.values.get("routes") and not port.gateways)
        if port.has_other_gateway and several:
            yield f"routes: no default route that could become one by way of {self.wanted.gateway}"
        if port.has_other_nameservers and "nameservers" in port.values and not port.nameservers:
            yield "nameservers: without addresses"

    def _replacements(self, tree: Mapping) -> list[tuple[yaml.Node, str]]:
        """Return the nodes whose value is replaced by a wanted one, from the last to the first."""
        port = self._port(tree)
        found: list[tuple[yaml.Node, str]] = []
        if port is None:
            return found
        if self._port_values.has_other_gateway:
            gateway = port.get("gateway4")
            nodes = [*_default_gateways(port), *([gateway.value] if gateway else [])]
            found += [(node, str(self.wanted.gateway)) for node in nodes]
        nameservers = port.mapping("nameservers")
        addresses = nameservers.get("addresses") if nameservers else None
        if addresses and self._port_values.has_other_nameservers:
            found.append((addresses.value, f"[{', '.join(self.wanted.nameservers)}]"))
        return sorted(found, key=lambda item: -item[0].start_mark.index)

    def _with_port(self, port: Mapping) -> str:
        """Return the file with the port as a port of a bridge: without an address."""
        stays = [entry for entry in port.entries if entry.key in _STAYS | _BOTH]
        if port.flow:
            parts = [port.source(entry) for entry in stays]
            parts += [f"{key}: {value}" for key, value in _NO_ADDRESS.items()]
            return f"{port.text[: port.start]}{{{', '.join(parts)}}}{port.text[port.end + 1 :]}"
        indent = " " * port.column
        kept = "".join(ended(port.source(entry)) for entry in stays)
        new = "".join(f"{indent}{key}: {value}\n" for key, value in _NO_ADDRESS.items())
        return port.text[: port.start] + kept + new + port.text[port.end :]

    def _bridge_text(self, port: Mapping) -> tuple[list[str], list[tuple[Mapping, Entry]]]:
        """Return the bridge's new lines, and the port's entries that come along."""
        wanted = self.wanted
        lines = [f"interfaces: [{self.identifier}]", "parameters: {stp: false, forward-delay: 0}"]
        if self.mac:
            lines.insert(1, f'macaddress: "{self.mac}"')
        if self._port_values.has_other_gateway and not self._port_values.gateways:
            lines.append(f"routes: [{{to: default, via: {wanted.gateway}}}]")
        if self._port_values.has_other_nameservers and not port.get("nameservers"):
            lines.append(f"nameservers: {{addresses: [{', '.join(wanted.nameservers)}]}}")
        return lines, [(port, entry) for entry in port.entries if entry.key in _MOVES | _BOTH]

    def _with_bridge(self, network: Mapping, lines: list[str], along: list[tuple[Mapping, Entry]]) -> str:
        bridges, name = network.mapping("bridges"), self.wanted.name
        ethernets = network.mapping("ethernets")
        step = ethernets.column - network.column if ethernets and not ethernets.flow else 2
        outer = bridges.column if bridges and not bridges.flow else network.column + step
        inline = ", ".join([*lines, *(port.inline(entry) for port, entry in along)])
        if along and along[0][0].flow:
            block = f"{' ' * outer}{name}: {{{inline}}}\n"
        else:
            inner = outer + step
            block = f"{' ' * outer}{name}:\n" + "".join(f"{' ' * inner}{line}\n" for line in lines)
            block += "".join(port.source(entry, inner) for port, entry in along)
        flow = f"{name}: {{{inline}}}"
        if bridges:
            return netplan_yaml.insert_entry(bridges, block, flow)
        return netplan_yaml.insert_entry(
            network, f"{' ' * network.column}bridges:\n{block}", f"bridges: {{{flow}}}"
        )

    @functools.cached_property
    def _trees(self) -> tuple[tuple[NetplanFile, Mapping], ...]:
        return tuple(
            (file, netplan_yaml.parse(file.text, file.path)) for file in self.files if file.text is not None
        )

    def _defines(self, tree: Mapping) -> bool:
        return self._port(tree) is not None

    def _port(self, tree: Mapping) -> Mapping | None:
        network = tree.mapping("network") if tree.get("network") else None
        ethernets = network.mapping("ethernets") if network and network.get("ethernets") else None
        return ethernets.mapping(self.identifier) if ethernets and ethernets.get(self.identifier) else None

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


def _default_gateways(port: Mapping) -> Iterator[yaml.Node]:
    """Yield the gateways of a port's IPv4 default routes."""
    entry = port.get("routes")
    if entry is None or not isinstance(entry.value, yaml.SequenceNode):
        return
    for item in entry.value.value:
        if not isinstance(item, yaml.MappingNode):
            continue
        own = {getattr(key, "value", ""): getattr(value, "value", "") for key, value in item.value}
        gateway = next((value for key, value in item.value if getattr(key, "value", "") == "via"), None)
        if own.get("to") in DEFAULT_ROUTES and gateway is not None and ":" not in own["via"]:
            yield gateway
