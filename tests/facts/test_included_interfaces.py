"""Includes of an interfaces file are followed on the host as ifupdown follows them (interfaces(5))."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from runbook_lib.errors import FactError
from runbook_lib.facts.network_stack import ConfiguredElsewhere
from runbook_lib.model.commands import Output
from tests.deadlines import deadline

if TYPE_CHECKING:
    from pathlib import Path


def read(main: Path) -> tuple[str, ...]:
    """Run the fact's own script, with `main` for /etc/network/interfaces."""
    *argv, _ = ConfiguredElsewhere().request().argv
    done = subprocess.run(
        [*argv, str(main)], capture_output=True, text=True, check=False, timeout=deadline(30)
    )
    text = done.stdout.replace(f"==> {main}\n", "==> /etc/network/interfaces\n")
    return ConfiguredElsewhere().parse(Output(exit_code=done.returncode, stdout=text, stderr=done.stderr))


@pytest.fixture
def main(tmp_path: Path) -> Path:
    for name, text in {
        "d/eth1": "iface eth1 inet manual\n",
        "d/eth2.cfg": "  iface eth2 inet manual",
        "d/deep": "auto x \\\n iface\nsource \\\n  ../e/*.intf\r\n",
        "e/a.intf": "iface vlan7 inet manual\n    vlan_raw_device eth3\n    wpa-psk secret\n",
        "e/b.other": "iface eth9 inet manual\n",
        "e/c.intf": "# source \\\niface br7 inet manual\n  bridge-ports eth4 eth5\n",
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8", newline="")
    return tmp_path / "interfaces"


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("iface eth0 inet manual\n", ()),
        ("source d/eth1\n", ("eth1",)),
        ("source d/eth[12]*\n", ("eth1", "eth2")),
        ("\tsource\td/eth2.cfg\r\n", ("eth2",)),
        ("source d/missing*\nsource-directory missing\nsource d\n", ()),
        ("source-directory d\n", ("br7", "eth1", "eth3", "eth4", "eth5", "vlan7")),
        ("source e/*\n", ("br7", "eth3", "eth4", "eth5", "eth9", "vlan7")),
        ("# source d/eth1\n", ()),
        ("source $HOME/x\nsource 'd/eth1'\nsource d/eth1 d/eth2.cfg\n", ()),
    ],
)
def test_includes_are_followed(main: Path, text: str, names: tuple[str, ...]) -> None:
    main.write_text(text, encoding="utf-8", newline="")
    assert read(main) == names
    main.write_text(
        text.replace(" d", f" {main.parent}/d").replace(" e", f" {main.parent}/e"),
        encoding="utf-8",
        newline="",
    )
    assert read(main) == names


@pytest.mark.parametrize("line", ["source $HOME/x", "source d/eth1 d/eth2.cfg", "source nested", "source"])
def test_an_included_file_with_an_include_that_cannot_be_followed_is_named(main: Path, line: str) -> None:
    nested = main.with_name("nested")
    nested.write_text(f"{line}\n", encoding="utf-8")
    main.write_text(f"source {nested}\n", encoding="utf-8")
    with pytest.raises(FactError, match=str(nested)):
        read(main)
