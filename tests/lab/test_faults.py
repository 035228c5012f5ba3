"""What `runbook lab break random` may choose is found by the drill: it looks at some of the lab's hosts only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runbook_lib.books.docker.faults import DRILL_GROUP, HOST_FAULTS
from runbook_lib.books.docker.parameters import Drill
from runbook_lib.execution.catalog import load
from runbook_lib.lab.fault_names import FAULTS, drill_faults
from runbook_lib.lab.state import LabState
from runbook_lib.lab.topology_file import load_topology
from tests.books.docker.drills_page import CAUSES
from tests.books.docker.test_causes import CLIENT, SERVER, facts
from tests.execution.project import TOP

if TYPE_CHECKING:
    from runbook_lib.books.docker.causes import Causes
    from runbook_lib.lab.topology import Topology

CAUSES_OF = {"host-a": SERVER, "host-b": CLIENT}


def state_of(topology: Topology, *faults: str) -> LabState:
    return LabState(
        name="class",
        control=topology.control,
        hosts=topology.hosts,
        groups=topology.groups,
        inventory="",
        packages="",
        faults=list(faults),
    )


def checks(operation: Causes) -> set[str]:
    return {check.id for check in operation.verify(facts(operation, {}))}


def test_the_drill_looks_at_the_group_whose_faults_random_chooses_from() -> None:
    drill = load(TOP / "notebooks" / "91_drill.ipynb")
    assert Drill.model_validate(drill.defaults).hosts == DRILL_GROUP
    assert load_topology().groups[DRILL_GROUP] == list(CAUSES_OF)


def test_each_fault_that_random_may_choose_has_its_check_in_the_drill() -> None:
    names = drill_faults(state_of(load_topology()))
    for name in names:
        kind, _, host = name.partition(":")
        # A host that is cut off cannot be asked: the other one names it.
        cut_off = kind not in HOST_FAULTS and kind != "docker-down"
        looks = (
            [other for other in CAUSES_OF if other != host]
            if cut_off or CAUSES[kind] == "cause.peers"
            else [host]
        )
        assert any(CAUSES[kind] in checks(CAUSES_OF[one]) for one in looks), name
    assert {name.partition(":")[0] for name in names} == {name.removesuffix(":HOST") for name in FAULTS}


def test_no_host_is_chosen_at_which_the_drill_does_not_look() -> None:
    topology = load_topology()
    assert "cloud" in topology.hosts
    names = drill_faults(state_of(topology, "power:host-a"))
    assert [name for name in names if "cloud" in name or name == "power:host-a"] == []


def test_a_lab_without_such_a_group_has_faults_of_any_host() -> None:
    names = drill_faults(state_of(load_topology()).model_copy(update={"groups": {}}))
    assert "power:cloud" in names
