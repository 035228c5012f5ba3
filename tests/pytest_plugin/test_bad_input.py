"""Bad input is a usage error before any host is touched; who asks for no runbook notices nothing."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import runbook_lib
from runbook_lib import pytest_plugin
from runbook_lib.errors import InputError
from runbook_lib.execution.fleet.request import RunRequest
from runbook_lib.pytest_plugin.runner import plan
from tests.deadlines import deadline
from tests.pytest_plugin.practice import TOP

if TYPE_CHECKING:
    from tests.pytest_plugin.practice import Project

pytest_plugins = ["pytester"]

NOTEBOOK = "notebooks/90_look.ipynb"
LOOK = ("--runbooks", NOTEBOOK)
_OWN = """
import sys

def test_nothing_of_ours_is_loaded():
    ours = {name for name in sys.modules if name.startswith("runbook_lib")}
    assert ours <= {"runbook_lib", "runbook_lib.pytest_plugin"}
    assert not {"papermill", "pydantic", "pandas", "yaml", "IPython"} & set(sys.modules)
"""
_OPTIONS = """
def pytest_addoption(parser):
    parser.addoption("--params")
    parser.addoption("--hosts")
"""


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"names": ["99_none"]}, "unknown runbook '99_none'"),
        ({"names": ["empty.ipynb"]}, "not a notebook"),
        ({"files": ["none.yml"]}, "none.yml: no such file"),
        ({"pairs": [("mod", "plan")]}, "unknown name 'mod' (did you mean 'mode'?)"),
        ({"pairs": [("mode", "apply")]}, "use --runbook-mode"),
        ({"options": {"mode": "validate", "hosts": "host-z"}}, "unknown host or group 'host-z'"),
        ({"names": [NOTEBOOK, NOTEBOOK]}, "is given twice"),
        ({"files": ["a.yml", "b.yml"]}, "2 parameters files for 1 runbooks"),
    ],
)
def test_bad_input_is_found_before_anything_runs(
    project: Project, monkeypatch: pytest.MonkeyPatch, given: dict[str, Any], message: str
) -> None:
    project.runbook("90_look", project.holds("First", "first"))
    (project.place / "empty.ipynb").write_text("{}", encoding="utf-8")
    monkeypatch.chdir(project.place)
    request = RunRequest(names=[NOTEBOOK], options={"mode": "validate"})
    with pytest.raises(InputError) as refused:
        plan(dataclasses.replace(request, **given))
    assert message in str(refused.value)


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["alone", "xdist"])
def test_bad_input_is_a_usage_error_and_no_host_is_touched(
    project: Project, workers: tuple[str, ...]
) -> None:
    project.runbook("90_look", project.holds("First", "first"))
    result = project.run(*LOOK, "--hosts", "host-z", *workers)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: *unknown host or group 'host-z'*", "*no host was touched"])
    assert "Traceback" not in result.stderr.str()
    assert not (project.place / "runs").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nosuch.py::test_own",), "nosuch.py: no such file or directory"),
        (("nosuch", "-n", "2"), "nosuch: no such file or directory"),
        ((f"{NOTEBOOK}::nosuch",), f"{NOTEBOOK}::nosuch: not the id of a runbook's test"),
    ],
)
def test_a_path_or_an_id_that_no_test_can_have_is_refused_before_the_runbook_runs(
    project: Project, arguments: tuple[str, ...], message: str
) -> None:
    project.runbook("90_look", project.holds("First", "first"))
    result = project.run(*LOOK, "--runbook-mode", "apply", *arguments)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: {message}", "*no host was touched"])
    assert not (project.place / "runs").exists()


def test_an_id_without_the_name_of_its_run_is_refused_where_a_notebook_has_several(project: Project) -> None:
    project.runbook("90_look", project.holds("First", "first"))
    for name in ("a", "b"):
        (project.place / f"{name}.yml").write_text("hosts: host-a\n", encoding="utf-8")
    twice = (*LOOK, *LOOK, "--params", "a.yml", "--params", "b.yml")
    result = project.run(*twice, f"{NOTEBOOK}::step 1 First")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*hint: ids continue with 'a::step 1 *' or 'a::the run ended'"])
    assert not (project.place / "runs").exists()
    result = project.run(*twice, f"{NOTEBOOK}::b::step 1 First", f"{NOTEBOOK}::a::the run ended")
    result.assert_outcomes(passed=3)


def test_paths_are_those_from_where_pytest_was_started_and_modules_with_pyargs(project: Project) -> None:
    project.runbook("90_look", project.holds("First", "first"))
    project.pytester.makepyfile(
        test_own="import pytest\n\n@pytest.mark.parametrize('n', ['::'])\ndef test(n): pass"
    )
    ends = ("--runbook-hosts", "host-a", f"{NOTEBOOK}::the run ended")
    project.run(*LOOK, *ends, "test_own.py::test[::]").assert_outcomes(passed=2)
    project.run(*LOOK, *ends, "--pyargs", "test_own").assert_outcomes(passed=2)


@pytest.mark.parametrize(
    "options",
    [("--runbook-mode", "validate"), ("--runbook-params=params/own.yml",), ("--runbook-set", "hosts", "all")],
)
def test_options_for_runbooks_without_a_runbook_are_a_usage_error(
    project: Project, options: tuple[str, ...]
) -> None:
    project.pytester.makepyfile(test_own="def test_own(): pass")
    result = project.run(*options)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    name = options[0].partition("=")[0]
    result.stderr.fnmatch_lines([f"ERROR: {name} was given, but no runbook", "*hint: --runbooks NOTEBOOK*"])


def test_an_option_for_runbooks_in_a_configuration_file_is_for_the_sessions_that_name_one(
    project: Project,
) -> None:
    project.pytester.makeini("[pytest]\naddopts = --runbook-mode plan")
    project.pytester.makepyfile(test_own="def test_own(): pass")
    project.run().assert_outcomes(passed=1)


def test_a_signing_key_that_cannot_be_used_is_a_usage_error(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUNBOOK_SIGNING_KEY", str(project.place / "nowhere"))
    project.runbook("90_look", project.holds("First", "first"))
    result = project.run(*LOOK)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: the signing key: *", "*no host was touched"])
    assert not (project.place / "runs").exists()


def test_the_plugin_is_installed_for_pytest() -> None:
    (found,) = importlib.metadata.entry_points(group="pytest11", name="runbook")
    assert found.load() is pytest_plugin


def test_pytest_does_not_warn_where_the_library_was_imported_before_it(project: Project) -> None:
    """Pytest looks at the files that an installed plugin's package lists: as a wheel's are."""
    place = project.place / "installed"
    for path in (Path(runbook_lib.__file__), Path(pytest_plugin.__file__)):
        target = place / path.relative_to(TOP)
        target.parent.mkdir(parents=True)
        target.write_bytes(path.read_bytes())
    listed = place / "runbook_lib-0.1.0.dist-info"
    listed.mkdir()
    (listed / "METADATA").write_text("Metadata-Version: 2.1\nName: runbook-lib\nVersion: 0.1.0\n")
    (listed / "entry_points.txt").write_text("[pytest11]\nrunbook = runbook_lib.pytest_plugin\n")
    (listed / "RECORD").write_text("runbook_lib/__init__.py,,\nrunbook_lib/pytest_plugin/__init__.py,,\n")
    project.pytester.makepyfile(test_own="def test_own(): pass")
    start = (
        "import sys, runbook_lib, pytest; assert 'installed' in runbook_lib.__file__; "
        "sys.exit(pytest.main(['-Werror']))"
    )
    result = subprocess.run(
        [sys.executable, "-c", start],
        cwd=project.place,
        env={**os.environ, "PYTHONPATH": str(place)},
        capture_output=True,
        text=True,
        timeout=deadline(60),
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["alone", "xdist"])
def test_without_runbooks_nothing_is_loaded_and_no_option_is_taken(
    project: Project, workers: tuple[str, ...]
) -> None:
    project.pytester.makeconftest(_OPTIONS)
    project.pytester.makepyfile(_OWN)
    result = project.run("-W", "error", "--params", "theirs", "--hosts", "theirs", *workers)
    result.assert_outcomes(passed=1)


def test_short_names_that_a_conftest_has_stay_its_own(project: Project) -> None:
    project.pytester.makeconftest(_OPTIONS)
    result = project.run(*LOOK, "--runbook-hosts", "host-a", "--hosts", "theirs", "--help")
    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines(["*--runbook-hosts=PATTERN*", "*--hosts=HOSTS*"])


def test_help_and_fixtures_run_no_runbook(project: Project) -> None:
    project.runbook("90_look", project.holds("First", "first"))
    result = project.run(*LOOK, "--help")
    result.stdout.fnmatch_lines(["*--runbooks=RUNBOOK*", "*--params=FILE*"])
    assert project.run(*LOOK, "--fixtures").ret == pytest.ExitCode.OK
    assert not (project.place / "runs").exists()
