"""Several runbooks in one command: their order, side by side, what is not begun, and Ctrl-C."""

from __future__ import annotations

import json
import os
import pty
import signal
from typing import TYPE_CHECKING

import pytest

from runbook_lib.execution.fleet.job_graph import plan_run
from runbook_lib.execution.fleet.request import RunRequest
from runbook_lib.model.status import Status
from tests.deadlines import deadline
from tests.execution.processes import kill, parent_of

if TYPE_CHECKING:
    from pathlib import Path

    from runbook_lib.model.records import RunRecord
    from tests.execution.fleet.project import Project

CHECK = 'book.step("Check", Awake(f"{p.place}/word", p.word))'


def names(records: list[RunRecord]) -> list[str]:
    return [record.runbook for record in records]


def overlap(first: RunRecord, second: RunRecord) -> bool:
    assert first.ended
    assert second.ended
    return first.started < second.ended and second.started < first.ended


def test_what_is_needed_and_not_named_is_told_and_not_added(project: Project) -> None:
    done = project.run("30_third", "10_first")
    assert "30_third: needs 20_second, which is not part of this run (--with-needs adds it)" in done.stdout
    assert names(project.records()) == ["10_first", "30_third"], "the order holds through what is not run"
    assert "[" not in done.stdout, "one after another: no prefix"


def test_a_run_that_only_checks_needs_no_other(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project.top)

    def missing(**options: str) -> list[str]:
        return [*plan_run(RunRequest(names=["30_third"], options=options)).missing_needs]

    assert missing() == missing(mode="plan") == ["20_second"]
    assert missing(mode="validate") == []


def test_a_notebook_with_another_name_than_its_runs_is_reported(project: Project) -> None:
    first = project.top / "notebooks" / "10_first.ipynb"
    copy = first.with_name("10_first-Copy1.ipynb")
    copy.write_bytes(first.read_bytes())
    done = project.run(str(copy), "--mode", "plan")
    assert done.returncode == 0, done.stderr
    assert "10_first-Copy1: its runs are recorded as 10_first, the name in its parameter model" in done.stdout
    assert "recorded as" not in project.run("10_first", "--mode", "plan").stdout


def test_with_needs_adds_all_that_is_needed(project: Project) -> None:
    assert project.run("20_second", "--with-needs").returncode == 0
    assert names(project.records()) == ["10_first", "20_second"]


def test_two_that_may_change_the_same_host_never_run_at_the_same_time(project: Project) -> None:
    done = project.run("10_first", "15_other", "-p", "seconds", "0.3", "--jobs", "3")
    assert done.returncode == 0, done.stderr
    first, second = project.records()
    assert not overlap(first, second)


@pytest.mark.parametrize(
    ("acts_on", "parallel"),
    [(("switch-1", "switch-2"), True), (("switch-1", None), True), (("switch-1", "switch-1"), False)],
)
def test_runs_that_act_on_different_things_from_one_machine_run_in_parallel(
    project: Project, monkeypatch: pytest.MonkeyPatch, acts_on: tuple[str | None, ...], *, parallel: bool
) -> None:
    monkeypatch.chdir(project.top)
    first, second = ({"connection": "local", **({"acts_on": name} if name else {})} for name in acts_on)
    project.hosts(first=first, second=second)
    cross = {"runbook": ["10_first"], "parameters": {"hosts": ["first", "second"]}}
    (project.top / "fleet.yml").write_text(json.dumps({"cross": cross}), encoding="utf-8")
    assert plan_run(RunRequest(matrix="fleet.yml")).has_parallel_jobs is parallel


def test_a_bad_parameter_of_any_runbook_is_told_before_anything_runs(project: Project) -> None:
    done = project.run("10_first", "20_second", "-p", "sceonds", "1")
    assert done.returncode == 2
    assert "unknown name 'sceonds' (did you mean 'seconds'?)" in done.stderr
    assert not project.runs.exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "name a runbook"),
        (("10_first", "--matrix", "fleet.yml"), "cannot be combined with NAME or --resume"),
        (("10_first", "--scheduler", "tcp://127.0.0.1:1"), "--scheduler requires --executor dask"),
        (("10_first", "--jobs", "0"), "0 is not in the range"),
        (("10_first", "--resume", "20260101"), "not a run directory, journal, notebook or run id"),
        (("10_frist",), "unknown runbook '10_frist'"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    project: Project, arguments: tuple[str, ...], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project.top)
    assert message in project.refused(*arguments)


def test_runbooks_that_need_each_other_are_refused(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project.top)
    path = project.top / "notebooks" / "10_first.ipynb"
    path.write_text(path.read_text().replace('"needs": []', '"needs": [\n    "30_third"\n   ]'))
    assert "runbooks need each other" in project.refused("10_first", "20_second")


