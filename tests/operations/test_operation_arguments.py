"""Invalid arguments are refused before any host is touched; and what cannot be written as a JSON case."""

from __future__ import annotations

import importlib
import pkgutil
from typing import Any

import pytest

import runbook_lib.operations
from runbook_lib.errors import ParameterError
from runbook_lib.facts.base import Facts
from runbook_lib.facts.interfaces import Reachable
from runbook_lib.facts.kernel import Kernel, KernelInfo
from runbook_lib.operations import bridge, container, docker_engine, docker_network, frames, probe
from runbook_lib.operations.base import Operation
from runbook_lib.operations.observe import Observe


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ({"address": "192.168.7.31"}, "no prefix length"),
        ({"address": "192.168.7.331/20"}, "192.168.7.331"),
        ({"address": "192.168.7.31/33"}, "192.168.7.31/33"),
        ({"gateway": "10.0.0.1"}, "gateway 10.0.0.1 is not in 192.168.0.0/20"),
        ({"gateway": "gateway.example"}, "gateway.example"),
        ({"nameservers": ("dns.example",)}, "dns.example"),
    ],
)
def test_a_bridge_with_invalid_addresses_is_refused(arguments: dict[str, Any], why: str) -> None:
    valid: dict[str, Any] = {
        "name": "br0",
        "port": "em1",
        "address": "192.168.7.31/20",
        "gateway": "192.168.7.254",
    }
    bridge.present(**valid)
    with pytest.raises(ParameterError, match="bridge br0") as refused:
        bridge.present(**{**valid, **arguments})
    assert why in refused.value.message


@pytest.mark.parametrize(
    "port", ["6379", "127.0.0.1:6379:6379", "6379:6379/udp", "6000-6009:6000-6009", "a:b", ""]
)
def test_ports_that_checks_would_not_recognize_are_refused(port: str) -> None:
    with pytest.raises(ParameterError, match="container web"):
        container.running("web", "web:1", publish=(port,))


@pytest.mark.parametrize("within", ["192.168.0.0/33", "192.168.0", "lan", ""])
def test_a_network_that_no_address_could_be_compared_with_is_refused(within: str) -> None:
    with pytest.raises(ParameterError, match="container web: within"):
        container.running("web", "web:1", within=within)


@pytest.mark.parametrize("reasons", [(), ("",), ("Connection refused", "")])
def test_a_reason_that_every_failure_has_is_refused(reasons: tuple[str, ...]) -> None:
    with pytest.raises(ParameterError, match=r"probe\.fails"):
        probe.fails("the port is closed", ("nc", "host-b", "80"), reasons)


def test_any_difference_in_the_specification_changes_the_spec() -> None:
    one = container.running("web", "web:1")
    others = [
        container.running("web", "web:2"),
        container.running("web", "web:1", command=("true",)),
        container.running("web", "web:1", publish=("80:80",)),
        container.running("web", "web:1", links=("a:b",)),
        container.running("web", "web:1", environment=(("A", "b"),)),
        container.running("web", "web:1", joined="names"),
        container.running("web", "web:1", aliases=("www",)),
    ]
    assert len({operation.spec for operation in [one, *others]}) == len(others) + 1
    assert container.running("other", "web:1", within="10.0.0.0/8").spec == one.spec


def test_observing_checks_that_every_fact_was_read() -> None:
    look = Observe((Kernel(), Reachable("10.0.0.1")))
    facts = Facts({Kernel(): KernelInfo("Linux", "6.1", "x86_64"), Reachable("10.0.0.1"): False})
    assert look.plan(facts).commands == ()
    assert [check.holds for check in look.verify(facts)] == [True]
    assert [check.holds for check in look.verify(Facts({}))] == [False]
    assert look.describe() == "observe(Kernel, Reachable(10.0.0.1))"


def test_options_count_for_equality_but_not_for_the_hash() -> None:
    assert hash(docker_engine.configured({"bridge": "br0"})) == hash(docker_engine.configured({}))
    assert docker_engine.configured({"bridge": "br0"}) != docker_engine.configured({})


@pytest.mark.parametrize(
    "module",
    [item.name for item in pkgutil.iter_modules(runbook_lib.operations.__path__) if not item.ispkg],
)
def test_lower_case_names_in_operation_modules_are_aliases_of_classes(
    module: str,
) -> None:
    loaded = importlib.import_module(f"runbook_lib.operations.{module}")
    for name in loaded.__all__:
        member = getattr(loaded, name)
        if isinstance(member, type) and issubclass(member, Operation) and name.islower():
            assert member.__name__.lower() == name.replace("_", "")


@pytest.mark.parametrize(
    "address", ["-V", "--help", "host-a", "192.168.7.254 -V", "192.168.7.254\n", "192.168.7.0/20", "$(id)"]
)
def test_only_an_address_becomes_an_argument_of_ping(address: str) -> None:
    for make in (
        lambda: probe.pings("probe", address, "the container on host-a"),
        lambda: probe.responds(address, "the gateway").facts(),
        lambda: Reachable(address),
    ):
        with pytest.raises(ParameterError, match="is not an IP address"):
            make()


def test_an_address_comes_after_the_end_of_options() -> None:
    (answer,) = probe.pings("probe", "192.0.2.1", "host-a").facts()
    assert answer.request().text.endswith("-W 2 -- 192.0.2.1")
    assert Reachable("2001:db8::1").request().text.endswith("-W 2 -- 2001:db8::1")


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ({"gateway": ""}, "no gateway is given for the bridge br102"),
        ({"gateway": "10.103.0.31"}, "10.103.0.31 is not in the subnet 10.102.0.0/24"),
        ({"gateway": "em2"}, "em2 is not in the subnet"),
        ({"address_range": "10.0.0.0/8"}, "10.0.0.0/8 is not in the subnet"),
        ({"address_range": "10.102.0.1/25"}, "'10.102.0.1/25' is not a subnet"),
        ({"subnet": ""}, "10.102.0.31 is not in the subnet (none)"),
    ],
)
def test_a_network_on_a_bridge_whose_addresses_do_not_fit_is_refused(
    arguments: dict[str, Any], why: str
) -> None:
    valid = {"subnet": "10.102.0.0/24", "bridge": "br102", "gateway": "10.102.0.31"}
    docker_network.present("vlan102", **valid)
    with pytest.raises(ParameterError, match="network vlan102") as refused:
        docker_network.present("vlan102", **{**valid, **arguments})
    assert why in refused.value.message


@pytest.mark.parametrize("foreign", ["192.168.7.0/24", "192.168.0.0/20", "fd07::/64", "em2", "10.0.0.1/8"])
def test_networks_whose_frames_addresses_cannot_distinguish_are_refused(foreign: str) -> None:
    with pytest.raises(ParameterError, match=r"frames\.separated on em1"):
        frames.separated("both", "em1", "192.168.0.0/20", foreign, "vlan-capture")
