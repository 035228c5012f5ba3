"""Steps, hosts and checks of real runs, reported by a pytest that a user starts."""

from __future__ import annotations

import json
import signal
import sys
from typing import TYPE_CHECKING

import pytest
from junitparser import JUnitXml, Skipped, TestCase

from benchmarks.ports import reserved_port
from runbook_lib.attestation.keys import generate
from runbook_lib.audit.verify.verdict import Word
from runbook_lib.audit.verify.verify import verify_run
from runbook_lib.model.status import Mode, Status
from tests.deadlines import deadline, wait_until

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

    from tests.connections import sshd
    from tests.programs import Programs
    from tests.pytest_plugin.practice import Project

pytest_plugins = ["pytester"]

LOOK = ("--runbooks", "notebooks/90_look.ipynb")
_DO = "book.step('Do', Does(('true',)))"


def look(project: Project) -> None:
    """Write a runbook of two steps that can be validated and one that cannot."""
    project.runbook("90_look", project.holds("First", "first"), project.holds("Second", "second"), _DO)


def cases(path: Path) -> dict[tuple[str, str], TestCase]:
    """Test cases of a JUnit file by the end of their class name and their name."""
    (suite,) = JUnitXml.fromfile(str(path))
    return {(case.classname.partition(".ipynb")[2].strip("."), case.name): case for case in suite}


def test_a_run_of_which_every_step_was_skipped_is_skipped_with_the_reason(project: Project) -> None:
    project.runbook("90_look", _DO)
    result = project.run(*LOOK, "-v", "-rs", "--runbook-hosts", "host-a")
    result.assert_outcomes(skipped=2)
    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines(
        [
            "notebooks/90_look.ipynb::the run ended SKIPPED (Every step was skipped: no checks to validate*",
            "» 90_look: skipped; *",
        ]
    )