@pytest.mark.parametrize("options", [(), ("--with-needs",)])
def test_a_need_that_does_not_exist_is_refused_with_the_notebook_that_names_it(
    project: Project, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...]
) -> None:
    monkeypatch.chdir(project.top)
    path = project.top / "notebooks" / "20_second.ipynb"
    path.write_text(path.read_text().replace("10_first", "10_frist"))
    message = project.refused("30_third", "15_other", *options)
    assert "20_second.ipynb, metadata.runbook.needs: unknown runbook '10_frist'" in message
    assert "did you mean 10_first?" in message


@pytest.mark.parametrize("jobs", ["1", "3"])
def test_what_needs_a_failed_one_is_not_begun_and_told_so(project: Project, jobs: str) -> None:
    project.write("10_first", CHECK)
    common = ("--on-failure", "continue", "--mode", "validate", "--jobs", jobs)
    done = project.run("10_first", "15_other", "20_second", "30_third", *common)
    assert done.returncode == 1
    assert sorted(names(project.records())) == ["10_first", "15_other"]
    assert done.stdout.count("not run: needs 10_first (failed)") == 2


def test_after_a_failure_nothing_more_is_begun_unless_told_otherwise(project: Project) -> None:
    project.write("10_first", CHECK)
    done = project.run("10_first", "15_other")
    assert done.returncode == 1
    assert names(project.records()) == ["10_first"]
    assert "15_other: not run: stopped after 10_first (failed)" in done.stdout


def test_one_ctrl_c_interrupts_all_runs_and_further_ones_lose_no_evidence(project: Project) -> None:
    common = ("--mode", "plan", "-p", "seconds", "60", "--jobs", "2")
    process = project.start("10_first", "15_other", "20_second", *common)
    project.wait_for("command_started", "sleep", number=4)
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=deadline(60))
    assert process.returncode == 4
    records = project.records()
    assert [(record.status, record.incomplete) for record in records] == [(Status.INTERRUPTED, "")] * 2, (
        output
    )
    assert "interrupting every run" in output
    assert overlap(*records), "what changes nothing and needs nothing of the other goes side by side"
    assert "[15_other]   ■ interrupted, 1 step" in output
    assert "not run: needs 10_first (interrupted)" in output


def test_a_killed_process_of_one_run_is_told_and_leaves_the_others_alone(
    project: Project, hold: Path
) -> None:
    project.write("10_first", 'book.facts("Look", Asleep(600.0))')
    project.write("15_other", f"book.facts('Look', Held({str(hold)!r}))")
    # A cold kernel: its parent is the process that carries its run out, and no fork server.
    process = project.start("10_first", "15_other", "--mode", "plan", "--jobs", "2", "--kernels", "cold")
    project.wait_for("command_started", str(hold), number=2)
    project.wait_for("command_started", "sleep 600", number=2)
    victim = next(e for e in project.wait_for("run_started", "10_first") if e["runbook"] == "10_first")
    kill(parent_of(victim["pid"]))
    project.wait_until_gone(victim["pid"])
    hold.unlink()
    output, _ = process.communicate(timeout=deadline(60))
    assert process.returncode == 4
    statuses = {record.runbook: record.status for record in project.records()}
    assert statuses == {"10_first": Status.UNKNOWN, "15_other": Status.OK}
    assert "the worker process was killed by SIGKILL" in output


def test_on_a_terminal_a_table_shows_each_run_step_and_host(project: Project) -> None:
    ours, theirs = pty.openpty()
    arguments = ("10_first", "15_other", "--mode", "plan", "-p", "seconds", "2", "--jobs", "2")
    process = project.programs.start(
        project.command("run", *arguments),
        cwd=project.top,
        env={**project.environment(), "TERM": "xterm", "COLUMNS": "140"},
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    output = b""
    while True:
        try:
            piece = os.read(ours, 65536)
        except OSError:
            break  # the other end is closed
        output += piece
    os.close(ours)
    assert process.wait(deadline(60)) == 0
    shown = output.decode()
    assert "1. Look" in shown
    assert "sleep 2.0" in shown
    assert "of 2 runs ended" in shown


def test_an_inventory_program_is_started_once_while_a_job_is_planned(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project.top)
    counter, program = project.place / "started", project.top / "hosts-program"
    printed = (
        '{"own": {"hosts": ["host-a"]}, "_meta": {"hostvars": {"host-a": {"ansible_connection": "local"}}}}'
    )
    program.write_text(f"#!/bin/sh\necho >> '{counter}'\necho '{printed}'\n", encoding="utf-8")
    program.chmod(0o755)
    (job,) = plan_run(RunRequest(names=["10_first"], pairs=[("inventory", str(program))])).jobs
    assert job.hosts == ["host-a"]
    assert counter.read_text(encoding="utf-8") == "\n"
