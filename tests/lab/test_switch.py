"""A VM's ports of the lab's switch: tap devices, tried with frames instead of a VM."""

from __future__ import annotations

import os
import select
import subprocess
from ipaddress import IPv4Address
from typing import TYPE_CHECKING

import pytest
from pyroute2 import IPRoute

from runbook_lib.connections.network_namespace import run_in
from runbook_lib.errors import LabError
from runbook_lib.lab.switch import create_namespace, create_switch, mac_address, plug_vm
from runbook_lib.lab.topology import Control, HostPlan, Interface, Topology
from tests.deadlines import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.lab, pytest.mark.usefixtures("can_have_lab")]
LAB = "switch-test"
CONTROL, ADDRESS = "192.168.7.254", "192.168.7.30"
_VIRTIO_HEADER = bytes(10)  # linux/virtio_net.h: the frame is whole, and no checksum is missing
PLAN = HostPlan(
    name="cloud",
    kind="vm",
    interfaces={"em1": Interface(vlan=101, address=f"{ADDRESS}/20"), "em2": Interface(vlan=102)},
)


@pytest.fixture
def switch(tmp_path: Path) -> Iterator[Path]:
    """Return the namespace of a switch that control is plugged into, and no host yet."""
    files = tmp_path / "switch", tmp_path / "control"
    topology = Topology(Control(vlan=101, address=f"{CONTROL}/20"), {PLAN.name: PLAN}, {})
    try:
        for file in files:
            create_namespace(file)
        create_switch(LAB, topology, *files)
        yield files[0]
    finally:
        for file in files:
            subprocess.run(["umount", str(file)], check=False, capture_output=True)


def links(switch: Path) -> dict[str, tuple[str, str]]:
    """Return the state of each link of the switch, and the bridge it is a port of."""

    def read() -> dict[str, tuple[str, str]]:
        with IPRoute() as kernel:
            found = list(kernel.get_links())
        names = {link["index"]: link.get_attr("IFLA_IFNAME") for link in found}
        return {
            link.get_attr("IFLA_IFNAME"): (
                link["state"],
                names.get(link.get_attr("IFLA_MASTER"), ""),
            )
            for link in found
        }

    return run_in(switch, read)


def arp_request(vlan: int | None = None) -> bytes:
    """Return the question for control's hardware address, as a VM at `ADDRESS` asks it."""
    mac = bytes.fromhex(mac_address(LAB, "cloud", "em1").replace(":", ""))
    tag = b"" if vlan is None else b"\x81\x00" + vlan.to_bytes(2, "big")
    question = b"\x00\x01\x08\x00\x06\x04\x00\x01"
    ends = mac + IPv4Address(ADDRESS).packed + bytes(6) + IPv4Address(CONTROL).packed
    return _VIRTIO_HEADER + b"\xff" * 6 + mac + tag + b"\x08\x06" + question + ends


def answers(descriptor: int) -> bool:
    """Return whether control answers the question that is sent through a port, within seconds."""

    def asked() -> bool | None:
        os.write(descriptor, arp_request())
        readable, _, _ = select.select([descriptor], [], [], 0.3)
        return (bool(readable) and IPv4Address(CONTROL).packed in os.read(descriptor, 2048)[10:]) or None

    return bool(wait_until(asked, "control's answer", seconds=10))


def arrived_at(descriptor: int) -> Iterator[bytes]:
    """Yield the frames that have arrived at a port."""
    while select.select([descriptor], [], [], 0.3)[0]:
        yield os.read(descriptor, 2048)


def test_control_answers_a_vm_and_its_ports_are_in_their_vlans(switch: Path) -> None:
    with plug_vm(PLAN, switch, set()) as taps:
        assert list(taps) == ["em1", "em2"]
        assert links(switch)["cloud.em1"] == ("up", "v101")
        assert links(switch)["cloud.em2"] == ("up", "v102")
        assert answers(taps["em1"])


def test_a_port_is_gone_with_the_last_process_that_has_it(switch: Path) -> None:
    with plug_vm(PLAN, switch, set()) as taps:
        heir = subprocess.Popen(["sleep", "60"], pass_fds=list(taps.values()))
    try:
        assert "cloud.em1" in links(switch), "the process that inherited the port keeps it"
        with plug_vm(PLAN, switch, set()) as taps:  # as after a power cut whose QEMU has not quite ended
            assert answers(taps["em1"])
    finally:
        heir.kill()
        heir.wait()
    wait_until(lambda: "cloud.em1" not in links(switch) or None, "the end of the port", seconds=10)


def test_a_new_port_keeps_the_faults_of_the_lab(switch: Path) -> None:
    with plug_vm(PLAN, switch, {"unplug:cloud", "unplug:host-a"}) as taps:
        assert links(switch)["cloud.em1"] == ("down", "v101")
        assert links(switch)["cloud.em2"] == ("up", "v102")
        with pytest.raises(OSError, match="Input/output error"):
            os.write(taps["em1"], arp_request())


@pytest.mark.parametrize(("faults", "reached"), [(set(), True), ({"cable"}, False)])
def test_a_new_port_is_cut_off_from_other_hosts_as_the_others_are(
    switch: Path, faults: set[str], *, reached: bool
) -> None:
    second = PLAN.model_copy(update={"name": "other", "interfaces": {"em1": PLAN.interfaces["em1"]}})
    with plug_vm(PLAN, switch, faults) as first, plug_vm(second, switch, faults) as other:
        # Control's answer proves that the switch has forwarded the broadcast, to whomever it does.
        assert answers(first["em1"]), "control reaches hosts that cannot reach each other"
        assert any(arp_request()[10:] in frame for frame in arrived_at(other["em1"])) is reached


def test_tagged_frames_pass_the_switch(switch: Path) -> None:
    second = PLAN.model_copy(update={"name": "other", "interfaces": {"em1": PLAN.interfaces["em1"]}})
    with plug_vm(PLAN, switch, set()) as first, plug_vm(second, switch, set()) as other:

        def arrived() -> bool | None:
            os.write(first["em1"], arp_request(vlan=7))
            readable, _, _ = select.select([other["em1"]], [], [], 0.3)
            # A driver hides the tag in the frame's description; a tap device has none, so it is in the frame.
            return (bool(readable) and b"\x81\x00\x00\x07" in os.read(other["em1"], 2048)) or None

        assert wait_until(arrived, "the tagged frame", seconds=10)


def test_a_switch_without_the_vlan_is_named(switch: Path) -> None:
    plan = PLAN.model_copy(update={"interfaces": {"em1": Interface(vlan=4000, address=f"{ADDRESS}/20")}})
    with pytest.raises(LabError, match="could not plug cloud into the switch"), plug_vm(plan, switch, set()):
        pass
    assert "cloud.em1" not in links(switch)