def test_each_step_host_and_check_is_a_test_and_warnings_may_be_errors(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYTEST_ADDOPTS")  # once with all plugins that are installed
    look(project)
    project.write("host-b", "second", "wrong\n")
    result = project.run(*LOOK, "-v", "-W", "error", "--junitxml=junit.xml")
    result.assert_outcomes(passed=7, failed=2, skipped=2)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(
        [
            "notebooks/90_look.ipynb::step 1 First::host-a::status PASSED*",
            "notebooks/90_look.ipynb::step 1 First::host-a::content PASSED*",
            "notebooks/90_look.ipynb::step 2 Second::host-b::status FAILED*",
            "notebooks/90_look.ipynb::step 2 Second::host-b::content FAILED*",
            "notebooks/90_look.ipynb::step 3 Do::host-a::status SKIPPED (no checks to validate*",
            "notebooks/90_look.ipynb::the run ended PASSED*",
            "step 2 'Second' on host-b (host-b)",
            "✗ content: expected 'right\\n', observed 'wrong\\n'",
            "$ cat */host-b.second",
            "  | wrong",
            "  ?exit 0?",
            "evidence: */runs/*_10_practice_* (journal.jsonl, report.html)",
            "✗ 90_look: failed; */runs/*_10_practice_*",
            "FAILED notebooks/90_look.ipynb::step 2 Second::host-b::status - Failed: content:*",
        ]
    )
    output = result.stdout.str() + result.stderr.str()
    assert "Traceback" not in output
    assert "runbook_lib/" not in output
    (record,) = project.records()
    assert (record.mode, record.status) == (Mode.VALIDATE, Status.FAILED)
    junit = cases(project.place / "junit.xml")
    assert len(junit) == 11
    (failure,) = junit["step 2 Second.host-b", "content"].result
    assert failure.message.startswith("Failed: expected 'right\\n', observed 'wrong\\n'")
    (skipped,) = junit["step 3 Do.host-a", "status"].result
    assert isinstance(skipped, Skipped)
    lasted = record.steps[0].hosts[0]
    assert lasted.started
    assert lasted.ended
    seconds = (lasted.ended - lasted.started).total_seconds()
    # pytest adds its own few milliseconds, and more on a busy machine.
    assert seconds - 0.001 <= junit["step 1 First.host-a", "status"].time < seconds + deadline(5)


ODD_TITLES = ("Ping 192.168.8.0:", "a::b:::c", ":", "[x] y.z", "new\\nline / slash", "Write 192.168.8.0/24")


def test_each_id_that_is_printed_can_be_given_back(project: Project) -> None:
    project.runbook("90_look", *(project.holds(title, "first") for title in ODD_TITLES))
    result = project.run(*LOOK, "-v", "--hosts", "host-a")
    result.assert_outcomes(passed=13)
    printed = [line.rpartition(" PASSED")[0] for line in result.outlines if " PASSED" in line]
    assert len(set(printed)) == 13
    for part in ("step 1 Ping 192.168.8.0::host-a", "step 2 a: :b: : :c::host-a", "step 4 (x) y.z::host-a"):
        assert any(part in name for name in printed), part
    # Given back all at once: an id that pytest does not find ends it with an error.
    again = project.run(*LOOK, "--hosts", "host-a", "-v", *printed)
    again.assert_outcomes(passed=13)
    assert [line.rpartition(" PASSED")[0] for line in again.outlines if " PASSED" in line] == printed


def test_runs_are_sealed_as_by_runbook_run(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    public = generate(project.place / "operator")
    monkeypatch.setenv("RUNBOOK_SIGNING_KEY", str(project.place / "operator"))
    project.runbook("10_practice", project.holds("First", "first"))
    project.run("--runbooks", "10_practice", "-n", "1").assert_outcomes(passed=5)
    (run,) = (project.place / "runs").glob("*_10_practice_*")
    assert {"attestation.json", "report.html", "junit.xml"} <= {path.name for path in run.iterdir()}
    envelope = json.loads((run / "attestation.json").read_bytes())
    assert [signature["keyid"] for signature in envelope["signatures"]] == [public.keyid]
    verdict = verify_run(run, trust=project.place / "operator.pub", approved=project.place / "notebooks")
    assert verdict.verdict == Word.VERIFIED, verdict


def test_a_run_that_is_cut_off_is_not_sealed(project: Project) -> None:
    project.runbook("10_practice", project.holds("First", "first"), close="import sys; sys.exit(0)")
    project.run("--runbooks", "10_practice").assert_outcomes(passed=4, failed=1)
    (run,) = (project.place / "runs").glob("*_10_practice_*")
    assert not (run / "attestation.json").exists()


def test_a_run_whose_evidence_is_incomplete_fails_whatever_is_selected(project: Project) -> None:
    block = "import os; os.makedirs(book.directory / 'report.html' / 'in the way')"
    project.runbook("10_practice", project.holds("First", "first"), block)
    result = project.run("--runbooks", "10_practice", "-k", "host-a")
    result.assert_outcomes(passed=2, failed=1, deselected=2)
    result.stdout.fnmatch_lines_random(["FAILED *::the run ended - Failed: ok, but: *report.html: *"])


def test_workers_of_xdist_report_one_and_the_same_run(project: Project) -> None:
    look(project)
    project.write("host-b", "second", "wrong\n")
    result = project.run(*LOOK, "-n", "2", "-W", "error", "--junitxml=junit.xml")
    result.assert_outcomes(passed=7, failed=2, skipped=2)
    result.stdout.fnmatch_lines(
        ["FAILED notebooks/90_look.ipynb::step 2 Second::host-b::status - Failed: content:*"]
    )
    (record,) = project.records()
    assert len([command for step in record.steps for host in step.hosts for command in host.commands]) == 4
    assert len(cases(project.place / "junit.xml")) == 11


def test_k_and_x_select_what_is_reported_of_hosts_that_were_selected(project: Project) -> None:
    look(project)
    project.write("host-a", "first", "wrong\n")
    result = project.run(*LOOK, "--hosts", "host-a", "-x", "-k", "content")
    result.assert_outcomes(failed=1, deselected=4)
    result.stdout.fnmatch_lines(["*stopping after 1 failures*"])


@pytest.mark.parametrize(
    "selection",
    [
        ("-k", "First"),
        ("-k", "ended"),
        ("-k", "nothing"),
        ("-m", "nothing"),
        ("notebooks/90_look.ipynb::step 1 First",),
        ("--deselect", "notebooks/90_look.ipynb::step 2 Second"),
        ("-k", "First", "-n", "2"),
    ],
    ids=" ".join,
)
def test_a_failed_run_is_red_whatever_is_selected(project: Project, selection: tuple[str, ...]) -> None:
    look(project)
    project.write("host-a", "second", "wrong\n")
    result = project.run(*LOOK, "--hosts", "host-a", *selection)
    assert result.parseoutcomes()["failed"] == 1
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(
        [
            "failed: failed, but not among the selected tests:",
            "step 2 Second / host-a / status",
            "step 2 Second / host-a / content",
            "FAILED notebooks/90_look.ipynb::the run ended - Failed: failed: *",
        ]
    )


CALL_NOTHING = ("--collect-only", "--setup-only", "--setup-plan")


@pytest.mark.parametrize(
    "options", [*((option,) for option in CALL_NOTHING), ("--setup-plan", "-n", "1")], ids=" ".join
)
def test_a_failed_run_of_which_no_test_is_called_is_no_success(
    project: Project, options: tuple[str, ...]
) -> None:
    look(project)
    project.write("host-a", "second", "wrong\n")
    assert project.run(*LOOK, "-q", *options).ret == pytest.ExitCode.TESTS_FAILED


def test_what_failed_last_is_reported_again_and_so_is_the_failed_end_of_another(project: Project) -> None:
    look(project)
    other = project.runbook("95_other", project.holds("First", "first"))
    project.write("host-a", "second", "wrong\n")
    both = (*LOOK, "--runbooks", "95_other")
    project.remembering(*both).assert_outcomes(passed=12, failed=2, skipped=2)
    project.write("host-a", "second")
    project.runbook("95_other", project.holds("First", "first"), close="import sys; sys.exit(0)")
    result = project.remembering(*both, "--lf")
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines([f"FAILED notebooks/{other.name}::the run ended - Failed: unknown*"])
    assert len(project.records()) == 4


def test_an_id_from_the_summary_can_be_given(project: Project) -> None:
    look(project)
    project.run(*LOOK, "notebooks/90_look.ipynb::step 2 Second::host-b").assert_outcomes(passed=2)


def test_a_killed_kernel_fails_whatever_is_selected(project: Project) -> None:
    begun = project.place / "host-b.begun"
    # The command on host-a kills the kernel once that on host-b runs, which ends with the kernel.
    kills = f"until [ -e {begun} ]; do kill -0 $1 || exit; sleep 0.1; done; kill -9 $1"
    waits = f"touch {begun}; while kill -0 $1; do sleep 0.1; done"
    killed_meanwhile = (
        "import os\n"
        f"scripts = {{'host-a': {kills!r}, 'host-b': {waits!r}}}\n"
        "kernel = str(os.getpid())\n"
        "book.step('Sleep', lambda host: Does(('sh', '-c', scripts[host.name], 'sh', kernel)))"
    )
    project.runbook("90_look", project.holds("First", "first"), killed_meanwhile)
    result = project.run(*LOOK, "--runbook-mode", "apply", "-k", "host-a")
    result.assert_outcomes(passed=2, failed=2, deselected=3)
    result.stdout.fnmatch_lines_random(
        [
            "FAILED *::step 2 Sleep::host-a::status - Failed: unknown: no end of this step was recorded",
            "FAILED *::the run ended - Failed: unknown*",
            "*the journal has no end-of-run line*",
        ]
    )


def test_collecting_only_looks(project: Project) -> None:
    look(project)
    result = project.run(*LOOK, "--collect-only", "-q")
    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines(["notebooks/90_look.ipynb::step 1 First::host-a::content"])
    (record,) = project.records()
    assert record.mode is Mode.VALIDATE


@pytest.mark.parametrize("option", CALL_NOTHING)
def test_mode_apply_is_refused_where_no_test_is_called(project: Project, option: str) -> None:
    look(project)
    result = project.run(*LOOK, option, "--runbook-mode", "apply")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: {option} runs the notebook*"])
    assert not project.records()


def test_a_check_of_testinfra_that_fails_is_reported_with_expected_and_observed(project: Project) -> None:
    project.write("host-a", "first", "right\n")
    path = f"{project.place}/host-a.first"
    project.runbook(
        "90_look",
        f"book.check('The file is there', lambda host: host.file({path!r}).exists)",
        f"book.check('The file is right', lambda host: host.file({path!r}).content_string == 'other', hosts='host-a')",
    )
    result = project.run(*LOOK, "-v", "--junitxml=junit.xml")
    result.assert_outcomes(passed=5, failed=2)
    junit = cases(project.place / "junit.xml")
    failed = {name for name, case in junit.items() if case.result}
    assert {place for place, _ in failed} == {"step 2 The file is right.host-a"}
    (failure,) = junit["step 2 The file is right.host-a", "status"].result
    assert "The file is right" in failure.message
    (record,) = project.records()
    assert record.status is Status.FAILED


def test_apply_changes_once_and_what_builds_on_a_failure_is_not_run(project: Project) -> None:
    project.runbook("10_write", project.holds("Write", "new"))
    project.runbook("20_fail", "book.step('Fail', Does(('false',)))")
    project.runbook("30_after", project.holds("After", "after"))
    names = [word for name in ("10_write", "20_fail", "30_after") for word in ("--runbooks", name)]
    result = project.run(*names, "--runbook-mode", "apply")
    result.assert_outcomes(passed=6, failed=3)
    assert [record.status for record in project.records()] == [Status.CHANGED, Status.FAILED]
    assert (project.place / "host-a.new").read_text() == "right\n"
    assert not (project.place / "host-a.after").exists()
    result.stdout.fnmatch_lines_random(
        [
            "FAILED *20_fail.ipynb::step 1 Fail::host-a::status - Failed: host-a: `false` exited with 1",
            "FAILED *30_after.ipynb::the run ended - Failed: not run: stopped after 20_fail (failed)*",
        ]
    )


def test_a_notebook_may_be_run_twice_with_two_files_together_with_other_tests(project: Project) -> None:
    look(project)
    project.pytester.makepyfile(test_own="def test_own(): pass")
    for name in ("host-a", "host-b"):
        (project.place / f"{name}.yml").write_text(f"hosts: {name}\n", encoding="utf-8")
    twice = (*LOOK, *LOOK, "--params", "host-a.yml", "--params", "host-b.yml")
    result = project.run(*twice, "-v", "test_own.py")
    result.assert_outcomes(passed=11, skipped=2)
    result.stdout.fnmatch_lines(
        [
            "test_own.py::test_own PASSED*",
            "notebooks/90_look.ipynb::host-a::step 1 First::host-a::content PASSED*",
            "notebooks/90_look.ipynb::host-b::step 1 First::host-b::content PASSED*",
        ]
    )


def test_hosts_over_ssh_are_reported_and_one_that_cannot_be_reached_fails(
    project: Project, session_server: sshd.Server
) -> None:
    with reserved_port() as port:
        reachable = session_server.host().model_dump(mode="json", include=set(_SSH))
        gone = {**reachable, "port": port}
        project.inventory({"host-a": reachable, "host-b": gone})
        project.runbook("90_look", project.holds("First", "first"))
        result = project.run(*LOOK)
    result.assert_outcomes(passed=3, failed=1)
    result.stdout.fnmatch_lines(
        ["FAILED *::step 1 First::host-b::status - Failed: unreachable: host-b (127.0.0.1:*"]
    )


_SSH = ("address", "port", "identity_file", "known_hosts", "connect_timeout")


def test_a_signal_stops_the_run_and_everything_after_it_and_is_reported(
    project: Project, programs: Programs
) -> None:
    project.runbook("10_sleep", project.holds("First", "first"), "book.step('Sleep', Does(('sleep', '600')))")
    project.runbook("20_after", project.holds("After", "after"))
    project.pytester.makepyfile(test_own="def test_own(): raise SystemExit('never run')")
    command = ("--runbooks", "10_sleep", "--runbooks", "20_after", "--runbook-mode", "apply", "test_own.py")
    process = programs.start(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *command, "--junitxml=junit.xml"],
        cwd=project.place,
    )
    _wait_for(project, "sleep 600", process)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=deadline(60))
    assert process.returncode == pytest.ExitCode.TESTS_FAILED, output
    assert "never run" not in output
    (record,) = project.records()
    assert record.status is Status.INTERRUPTED
    assert "20_after.ipynb::the run ended - Failed: not run: interrupted" in output
    assert not (project.place / "host-a.after").exists()
    junit = cases(project.place / "junit.xml")
    (interrupted,) = junit["step 2 Sleep.host-a", "status"].result
    assert interrupted.message.startswith("Failed: interrupted")


