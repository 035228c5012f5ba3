"""What netplan's files say of an interface, all files joined as netplan joins them; their text does not matter here."""

from __future__ import annotations

import functools
import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml

from runbook_lib.errors import PlanRefused
from runbook_lib.operations.network_stacks.bridge_backend import normalized
from runbook_lib.operations.network_stacks.netplan_yaml import malformed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from runbook_lib.facts.netplan import NetplanFile
    from runbook_lib.operations.network_stacks.bridge_backend import Wanted

__all__ = ["NetplanInterface", "NetplanValues", "is_default_route", "load"]

_DEFAULT_ROUTES = frozenset({"default", "0.0.0.0/0", "0/0"})
_MAIN_TABLE = "254"


@dataclass(frozen=True)
class NetplanInterface:
    """The settings of one interface.

    Args:
        values: The settings by name.
        wanted: The bridge as it should be.
    """

    values: dict[str, Any]
    wanted: Wanted

    @property
    def has_lease(self) -> bool:
        """Whether its IPv4 address comes by DHCP."""
        return bool(self.values.get("dhcp4"))

    @property
    def addresses(self) -> tuple[str, ...]:
        """The static addresses, and with DHCP the given one: it is the lease's."""
        leased = [self.wanted.address] if self.has_lease else []
        static = [
            next(iter(item), "") if isinstance(item, dict) else item
            for item in _list(self.values.get("addresses"))
        ]
        return normalized([*leased, *map(str, static)])

    @property
    def has_address(self) -> bool:
        """Whether the wanted address is among them."""
        return str(ipaddress.ip_interface(self.wanted.address)) in self.addresses

    @property
    def gateways(self) -> list[str]:
        """The gateways of the IPv4 default routes."""
        routes = [route for route in _list(self.values.get("routes")) if isinstance(route, dict)]
        found = [
            str(route["via"])
            for route in routes
            if is_default_route({str(key): str(value) for key, value in route.items() if value is not None})
        ]
        found += [str(self.values["gateway4"])] if self.values.get("gateway4") else []
        return [gateway for gateway in found if ":" not in gateway]

    @property
    def nameservers(self) -> list[str]:
        """The addresses of its name servers."""
        return [str(server) for server in _list(_dict(self.values.get("nameservers")).get("addresses"))]

    @property
    def has_other_gateway(self) -> bool:
        """Whether its default gateway is not the wanted one; one that comes by DHCP is not known."""
        if self.wanted.gateway is None or (self.has_lease and not self.gateways):
            return False
        return set(self.gateways) != {self.wanted.gateway}

    @property
    def has_other_nameservers(self) -> bool:
        """Whether its name servers are not the wanted ones."""
        return bool(self.wanted.nameservers) and self.nameservers != list(self.wanted.nameservers)

    @property
    def mtu(self) -> int | None:
        """The MTU; None if none is configured."""
        value = self.values.get("mtu")
        return value if type(value) is int else None

    @property
    def uses(self) -> list[Any]:
        """The names of the interfaces that it is made of."""
        return [*_list(self.values.get("interfaces")), self.values.get("link")]

    @property
    def has_spanning_tree(self) -> bool:
        """Whether it is a bridge that runs the spanning tree protocol, which is the default."""
        return bool(_dict(self.values.get("parameters")).get("stp", True))


@dataclass(frozen=True)
class NetplanValues:
    """The settings of all files.

    Args:
        files: The files.
        wanted: The bridge as it should be.
    """

    files: tuple[NetplanFile, ...]
    wanted: Wanted

    def definitions(self) -> Iterator[tuple[str, str, NetplanInterface]]:
        """Yield every interface of every file: its kind as `vlans`, its name, its settings.

        Raises:
            PlanRefused: A file is not YAML.
        """
        for file in self._loaded:
            for kind, named in _dict(file.get("network")).items():
                for name, values in _dict(named).items():
                    if isinstance(values, dict):
                        yield str(kind), str(name), NetplanInterface(values, self.wanted)

    def refuse_other_kind(self, name: str) -> None:
        """Refuse a port that is not one of `ethernets`.

        Args:
            name: Its name in the files.

        Raises:
            PlanRefused: It is a bond, a VLAN's own interface, or another one that netplan makes.
        """
        kind = next((kind for kind, own, _ in self.definitions() if own == name), "ethernets")
        if kind != "ethernets":
            raise PlanRefused(
                f"{name} is defined under `{kind}`, and only one of `ethernets` is made a bridge's port",
                hint="change netplan's files by hand, then validate",
            )

    def interface(self, kind: str, name: str) -> NetplanInterface:
        """Return the settings of an interface; without settings if no file has it.

        Args:
            kind: As `ethernets`.
            name: Its name in the files.

        Raises:
            PlanRefused: A file is not YAML.
        """
        found: dict[str, Any] = {}
        for other, owner, defined in self.definitions():
            if (other, owner) != (kind, name):
                continue
            for key, value in defined.values.items():
                known = found.get(key)
                joined = isinstance(known, list) and isinstance(value, list)
                found[key] = _list(known) + _list(value) if joined else value
        return NetplanInterface(found, self.wanted)

    @functools.cached_property
    def _loaded(self) -> list[dict[str, Any]]:
        return [load(file.text or "", file.path) for file in self.files]


def is_default_route(route: Mapping[str, str]) -> bool:
    """Return whether a route is the IPv4 default route; one in a table of its own is for some packets only.

    Args:
        route: Its settings by name, as netplan writes them.
    """
    return (
        route.get("to") in _DEFAULT_ROUTES
        and ":" not in route.get("via", ":")
        and route.get("table", _MAIN_TABLE) == _MAIN_TABLE
        and route.get("type", "unicast") == "unicast"
    )


def load(text: str, path: str) -> dict[str, Any]:
    """Return the values of a file; without any if the file is empty.

    Args:
        text: The file.
        path: Its path, for messages.

    Raises:
        PlanRefused: It is not YAML, or not a mapping.
    """
    try:
        loaded = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as problem:  # ValueError: an impossible date
        raise malformed(path, problem) from problem
    if loaded is not None and not isinstance(loaded, dict):
        raise PlanRefused(f"{path}: expected a mapping", hint="correct the file, then run this again")
    return loaded or {}


def _dict(value: Any) -> dict[Any, Any]:  # noqa: ANN401 - YAML
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:  # noqa: ANN401 - YAML
    return value if isinstance(value, list) else []
