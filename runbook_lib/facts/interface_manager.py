"""Which software configures a network interface, decided for each interface on its own.

A host may run several: netplan writes files for systemd-networkd or NetworkManager, and ifupdown often keeps the
loopback interface only. So each of them is asked about the interface, and netplan is known by the names of its files.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from runbook_lib.errors import FactError
from runbook_lib.facts.base import Fact, lines_of, parsing
from runbook_lib.masking import excerpt
from runbook_lib.model.commands import Command, Output

__all__ = [
    "IFUPDOWN",
    "NETPLAN_NETWORKD",
    "NETPLAN_NETWORKMANAGER",
    "NETWORKD",
    "NETWORKMANAGER",
    "InterfaceManager",
    "Manager",
    "netplan_id",
]

IFUPDOWN = "ifupdown"
NETWORKD = "systemd-networkd"
NETPLAN_NETWORKD = "netplan with systemd-networkd"
NETPLAN_NETWORKMANAGER = "netplan with NetworkManager"
NETWORKMANAGER = "NetworkManager"

_NETPLAN_NETWORK = "/run/systemd/network/10-netplan-"
_NETPLAN_PROFILE = "/run/NetworkManager/system-connections/netplan-"
_UNMANAGED = 10  # NM_DEVICE_STATE_UNMANAGED; 0 is unknown
# A device that systemd-networkd does not manage has no file; one that it has not got to yet is `pending`. networkctl
# says so since systemd 250; before, as in Debian 11 and Ubuntu 22.04, only the file has it that libsystemd reads.
_ASK = r"""
PATH=$PATH:/usr/sbin:/sbin
if command -v ifquery >/dev/null && ifquery "$1" >/dev/null 2>&1; then echo ifupdown; fi
if systemctl is-active --quiet systemd-networkd; then
  found=$(networkctl --json=short status "$1" 2>/dev/null | grep -oE '"(AdministrativeState|NetworkFile)":"[^"]*"')
  case $found in
    *AdministrativeState*) ;;
    *) found=$(sed -nE 's/^ADMIN_STATE=(.*)/"AdministrativeState":"\1"/p; s/^NETWORK_FILE=(.*)/"NetworkFile":"\1"/p' \
      "/run/systemd/netif/links/$(cat "/sys/class/net/$1/ifindex" 2>/dev/null)" 2>/dev/null) ;;
  esac
  [ -z "$found" ] || printf '%s\n' "$found" | sed 's/^/networkd /'
fi
if systemctl is-active --quiet NetworkManager; then
  set -- $(nmcli -e no -g GENERAL.STATE,GENERAL.CON-UUID device show "$1" 2>/dev/null)
  if [ -n "$1" ]; then
    echo "networkmanager $1"
    for uuid do :; done
    nmcli -e no -g UUID,FILENAME connection show | sed -n "s/^$uuid:/profile $uuid /p"
  fi
fi
echo end
"""


@dataclass(frozen=True)
class Manager:
    """What each software says of one interface.

    Args:
        ifupdown: Whether `/etc/network/interfaces`, or a file it includes, has the interface.
        networkd: The file by which systemd-networkd configures the interface; empty if it does not.
        networkmanager: Whether NetworkManager manages the interface.
        profile: The file of the profile that is active on the interface; empty if none is.
        uuid: That profile's UUID.
    """

    ifupdown: bool = False
    networkd: str = ""
    networkmanager: bool = False
    profile: str = ""
    uuid: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """The software that configures the interface; several: they conflict."""
        found = [IFUPDOWN] if self.ifupdown else []
        if self.networkd:
            found.append(NETPLAN_NETWORKD if self.networkd.startswith(_NETPLAN_NETWORK) else NETWORKD)
        if self.networkmanager:
            netplan = self.profile.startswith(_NETPLAN_PROFILE)
            found.append(NETPLAN_NETWORKMANAGER if netplan else NETWORKMANAGER)
        return tuple(found)


@dataclass(frozen=True)
class InterfaceManager(Fact[Manager]):
    """The software that configures an interface.

    Args:
        interface: The interface's name; it need not exist.
    """

    interface: str

    def request(self) -> Command:
        """Return the command. Root may read all files that ifupdown includes, and sees all profiles."""
        return Command(("sh", "-c", _ASK, "sh", self.interface), sudo=True)

    def parse(self, output: Output) -> Manager:
        r"""Return what was found.

        >>> answer = 'networkd "AdministrativeState":"configured"\nnetworkd "NetworkFile":"/etc/a.network"'
        >>> InterfaceManager("em1").parse(Output(0, answer + "\nend\n")).names
        ('systemd-networkd',)
        """
        *lines, end = lines_of(output.stdout) or [""]
        if end != "end":
            raise FactError(f"the manager of {self.interface}: the output is incomplete")
        status: dict[str, str] = {}
        uuid, profile, managed = "", "", False
        for line in lines:
            kind, _, rest = line.partition(" ")
            if kind == "networkd":
                with parsing("networkctl status"):
                    status |= json.loads(f"{{{rest}}}")
            elif kind == "networkmanager":
                with parsing("nmcli device show"):
                    managed = int(rest) > _UNMANAGED
            elif kind == "profile":
                uuid, _, profile = rest.partition(" ")
            elif line != IFUPDOWN:
                raise FactError(
                    f"the manager of {self.interface}: unexpected output {excerpt(output.stdout, 80)!r}"
                )
        active = (profile, uuid) if managed else ("", "")
        known = status.get("AdministrativeState", "unmanaged") != "unmanaged"
        return Manager(IFUPDOWN in lines, status.get("NetworkFile", "") if known else "", managed, *active)


def netplan_id(manager: Manager, interface: str) -> str:
    """Return the name that netplan's YAML has for an interface, known from the file that netplan generated for it.

    Args:
        manager: What is said of the interface.
        interface: The interface's name, with which NetworkManager's profile may end.
    """
    if manager.networkd.startswith(_NETPLAN_NETWORK):
        return manager.networkd.removeprefix(_NETPLAN_NETWORK).removesuffix(".network")
    found = manager.profile.removeprefix(_NETPLAN_PROFILE).removesuffix(".nmconnection")
    return found or interface