def _wait_for(project: Project, text: str, process: subprocess.Popen[str]) -> None:
    def sent() -> bool:
        assert process.poll() is None, process.communicate()
        return any(text in path.read_text() for path in (project.place / "runs").glob("*/journal.jsonl"))

    wait_until(sent, f"the command {text!r}")


@pytest.mark.parametrize(("plugin", "option"), [("nbmake", "--nbmake"), ("nbval", "--nbval-lax")])
def test_no_other_plugin_runs_a_runbook_too(project: Project, plugin: str, option: str) -> None:
    touched = project.place / "touched"
    path = project.runbook(
        "90_look", project.holds("First", "first"), f"book.step('Do', Does(('touch', '{touched}')))"
    )
    scratch = json.loads(path.read_text(encoding="utf-8"))
    scratch["cells"] = [{**scratch["cells"][0], "metadata": {}, "source": "assert 1 + 1 == 2"}]
    (project.place / "scratch.ipynb").write_text(json.dumps(scratch), encoding="utf-8")
    result = project.run(*LOOK, "-p", plugin, option, "scratch.ipynb", "-v")
    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines(["*90_look.ipynb::the run ended PASSED*"])
    assert any("scratch" in line and "PASSED" in line for line in result.outlines)
    assert len(project.records()) == 1
    assert not touched.exists()
