"""Files of a network configuration with passwords: nothing of them is printed, since what is printed is recorded."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from runbook_lib.facts.netplan import NetplanFiles
from runbook_lib.facts.networkmanager import Profile
from runbook_lib.model.commands import Output
from tests.deadlines import deadline

if TYPE_CHECKING:
    from pathlib import Path


def netplan(place: Path, text: str) -> str | None:
    """Return what the fact reads of a file; None if it is not read. A directory is in place of /etc/netplan."""
    (place / "60-site.yaml").write_text(text, encoding="utf-8")
    *argv, script = NetplanFiles().request().argv
    script = script.replace("/etc/netplan /run/netplan /usr/lib/netplan /lib/netplan", str(place))
    done = subprocess.run(
        [*argv, script], capture_output=True, text=True, check=False, timeout=deadline(30),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (found,) = NetplanFiles().parse(Output(0, done.stdout))
    assert found.text is not None or "tr0ub4dor" not in done.stdout
    return found.text


def profile(place: Path, text: str) -> str | None:
    path = place / "ens3.nmconnection"
    path.write_text(text, encoding="utf-8")
    fact = Profile(str(path))
    done = subprocess.run(
        fact.request().argv, capture_output=True, text=True, check=False, timeout=deadline(30)
    )
    assert done.returncode in fact.request().accept, done.stderr
    read = fact.parse(Output(done.returncode, done.stdout, done.stderr))
    assert read.secret is (read.text is None)
    assert read.text is not None or "tr0ub4dor" not in done.stdout
    return read.text


@pytest.mark.parametrize(
    "text",
    [
        'network: {wifis: {wlp2s0: {access-points: {"bar #2": {password: tr0ub4dor}}}}}\n',
        'network:\n  wifis:\n    wlp2s0:\n      auth: {identity: "guest#1", password: "tr0ub4dor"}\n',
        "network:\n  version: 2  # as agreed\n  wifis: {w: {access-points: {a#b: {'psk' : tr0ub4dor}}}}\n",
        "network:\n  version: 2\n#  wifis: {w: {access-points: {home: {password: tr0ub4dor}}}}\n",
        "network:\n  modems:\n    wwan0:\n      pin: tr0ub4dor\n",
        "network:\n  tunnels:\n    wg0:\n      keys: {private: tr0ub4dor}\n",
        'network:\n  wifis: {w: {auth: {"client-key-password": tr0ub4dor}}}\n',
        'network:\n  wifis: {w: {auth: {"pass\\u0077ord": tr0ub4dor}}}\n',
        "network:\n  renderer: &name password\n  wifis: {w: {auth: {*name : tr0ub4dor}}}\n",
        "network:\n  wifis:\n    w:\n      auth:\n        ? password\n        : tr0ub4dor\n",
        "network:\n  wifis: {w: {auth: {\n    ? password\n    : tr0ub4dor}}}\n",
    ],
)
def test_a_file_of_netplan_with_a_password_is_not_read(tmp_path: Path, text: str) -> None:
    assert netplan(tmp_path, text) is None


@pytest.mark.parametrize(
    "text",
    [
        "network:\n  ethernets: {ens3: {dhcp4: true}}  # keyed by name, pinned by MAC\n",
        "network:\n  ethernets:\n    ens3:\n      parameters: {mapping: x}\n",
        'network:\n  ethernets:\n    ens3:\n      match: {name: "en*", driver: ["a\\tb"]}\n      optional: true\n',
        "network:\n  ethernets:\n    ens3: # is it? yes\n      match: {name: en*}\n",
    ],
)
def test_a_file_of_netplan_without_a_password_is_read_as_it_is(tmp_path: Path, text: str) -> None:
    assert netplan(tmp_path, text) == text


@pytest.mark.parametrize(
    "line",
    ["psk=tr0ub4dor", "#psk=tr0ub4dor", " pin = tr0ub4dor", "pin-flags=1", "private-key-password=tr0ub4dor",
     "preshared-key=tr0ub4dor", "password-raw=tr0ub4dor", "wep-key0=tr0ub4dor", "mka-cak=tr0ub4dor"],
)  # fmt: skip
def test_a_profile_with_a_password_is_not_read(tmp_path: Path, line: str) -> None:
    assert profile(tmp_path, f"[connection]\nid=ens3\n{line}\n") is None


@pytest.mark.parametrize("line", ["gateway-ping-timeout=90", "id=shipping", "ping-timeout=2"])
def test_a_ping_is_not_a_pin(tmp_path: Path, line: str) -> None:
    text = f"[connection]\nuuid=7f\n{line}\n"
    assert profile(tmp_path, text) == text
