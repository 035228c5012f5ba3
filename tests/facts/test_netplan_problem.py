"""netplan quotes the line that it refuses: nothing of a file with a password may reach the evidence."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from runbook_lib.facts.netplan import NetplanProblem
from runbook_lib.model.commands import Output

if TYPE_CHECKING:
    from pathlib import Path

_PLACE = "/etc/netplan/50-wifi.yaml:7:3: Invalid YAML"
_REFUSAL = f"""netplan.libnetplan.LibNetplanException: {_PLACE}: inconsistent indentation:
  open-sesame-4711: [
  ^
"""


def asked(place: Path, netplan: str) -> subprocess.CompletedProcess[str]:
    """Send the fact's command, with a directory in place of /etc/netplan and a script in place of netplan."""
    program = place / "netplan"
    program.write_text(f"#!/bin/sh\n{netplan}\n", encoding="utf-8")
    program.chmod(0o755)
    script = NetplanProblem().request().argv[-1].replace("/etc/netplan/", f"{place}/")
    return subprocess.run(
        ["sh", "-c", script],
        env={"PATH": f"{place}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        ("network:\n  wifis: {w: {access-points: {x: {password: open-sesame-4711}}}}\n", False),
        ("network:\n  wifis: {w: {auth: {PSK: open-sesame-4711}}}\n", False),
        ('network: {wifis: {w: {access-points: {"cafe#5": {password: open-sesame-4711}}}}}\n', False),
        ("network: {version: 2}\n#   password: open-sesame-4711\n", False),
        ("network: {modems: {m: {apn: a, pin: 4711}}}\n", False),
        ("network: {version: 2}  # no pincode, no passwords: here\n", True),
    ],
)
def test_a_password_is_not_quoted(text: str, quoted: bool, tmp_path: Path) -> None:  # noqa: FBT001 - a case
    (tmp_path / "50-wifi.yaml").write_text(text, encoding="utf-8")
    (tmp_path / "message").write_text(_REFUSAL, encoding="utf-8")
    done = asked(tmp_path, f"cat {tmp_path}/message >&2\nexit 1")
    assert done.returncode == 1
    assert done.stdout == ""
    assert ("open-sesame-4711" in done.stderr) is quoted
    assert NetplanProblem().parse(Output(1, "", done.stderr)).startswith(_PLACE)


def test_what_names_no_place_is_not_quoted_either(tmp_path: Path) -> None:
    (tmp_path / "50-wifi.yaml").write_text("password: open-sesame-4711\n", encoding="utf-8")
    done = asked(tmp_path, "echo 'odd: open-sesame-4711' >&2\nexit 78")
    assert done.returncode == 78
    assert done.stderr == "netplan refuses its files (not quoted: a file has a password or a key)\n"
