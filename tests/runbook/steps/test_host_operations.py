"""A step's function makes an operation for each host; where it makes none, the step fails on that host alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from runbook_lib import Runbook
from runbook_lib.errors import ParameterError, StepFailed
from runbook_lib.model.status import Status
from runbook_lib.secrets import Secrets
from tests.runbook.practice import Does, Holds, assert_journal_agrees, hello, on_a, parameters, statuses

if TYPE_CHECKING:
    from pathlib import Path

    from runbook_lib.host_settings import Host

SECRET = "glass-harbour-92-lantern"  # noqa: S105 - a made-up one


def without_return(host: Host) -> Any:  # noqa: ANN401 - the mistake
    Does(("true", host.name))


def of_a_variable(host: Host) -> Does:
    return Does(("true", str(host["rack"])))


MISTAKES = {
    "no return": (without_return, "the step's function returned None, not an operation", "`return`"),
    "a list": (lambda _: [Does(("true",))], "a value of type list, not an operation", "a step of its own"),
    "a text": (lambda _: "true", "a value of type str, not an operation", "from a host to one"),
    "its own error": (lambda _: 1 // 0, "the step's function raised ZeroDivisionError: ", ""),
    "no variable": (of_a_variable, "has no variable 'rack'", ""),
    "a secret without a value": (
        lambda _: Does(("true",), stdin=Secrets().resolve("${env:RUNBOOK_TEST_NOT_SET}")),
        "has no value",
        "",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES.values(), ids=MISTAKES.keys())
def test_the_step_fails_on_the_host_whose_function_fails_and_is_carried_out_on_the_others(
    mistake: tuple[Any, str, str], tmp_path: Path
) -> None:
    function, why, hint = mistake
    book = Runbook.open(parameters(tmp_path, on_failure="continue"))
    step = book.step(
        "Greet",
        lambda host: function(host) if host.name == "host-a" else hello(tmp_path, host.name),
    )
    assert statuses(step) == ["failed", "changed"]
    assert why in on_a(step).message
    assert hint in on_a(step).message
    assert statuses(book.step("Next", Does(("true",)))) == ["skipped", "changed"]
    with pytest.raises(StepFailed):
        book.close()
    assert_journal_agrees(book)


def test_the_run_stops_at_a_failing_function_as_at_any_failure(tmp_path: Path) -> None:
    book = Runbook.open(parameters(tmp_path))
    with pytest.raises(
        StepFailed, match="step 1 'Nothing' is failed on host-a: the step's function returned None"
    ):
        book.step("Nothing", without_return)
    assert book.record.status is Status.FAILED
    assert_journal_agrees(book)


def test_a_transaction_rolls_back_the_host_whose_function_fails(tmp_path: Path) -> None:
    book = Runbook.open(parameters(tmp_path, on_failure="continue"))

    def in_the_rack(host: Host) -> Holds:
        return Holds(str(tmp_path / "b"), "b\n" if host.name == "host-b" else str(host["rack"]))

    with book.transaction("greet"):
        book.step("Greet", lambda host: hello(tmp_path, host.name))
        book.step("Rack", in_the_rack)
    assert not (tmp_path / "host-a").exists()
    assert (tmp_path / "host-b").exists()
    with pytest.raises(StepFailed):
        book.close()


def test_what_a_function_raises_is_recorded_without_secret_values(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUNBOOK_TEST_SECRET", SECRET)
    book = Runbook.open(parameters(tmp_path, on_failure="continue"))
    value = book.secret("${env:RUNBOOK_TEST_SECRET}")

    def raises(host: Host) -> Does:
        if host.name == "host-a":
            raise ValueError(f"cannot use {value}")
        return Does(("true",))

    step = book.step("Use it", raises)
    assert "ValueError: cannot use ${env:RUNBOOK_TEST_SECRET}" in on_a(step).message
    assert SECRET not in (book.directory / "journal.jsonl").read_text(encoding="utf-8")


@pytest.mark.parametrize("given", [None, [Does(("true",))], "true"], ids=["None", "list", "text"])
def test_what_is_neither_operation_nor_function_is_refused_before_any_host(
    given: Any,  # noqa: ANN401 - the mistake
    tmp_path: Path,
) -> None:
    book = Runbook.open(parameters(tmp_path))
    with pytest.raises(ParameterError, match="is not an operation"):
        book.step("Wrong", given)
    assert book.record.steps == []


@pytest.mark.parametrize("title", ["", " \t", None, 3])
def test_a_step_without_a_title_is_refused(title: Any, tmp_path: Path) -> None:  # noqa: ANN401 - the mistake
    book = Runbook.open(parameters(tmp_path))
    with pytest.raises(ParameterError, match="is not a title"):
        book.step(title, Does(("true",)))
    assert book.record.steps == []
