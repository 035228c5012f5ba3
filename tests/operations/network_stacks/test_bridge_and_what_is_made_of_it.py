"""Interfaces that are made of a bridge's port, or of the bridge itself, go down with it: they are found by the kernel's
word, whatever their names are.
"""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from runbook_lib.errors import PlanRefused
from runbook_lib.facts.interfaces import Interfaces
from runbook_lib.model.commands import Output
from tests.deadlines import deadline
from tests.operations.test_operation_cases import case, facts_of, make

CASES = Path(__file__).parents[1] / "BridgePresent"
FRESH = sorted(path.stem for path in CASES.glob("*_fresh_host.json"))


def interface(name: str, kind: str, link: str | None, **more: Any) -> dict[str, Any]:  # noqa: ANN401 - a field
    plain: dict[str, Any] = {
        "name": name,
        "kind": kind,
        "state": "UP",
        "master": None,
        "addresses": [],
        "mac": "",
        "link": link,
    }
    return {**plain, **more}


def refused(name: str, *interfaces: dict[str, Any]) -> str:
    """Return why a bridge is refused on a host with further interfaces; empty if it is not."""
    loaded = case(CASES / f"{name}.json")
    facts = {**loaded["facts"], "Interfaces": [*loaded["facts"]["Interfaces"], *interfaces]}
    operation = make(loaded)
    try:
        assert operation.plan(facts_of(operation, facts)).commands
    except PlanRefused as problem:
        return problem.message
    return ""


@pytest.mark.parametrize("name", FRESH)
@pytest.mark.parametrize("kind", ["vlan", "macvlan", "ipvlan", "vxlan"])
def test_an_interface_that_is_made_of_the_port_is_refused(name: str, kind: str) -> None:
    assert refused(name) == ""
    assert refused(name, interface("backup", kind, "em1")) == (
        "em1 also has backup, which would be lost or go down"
    )


@pytest.mark.parametrize("name", FRESH)
def test_an_interface_that_is_made_of_the_bridge_is_refused_if_that_is_made_again(name: str) -> None:
    bridge = interface("br0", "bridge", None, stp=False)
    assert refused(name, bridge) == ""
    message = refused(name, bridge, interface("guests", "vlan", "br0"))
    assert message.startswith("br0 is not in the desired state, but guests is made of it")


@pytest.mark.parametrize("name", FRESH)
def test_what_is_made_of_another_interface_or_is_only_the_other_end_of_the_port_is_not_in_the_way(
    name: str,
) -> None:
    others = (interface("backup", "vlan", "em2"), interface("uplink", "veth", "em1"))
    assert refused(name, *others) == ""


@pytest.mark.lab
def test_the_kernel_says_what_an_interface_is_made_of() -> None:
    made = "ip link add ens3 type veth peer name far && ip link add storage link ens3 type macvlan"
    done = subprocess.run(
        ["unshare", "--net", "sh", "-c", f"{made} && {Interfaces().request().text}"],
        capture_output=True, text=True, check=False, timeout=deadline(30),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = {item.name: (item.kind, item.link) for item in Interfaces().parse(Output(0, done.stdout))}
    assert found["storage"] == ("macvlan", "ens3")
    assert found["far"] == ("veth", "ens3")
    assert found["lo"] == ("", None)
