"""systemd-networkd before systemd 250, whose networkctl does not say which file configures an interface."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from runbook_lib.facts.interface_manager import (
    IFUPDOWN,
    NETPLAN_NETWORKD,
    NETWORKD,
    InterfaceManager,
    Manager,
)
from runbook_lib.model.commands import Output
from tests.deadlines import deadline

if TYPE_CHECKING:
    from pathlib import Path

UNKNOWN_OPTION = "networkctl: unrecognized option '--json=short'"  # systemd 247
SETUP_STATE = '{"Name":"ens3","SetupState":"configured","NetworkFile":"/etc/systemd/network/a.network"}'
LINK = """\
# This is private data. Do not parse.
ADMIN_STATE={state}
OPER_STATE=routable
REQUIRED_FOR_ONLINE=yes
{file}DNS=198.51.100.53
"""


def asked(
    place: Path, *, networkctl: str, link: str = "", networkd: bool = True, ifupdown: bool = False
) -> Manager:
    """Send the fact's command, with scripts in place of the host's programs, and directories of the test's."""
    for name, body in {
        "systemctl": f'[ "$3" = systemd-networkd ] && {"true" if networkd else "false"}',
        "networkctl": networkctl,
        "ifquery": "true" if ifupdown else "false",
    }.items():
        (place / name).write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
        (place / name).chmod(0o755)
    (place / "ens3").mkdir()
    (place / "ens3" / "ifindex").write_text("4\n", encoding="utf-8")
    if link:
        (place / "4").write_text(link, encoding="utf-8")
    *_, script, zero, interface = InterfaceManager("ens3").request().argv
    for directory in ("/run/systemd/netif/links", "/sys/class/net"):
        assert directory in script
        script = script.replace(directory, str(place))
    done = subprocess.run(
        ["sh", "-c", script, zero, interface], env={"PATH": f"{place}:/usr/bin:/bin"},
        capture_output=True, text=True, check=False, timeout=deadline(30),
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    return InterfaceManager("ens3").parse(Output(0, done.stdout))


@pytest.mark.parametrize(
    "networkctl", [f'echo "{UNKNOWN_OPTION}" >&2; exit 1', f"echo '{SETUP_STATE}'"], ids=["247", "249"]
)
@pytest.mark.parametrize(
    ("state", "file", "names"),
    [
        ("configured", "/etc/systemd/network/a.network", (NETWORKD,)),
        ("pending", "/run/systemd/network/10-netplan-ens3.network", (NETPLAN_NETWORKD,)),
        ("unmanaged", "", ()),
    ],
)
def test_the_state_is_read_where_an_older_networkctl_does_not_show_it(
    tmp_path: Path, networkctl: str, state: str, file: str, names: tuple[str, ...]
) -> None:
    link = LINK.format(state=state, file=f"NETWORK_FILE={file}\n" if file else "")
    found = asked(tmp_path, networkctl=networkctl, link=link)
    assert (found.names, found.networkd) == (names, file)


def test_two_managers_are_seen_with_an_older_networkctl(tmp_path: Path) -> None:
    link = LINK.format(state="configured", file="NETWORK_FILE=/etc/systemd/network/a.network\n")
    assert asked(tmp_path, networkctl="exit 1", link=link, ifupdown=True).names == (IFUPDOWN, NETWORKD)


def test_a_newer_networkctl_is_believed(tmp_path: Path) -> None:
    answer = SETUP_STATE.replace("SetupState", "AdministrativeState").replace("a.network", "b.network")
    link = LINK.format(state="configured", file="NETWORK_FILE=/etc/systemd/network/a.network\n")
    assert asked(tmp_path, networkctl=f"echo '{answer}'", link=link).networkd.endswith("/b.network")


@pytest.mark.parametrize("networkd", [True, False])
def test_nothing_is_found_if_networkd_does_not_know_the_interface_or_does_not_run(
    tmp_path: Path,
    networkd: bool,  # noqa: FBT001 - a case
) -> None:
    link = "" if networkd else LINK.format(state="configured", file="NETWORK_FILE=/etc/a.network\n")
    assert asked(tmp_path, networkctl="exit 1", link=link, networkd=networkd).names == ()
