"""A revert at boot, before any network daemon: udev has asked ifupdown about the port already, with the other file."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from runbook_lib.facts.base import Facts
from runbook_lib.facts.file import FileText
from runbook_lib.facts.interfaces import Interface, Interfaces
from runbook_lib.facts.network_stack import ConfiguredElsewhere
from runbook_lib.operations.commit_confirm_scripts import BOOT_UNIT_FILE, BOOT_UNIT_LINK, DIRECTORY
from runbook_lib.operations.network_stacks.bridge_backend import Wanted
from runbook_lib.operations.network_stacks.bridge_ifupdown import INTERFACES_FILE, IfupdownBridge
from tests.deadlines import deadline

if TYPE_CHECKING:
    from pathlib import Path

FILE = """\
source {place}/interfaces.d/*

{line}
iface ens3 inet static
    address 198.51.100.7/24
    gateway 198.51.100.1
"""
# As udev's ifupdown-hotplug: a port that ifupdown does not have under `allow-hotplug` is left alone.
UDEVADM = """#!/bin/sh
[ "$*" = "trigger --action=add --subsystem-match=net --sysname-match=ens3" ] || exit 1
grep -q '^allow-hotplug.* ens3' {place}/interfaces && echo "ifup@ens3.service" >> {place}/started
exit 0
"""


@pytest.mark.parametrize(
    ("line", "started"),
    [
        ("allow-hotplug ens3", True),
        ("auto lo\nallow-hotplug ens4 ens3", True),
        ("auto ens3", False),  # networking.service brings it up
    ],
)
def test_a_port_that_udev_brings_up_is_brought_up_after_a_revert_at_boot(
    tmp_path: Path,
    line: str,
    started: bool,  # noqa: FBT001 - a case
) -> None:
    old = FILE.format(place=tmp_path, line=line)
    wanted = Wanted("br0", "ens3", "198.51.100.7/24", "198.51.100.1", ())
    port = Interface("ens3", "", "UP", None, ("198.51.100.7/24",), "02:00:00:00:00:07")
    facts = Facts({FileText(INTERFACES_FILE): old, Interfaces(): (port,)})
    change = IfupdownBridge(wanted, facts).change(60.0)
    (file,) = change.files
    assert file.after is not None
    assert "allow-hotplug ens3" not in file.after, "udev does not bring up the port by the unconfirmed file"

    (pending := tmp_path / "pending").mkdir()
    (tmp_path / "interfaces").write_text(file.after, encoding="utf-8")
    for name, text in {"1.old": old, "1.mode": "644", "unconfirmed": "", "timer": "none"}.items():
        (pending / name).write_text(text, encoding="utf-8")
    (tmp_path / "udevadm").write_text(UDEVADM.format(place=tmp_path), encoding="utf-8")
    (tmp_path / "udevadm").chmod(0o755)
    script = next(text for command in change.guard.arm if "restore 1 " in (text := command.stdin or ""))
    for there, here in (
        (DIRECTORY, pending), (INTERFACES_FILE, tmp_path / "interfaces"),
        (BOOT_UNIT_LINK, tmp_path / "link"), (BOOT_UNIT_FILE, tmp_path / "unit"),
    ):  # fmt: skip
        script = script.replace(there, str(here))
    done = subprocess.run(
        ["sh", "-s", "at-boot"], input=script, env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
        capture_output=True, text=True, check=False, timeout=deadline(30),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "interfaces").read_text(encoding="utf-8") == old
    assert (tmp_path / "started").exists() is started


def test_a_port_that_an_included_file_configures_makes_another_network_at_boot() -> None:
    wanted = Wanted("br0", "ens3", "198.51.100.7/24")
    elsewhere = ("br0:1", "ens3", "ens3.7", "ens4")
    backend = IfupdownBridge(wanted, Facts({FileText(INTERFACES_FILE): "", ConfiguredElsewhere(): elsewhere}))
    assert backend.conflicts() == ["br0:1 in an included file", "ens3 in an included file"]
