"""Names as a person types them: in full, as a prefix, or with a mistake."""

from __future__ import annotations

import pytest

from runbook_lib.errors import InputError, InventoryError
from runbook_lib.known_names import complete_name, did_you_mean, unknown_name

RUNBOOKS = ["10_kernel_upgrade", "20_docker_install", "30_bridge_br0", "90_validate", "91_drill"]
HOSTS = ["host-a", "host-b", "cloud", "host"]


@pytest.mark.parametrize(
    ("name", "known", "full"),
    [
        ("20_docker_install", RUNBOOKS, "20_docker_install"),
        ("20", RUNBOOKS, "20_docker_install"),
        ("90_v", RUNBOOKS, "90_validate"),
        ("c", HOSTS, "cloud"),
        ("host", HOSTS, "host"),  # a full name wins over those that begin so
    ],
)
def test_a_full_name_or_a_prefix_of_one_stands_for_it(name: str, known: list[str], full: str) -> None:
    assert complete_name(name, known, kind="runbook") == full


@pytest.mark.parametrize(
    ("name", "known", "message", "hint"),
    [
        ("9", RUNBOOKS, "2 runbooks begin with '9'", "type more of the name, one of: 90_validate, 91_drill"),
        (
            "30_brigde",
            RUNBOOKS,
            "unknown runbook '30_brigde'",
            "did you mean 30_bridge_br0? known runbooks: 10_",
        ),
        ("", RUNBOOKS, "unknown runbook ''", "known runbooks: 10_"),
        ("zzz", RUNBOOKS, "unknown runbook 'zzz'", "known runbooks: 10_"),
        ("x", [], "unknown runbook 'x'", "known runbooks: none"),
    ],
)
def test_another_name_is_refused_with_what_was_meant(
    name: str, known: list[str], message: str, hint: str
) -> None:
    with pytest.raises(InputError) as caught:
        complete_name(name, known, kind="runbook", where="NAME")
    assert caught.value.message == message
    assert (caught.value.hint or "").startswith(hint) or hint in (caught.value.hint or "")
    assert caught.value.where == "NAME"


def test_many_names_with_one_prefix_are_not_all_listed() -> None:
    with pytest.raises(InputError) as caught:
        complete_name("web-", [f"web-{number}" for number in range(100)], kind="host", error=InventoryError)
    assert isinstance(caught.value, InventoryError)
    assert (caught.value.hint or "").endswith("web-5 and 94 more")


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("docker", "20_docker_install"),
        ("dokcer", "20_docker_install"),
        ("brigde", "30_bridge_br0"),
        ("20_DOCKER_install", "20_docker_install"),
        ("dril", "91_drill"),
        ("br", "30_bridge_br0"),
        ("zzz", ""),
    ],
)
def test_the_closest_name_is_suggested(typed: str, meant: str) -> None:
    assert did_you_mean(typed, RUNBOOKS) == (f"did you mean {meant}? " if meant else "")
    assert (meant or "known") in str(unknown_name(typed, RUNBOOKS, kind="runbook"))
