"""The data model: which status is the worst, how a command is quoted, which exit code an error has."""

from __future__ import annotations

import os
import shlex
import subprocess
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runbook_lib import errors
from runbook_lib.model.commands import Command, DockerQuery, NetworkQuery
from runbook_lib.model.plans import Check
from runbook_lib.model.records import HostRecord, RunRecord, StepRecord
from runbook_lib.model.status import Mode, Status, worst

if TYPE_CHECKING:
    from collections.abc import Callable

NOW = datetime(2026, 11, 22, tzinfo=UTC)
STATUSES = st.lists(st.sampled_from(Status))


@pytest.mark.parametrize(
    ("statuses", "decides"),
    [
        ([], Status.UNKNOWN),
        ([Status.OK], Status.OK),
        ([Status.OK, Status.CHANGED], Status.CHANGED),
        ([Status.SKIPPED, Status.OK], Status.OK),
        ([Status.SKIPPED, Status.SKIPPED], Status.SKIPPED),
        ([Status.PLANNED, Status.SKIPPED], Status.PLANNED),
        ([Status.CHANGED, Status.FAILED, Status.OK], Status.FAILED),
        ([Status.FAILED, Status.UNREACHABLE], Status.UNREACHABLE),
        ([Status.UNREACHABLE, Status.INTERRUPTED], Status.INTERRUPTED),
        ([*Status], Status.UNKNOWN),
    ],
)
def test_the_worst_status_decides_and_skipped_only_if_all_are(
    statuses: list[Status], decides: Status
) -> None:
    assert worst(statuses) is decides


@given(STATUSES)
def test_nothing_bad_is_ever_outweighed(statuses: list[Status]) -> None:
    bad: list[Status] = [
        status for status in statuses if not status.is_success and status is not Status.SKIPPED
    ]
    assert worst(statuses) in (bad or [*statuses, Status.UNKNOWN])
    assert worst(statuses).is_success == (not bad and any(status.is_success for status in statuses))


@given(STATUSES)
def test_the_order_of_hosts_makes_no_difference(statuses: list[Status]) -> None:
    assert worst(statuses) is worst(statuses[::-1])


def test_only_three_outcomes_are_successes() -> None:
    assert {status for status in Status if status.is_success} == {Status.OK, Status.CHANGED, Status.PLANNED}


def test_records_start_as_unknown() -> None:
    assert HostRecord(host="a", address="a", kind="machine").status is Status.UNKNOWN
    assert StepRecord(number=1, title="t", started=NOW).status is Status.UNKNOWN
    assert RunRecord(run="r", runbook="b", mode=Mode.APPLY, started=NOW).status is Status.UNKNOWN


def test_times_without_a_zone_are_refused() -> None:
    with pytest.raises(ValueError, match="timezone"):
        StepRecord(number=1, title="t", started=NOW.replace(tzinfo=None))


@given(
    st.lists(st.text(alphabet=st.characters(exclude_characters="\0", exclude_categories=["Cs"])), min_size=1)
)
def test_a_commands_text_is_quoted_so_that_a_shell_reads_the_same_arguments(argv: list[str]) -> None:
    assert shlex.split(Command(tuple(argv)).text) == argv


@settings(max_examples=40)
@given(st.lists(st.binary().map(lambda data: data.replace(b"\0", b"")), min_size=1))
def test_a_commands_text_gives_a_shell_the_same_bytes(arguments: list[bytes]) -> None:
    text = Command(("printf", r"%s\0", *map(os.fsdecode, arguments))).text
    printed = subprocess.run(
        ["sh", "-c", text], env={"LC_ALL": "C"}, stdout=subprocess.PIPE, check=True
    ).stdout
    assert printed.split(b"\0")[:-1] == arguments


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Command(("cat", "a", "b\0c")), "argument 2 of `cat` has a NUL character"),
        (lambda: Command(("b\0c",)), "the program's name has a NUL character"),
        (lambda: Command(("cat", "b\ud800")), r"argument 1 of `cat` has U\+D800, half a character"),
        (lambda: Command(("cat",), stdin="caf\udce9"), "the standard input of `cat` has the byte 0xe9"),
        (lambda: Command(("cat",), stdin="\udfff"), r"the standard input of `cat` has U\+DFFF"),
        (lambda: DockerQuery("inspect_image", ("caf\udce9",)), "the query `inspect_image` cannot be made"),
        (lambda: DockerQuery("containers", (True, "a\0")), "an argument has a NUL character"),
        (lambda: NetworkQuery("http", 80, path="/caf\udce9"), "an argument has the byte 0xe9"),
    ],
)
def test_what_no_host_can_be_sent_is_refused_in_words(make: Callable[[], object], message: str) -> None:
    with pytest.raises(errors.ParameterError, match=message):
        make()


def test_a_docker_query_is_shown_like_a_command() -> None:
    assert DockerQuery("inspect_container", ("a b",)).text == "docker-api inspect_container 'a b'"


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (1, "1"),
        (True, "yes"),
        (False, "no"),
        (None, "none"),
        ((), "none"),
        (["http://a:5000", "http://b:5000"], "http://a:5000, http://b:5000"),
    ],
)
def test_a_check_holds_when_both_sides_are_equal_and_shows_them_in_words(value: object, words: str) -> None:
    assert Check.equal("x", value, value) == Check("x", words, words, holds=True)
    assert Check.equal("x", value, "other") == Check("x", words, "other", holds=False)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.ParameterError, 2),
        (errors.InventoryError, 2),
        (errors.SecretError, 2),
        (errors.RequirementError, 2),
        (errors.HostKeyError, 3),
        (errors.AuthenticationError, 3),
        (errors.UnreachableError, 3),
        (errors.FactUnavailable, 1),
        (errors.PlanRefused, 1),
        (errors.CommandFailed, 1),
        (errors.StepFailed, 1),
        (errors.LabError, 1),
        (errors.EvidenceError, 4),
        (errors.Interrupted, 4),
    ],
)
def test_each_error_ends_the_command_line_with_its_code(error: type[errors.RunbookError], code: int) -> None:
    assert error("tried").exit_code == code


def test_every_error_is_in_the_tree_that_the_module_draws() -> None:
    drawn = errors.__doc__ or ""
    for name in errors.__all__:
        assert f" {name}" in drawn
        assert issubclass(getattr(errors, name), errors.RunbookError)


def test_an_error_says_where_what_and_gives_a_hint() -> None:
    error = errors.RunbookError("it broke", where="host-a", hint="repair it")
    assert str(error) == "host-a: it broke\n  hint: repair it"
    assert str(errors.RunbookError("it broke")) == "it broke"
