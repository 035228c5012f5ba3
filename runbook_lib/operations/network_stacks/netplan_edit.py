"""The file of netplan in which a bridge has what its port had: each setting stays, or moves byte for byte."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml

from runbook_lib.errors import PlanRefused
from runbook_lib.operations.configuration_text import ended
from runbook_lib.operations.network_stacks import netplan_yaml
from runbook_lib.operations.network_stacks.netplan_values import NetplanInterface, is_default_route, load

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runbook_lib.operations.network_stacks.bridge_backend import Wanted
    from runbook_lib.operations.network_stacks.netplan_yaml import Entry, Mapping

__all__ = ["KNOWN", "NetplanEdit", "port_of"]

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
KNOWN = _MOVES | _BOTH | _STAYS
"""Settings of a port that can be kept; any other is an obstacle."""


@dataclass(frozen=True)
class NetplanEdit:
    """The change of one file.

    Args:
        path: The file's path, for messages.
        text: The file as it is.
        identifier: The port's name in the file.
        wanted: The bridge as it should be.
        mac: The port's hardware address, for the bridge; empty: not known.
        values: The port's settings, all files joined.
    """

    path: str
    text: str
    identifier: str
    wanted: Wanted
    mac: str
    values: NetplanInterface

    def changed(self) -> str:
        """Return the new text of the file: the bridge has what the port had.

        Raises:
            PlanRefused: The file is written in a way that cannot be edited in place.
        """
        text, path = self.text, self.path
        before = load(text, path)
        for replaced in self._replacements(netplan_yaml.parse(text, path)):
            text = netplan_yaml.replace_value(text, *replaced)
        port = port_of(netplan_yaml.parse(text, path), self.identifier)
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
            lost += ["the default route"] if NetplanInterface(bridge, self.wanted).has_other_gateway else []
            if after == before and not lost:
                return
            reason = f"it would change {', '.join(lost) or 'other interfaces'}"
        raise PlanRefused(
            f"{self.path} is written in a way that cannot be edited in place: {reason}",
            hint=f"write {self.identifier} in plain YAML, one key per line, then run this again",
        )

    def _replacements(self, tree: Mapping) -> list[tuple[yaml.Node, str]]:
        """Return the nodes whose value is replaced by a wanted one, from the last to the first."""
        port = port_of(tree, self.identifier)
        found: list[tuple[yaml.Node, str]] = []
        if port is None:
            return found
        if self.values.has_other_gateway:
            gateway = port.get("gateway4")
            nodes = [*_default_gateways(port), *([gateway.value] if gateway else [])]
            found += [(node, str(self.wanted.gateway)) for node in nodes]
        nameservers = port.mapping("nameservers")
        addresses = nameservers.get("addresses") if nameservers else None
        if addresses and self.values.has_other_nameservers:
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
        if self.values.has_other_gateway and not self.values.gateways:
            lines.append(f"routes: [{{to: default, via: {wanted.gateway}}}]")
        if self.values.has_other_nameservers and not port.get("nameservers"):
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


def port_of(tree: Mapping, identifier: str) -> Mapping | None:
    """Return what a file says of a port under `ethernets`; None if it does not define the port."""
    network = tree.mapping("network") if tree.get("network") else None
    ethernets = network.mapping("ethernets") if network and network.get("ethernets") else None
    return ethernets.mapping(identifier) if ethernets and ethernets.get(identifier) else None


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
        if gateway is not None and is_default_route(own):
            yield gateway
