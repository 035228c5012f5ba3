"""A bridge of NetworkManager: two profiles of its own, and the port's own profile stays as it is.

NetworkManager activates the profile with the higher priority. So the port's own one is active again as soon as ours are
removed. Ours are written as files: nmcli would rewrite the port's file without its comments.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from runbook_lib.errors import PlanRefused
from runbook_lib.facts.interface_manager import NETWORKMANAGER, InterfaceManager
from runbook_lib.facts.networkmanager import Profile
from runbook_lib.operations.commit_confirm import GuardedChange, GuardedFile
from runbook_lib.operations.configuration_text import refuse_unmovable
from runbook_lib.operations.network_stacks.bridge_backend import BridgeBackend
from runbook_lib.operations.network_stacks.networkmanager_profile import (
    EthernetProfile,
    profile_id,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runbook_lib.facts.base import Fact, Facts
    from runbook_lib.facts.networkmanager import ProfileText
    from runbook_lib.operations.network_stacks.bridge_backend import Wanted

__all__ = ["NetworkManagerBridge", "up_again"]

_DIRECTORY = "/etc/NetworkManager/system-connections"


class NetworkManagerBridge(BridgeBackend):
    """A bridge that NetworkManager creates and configures."""

    name = NETWORKMANAGER
    boot_unit = "NetworkManager.service"

    @classmethod
    def needed_facts(cls, wanted: Wanted, facts: Facts) -> Sequence[Fact[Any]]:
        """Return the active profiles of port and bridge, and ours."""
        active = [facts[InterfaceManager(name)].profile for name in (wanted.port, wanted.name)]
        return [Profile(path) for path in dict.fromkeys([*filter(None, active), *_own(wanted)])]

    @property
    def title(self) -> str:
        """The bridge's active profile, or the one that will be."""
        return self.managers[1].profile or _own(self.wanted)[0]

    def missing(self) -> list[str]:
        """Return the settings that the active profiles lack."""
        missing = []
        port = EthernetProfile(self._profile(self.managers[0].profile).text or "", self.wanted)
        if not port.is_port:
            missing.append(f"a profile that makes {self.wanted.port} a port of {self.wanted.name}")
        bridge = self.managers[1].profile
        if not bridge:
            return [*missing, f"a profile of {self.wanted.name}"]
        return [*missing, *EthernetProfile(self._profile(bridge).text or "", self.wanted).missing_in_bridge()]

    def addresses(self) -> tuple[str, ...]:
        """Return the addresses that the bridge will have."""
        return self._source.addresses()

    @property
    def mtu(self) -> int | None:
        """`mtu=` of the port's profile."""
        return self._source.mtu

    def refuse(self) -> None:
        """Refuse a profile with secrets, one that is not a keyfile, and settings that are not understood."""
        name, port = self.wanted.name, self.wanted.port
        of_bridge = self.managers[1].profile
        if of_bridge and of_bridge != _own(self.wanted)[0]:
            raise PlanRefused(
                f"{name} is configured in {of_bridge}, not as desired",
                hint="choose another name, or change that profile by hand and run this again",
            )
        if not self._source_path:
            raise PlanRefused(
                f"NetworkManager has no active profile on {port}",
                hint=f"activate one: `nmcli device connect {port}` on the host, then run this again",
            )
        if not self._source_path.endswith(".nmconnection"):
            raise PlanRefused(
                f"{self._source_path} is not a keyfile (.nmconnection)",
                hint="`nmcli connection migrate` on the host makes one of it, then run this again",
            )
        if self._profile(self._source_path).secret:
            raise PlanRefused(
                f"{self._source_path} holds a password or a key, so it is not read: runs record what they read",
                hint=f"configure {name} by hand on this host, then validate",
            )
        refuse_unmovable(self._source.obstacles(), f"{self._source_path} has settings", name)

    def change(self, timeout: float) -> GuardedChange:
        """Return the two profiles, which NetworkManager loads and activates."""
        wanted = self.wanted
        of_bridge, of_port = _own(wanted)
        port = EthernetProfile(self._profile(self.managers[0].profile).text or "", wanted)
        texts = {of_bridge: self._source.bridge_profile(self.mac), of_port: port.port_profile(self.mac)}
        ours = [profile_id(self.mac, name) for name in (f"{wanted.name}-{wanted.port}", wanted.name)]
        again = ours if self.bridge else [self.managers[0].uuid]
        delete = f"! ip link show {wanted.name} >/dev/null 2>&1 || ip link delete {wanted.name} type bridge"
        return GuardedChange(
            files=tuple(
                GuardedFile(path, self._profile(path).text, text, "0600") for path, text in texts.items()
            ),
            start_new="\n".join([f"nmcli connection load {of_bridge} {of_port}", *map(_up, ours)]),
            start_old="\n".join(
                [
                    "nmcli connection reload",
                    *([] if self.bridge else [delete]),
                    *(up_again(f"uuid {uuid}") for uuid in again),
                ]
            ),
            timeout=timeout,
        )

    def _profile(self, path: str) -> ProfileText:
        return self.facts[Profile(path)]

    @property
    def _source_path(self) -> str:
        """The profile with what the bridge is to have: the port's, or the bridge's once it is ours."""
        own = _own(self.wanted)[0]
        return own if self.managers[1].profile == own else self.managers[0].profile

    @functools.cached_property
    def _source(self) -> EthernetProfile:
        path = self._source_path
        return EthernetProfile((self._profile(path).text or "") if path else "", self.wanted)


def _own(wanted: Wanted) -> tuple[str, str]:
    """Return our two files: the bridge, and its port."""
    return (
        f"{_DIRECTORY}/{wanted.name}.nmconnection",
        f"{_DIRECTORY}/{wanted.name}-{wanted.port}.nmconnection",
    )


def _up(uuid: str) -> str:
    return f"nmcli --wait 20 connection up uuid {uuid}"


def up_again(profile: str) -> str:
    """Return the command that activates a former profile, again if NetworkManager is restarted in that moment.

    A NetworkManager that has just started takes an interface over as it is: with its addresses, but not with its MTU.

    Args:
        profile: As `uuid …`, or its name.
    """
    up = f"nmcli --wait 20 connection up {profile}"
    return f"{up} || {{ systemctl start NetworkManager; {up}; }}"
