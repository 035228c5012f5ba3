"""How these tests are run: skips that are failures, a random order, progress, deadlines, and programs that end."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests import running_order
from tests.child_pytest import WITHOUT_UNUSED_PLUGINS
from tests.deadlines import FACTOR, deadline, wait_until
from tests.process_files import process_file
from tests.programs import Programs

pytest_plugins = ["pytester"]
TOP = Path(__file__).parents[1]
HOOKS = """
from tests.conftest import (
    pytest_addoption, pytest_collection_modifyitems, pytest_configure, pytest_make_collect_report,
    pytest_report_header, pytest_runtest_makereport, pytest_sessionstart, pytest_unconfigure,
    pytest_xdist_make_scheduler, place_of_runs,
)
"""


@pytest.fixture
def suite(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """Another test suite with the same hooks."""
    monkeypatch.setenv("PYTHONPATH", str(TOP))
    monkeypatch.setenv("PYTEST_ADDOPTS", WITHOUT_UNUSED_PLUGINS)  # pytester has removed the session's own
    for name in ("RUNBOOK_REQUIRE", "PYTEST_XDIST_WORKER"):
        monkeypatch.delenv(name, raising=False)
    pytester.makeconftest(HOOKS)
    pytester.makeini("[pytest]\nmarkers =\n  in_order: as it says\n  lab: as it says\n")
    return pytester


def run(suite: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    """Run it in a process of its own: its end would be the end of whatever this process has started."""
    return suite.runpytest_subprocess("-p", "no:cacheprovider", *arguments, timeout=deadline(60))


SKIPS = """
import pytest

@pytest.fixture
def missing():
    pytest.skip("not installed")

def test_by_a_fixture(missing): pass
def test_inside(): pytest.skip("not here")
@pytest.mark.skipif(True, reason="not root")
def test_by_a_mark(): pass
"""


def test_a_skip_is_a_failure_where_everything_is_required(
    suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    suite.makepyfile(test_skips=SKIPS)
    suite.makepyfile(test_module="import pytest\npytest.skip('all of it', allow_module_level=True)")
    run(suite).assert_outcomes(skipped=4)
    monkeypatch.setenv("RUNBOOK_REQUIRE", "all")
    done = run(suite, "--continue-on-collection-errors")
    done.assert_outcomes(failed=1, errors=3)
    done.stdout.fnmatch_lines(["*RUNBOOK_REQUIRE=all*not installed*"])


RUNS = """
import pytest
from runbook_lib import Runbook
from runbook_lib.errors import StepFailed
from tests.runbook.practice import Does, parameters

def test_that_fails(tmp_path):
    book = Runbook.open(parameters(tmp_path, hosts="host-a"))
    with pytest.raises(StepFailed):
        book.step("Ask", Does(("sh", "-c", "echo 'no such package' >&2; exit 100")))
    assert book.record.status == "changed"

def test_whose_run_is_good(tmp_path):
    book = Runbook.open(parameters(tmp_path, hosts="host-a"))
    book.step("Ask", Does(("echo", "all is well")))
    book.close()
    assert book.record.status == "failed"
"""


def test_a_failed_test_is_shown_with_what_its_runs_say(suite: pytest.Pytester) -> None:
    suite.makepyfile(test_runs=RUNS)
    done = run(suite)
    done.assert_outcomes(failed=2)
    first, second = done.stdout.str().split("runs of this test")[1:]
    assert re.search(
        r"step 1 'Ask' on host-a: failed: .*\n.*exit code 100, \d+\.\d s\n +\| no such package\n", first
    )
    assert "all is well" not in second
    assert re.search(r": changed\n", second)


WORKERS = """
import os, pathlib, time, pytest
@pytest.mark.parametrize("n", range(8))
def test(n):
    time.sleep(0.05)
    with open({file!r}, "a") as file: print(os.environ["PYTEST_XDIST_WORKER"], file=file)
"""


def test_modules_are_distributed_over_processes_as_the_running_order_says(suite: pytest.Pytester) -> None:
    """With whatever versions of pytest and pytest-xdist are installed."""
    numbers = {
        "model/test_quick": 4,
        "scenarios/test_chapter_killed": 2,
        "lab/test_lab": 8,
        "runbook/test_runbook": 8,
    }
    for module, number in numbers.items():
        path = suite.path / "tests" / f"{module}.py"
        path.parent.mkdir(parents=True)
        text = WORKERS.format(file=str(suite.path / path.stem)).replace("range(8)", f"range({number})")
        path.write_text(text.replace("0.05", "1" if number == 2 else "0.05"), encoding="utf-8")
    done = run(suite, "-n", "2", "--dist", "loadscope", "--no-loadscope-reorder")
    done.assert_outcomes(passed=sum(numbers.values()))
    used = {Path(module).name: (suite.path / Path(module).name).read_text().split() for module in numbers}
    assert len(set(used["test_lab"])) == 1, "a module stays in one process"
    assert set(used["test_runbook"]) == {"gw0", "gw1"}, "the tests of a module apart do not"
    assert sorted(used["test_chapter_killed"]) == ["gw0", "gw1"], "no long test waits behind another long one"


KILLED = """
import os, signal, subprocess, pytest
from tests.programs import Programs
@pytest.fixture(scope="session")
def program():
    programs = Programs()
    yield programs.start(["sleep", "600"])
    programs.end()
def test(program):
    open("pid", "w").write(str(program.pid))
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_process_of_the_tests_had_begun_is_ended_too(suite: pytest.Pytester) -> None:
    suite.makepyfile(test_killed=KILLED)
    done = run(suite)
    assert done.ret == -9
    pid = int((suite.path / "pid").read_text(encoding="utf-8"))
    wait_until(lambda: not Path(f"/proc/{pid}").exists() or is_zombie(pid), "the end of the program")


def test_the_modules_of_the_order_exist() -> None:
    """One that was renamed would lose its place, and nobody would see it."""
    named = (*running_order.LONG, *running_order.QUICK, *running_order.APART)
    assert [path for path in named if not (TOP / path).exists()] == []


ORDERS = "import pytest\n{mark}\n@pytest.mark.parametrize('n', range(12))\ndef test(n): pass\n"


def test_a_random_order_is_repeated_by_its_seed_and_leaves_a_chapter_as_it_is(suite: pytest.Pytester) -> None:
    suite.makepyfile(test_free=ORDERS.format(mark=""))
    suite.makepyfile(test_chapter=ORDERS.format(mark="pytestmark = pytest.mark.in_order"))

    def order(*arguments: str) -> list[str]:
        return [line for line in run(suite, "--collect-only", "-q", *arguments).outlines if "::" in line]

    usual, one = order(), order("--shuffle", "1")
    assert one == order("--shuffle", "1")
    assert one != usual
    assert sorted(one) == sorted(usual)
    chapter = [line for line in usual if "chapter" in line]
    assert [line for line in one if "chapter" in line] == chapter
    start = one.index(chapter[0])
    assert one[start : start + len(chapter)] == chapter, "a module's tests stay together"


def test_progress_names_each_failure_and_prints_no_dots(suite: pytest.Pytester) -> None:
    suite.makepyfile(test_some="def test_good(): pass\ndef test_bad(): assert False\n")
    style = ("-o", "console_output_style=classic")
    done = run(suite, "--progress", *style, "-n", "2", "--dist", "loadscope")
    done.assert_outcomes(passed=1, failed=1)
    done.stdout.re_match_lines([r" *0:\d\d FAILED test_some.py::test_bad"])
    done.stdout.re_match_lines([r" {7}assert False"])
    assert not {".", "F", ".F", "F."} & set(done.outlines)
    done.stdout.fnmatch_lines(["FAILED test_some.py::test_bad - assert False"])
    assert "%]" not in done.stdout.str()


def test_deadlines_stretch_with_the_factor_and_never_shrink_with_the_load(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(FACTOR, "1")
    once = deadline(10)
    monkeypatch.setenv(FACTOR, "3")
    assert 10 <= once <= 80
    assert deadline(10) >= 30


def test_waiting_in_vain_fails_and_says_for_what() -> None:
    with pytest.raises(AssertionError, match=r"^the moon did not come within \d+ s"):
        wait_until(lambda: None, "the moon", seconds=0.01)


def test_a_test_s_programs_end_with_their_children_and_nothing_else_does() -> None:
    other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    programs = Programs()
    try:
        shell = programs.start(["sh", "-c", "sleep 600 & echo $!; wait"])
        assert shell.stdout
        child = int(shell.stdout.readline())
        began = time.monotonic()
        programs.end()
        assert time.monotonic() - began < deadline(10)
        assert shell.returncode == -9
        wait_until(lambda: not Path(f"/proc/{child}").exists() or is_zombie(child), "the end of the child")
        assert other.poll() is None
        os.kill(other.pid, 0)
    finally:
        other.kill()
        other.wait()


def is_zombie(pid: int) -> bool:
    return process_file(pid, "stat").rpartition(")")[2].split()[:1] == ["Z"]


MAKEFILE = (TOP / "Makefile").read_text(encoding="utf-8")
MARKED = ("scenario vm " + re.findall(r"^MARKED := (.*)$", MAKEFILE, re.MULTILINE)[0]).split()


@pytest.mark.parametrize("marker", MARKED)
def test_a_target_of_the_makefile_runs_the_tests_with_a_marker_wherever_they_are(marker: str) -> None:
    (paths,) = re.findall(
        rf'pytest\b.* -m (?:{marker}|"{marker} and .*")(?:$| (.*)$)', MAKEFILE, re.MULTILINE
    )
    places = [path for path in paths.split() if path.startswith("tests/")]
    marked = [
        str(path.relative_to(TOP))
        for path in (TOP / "tests").rglob("test_*.py")
        if f"pytest.mark.{marker}\n" in re.sub(r"[\](),]", "\n", path.read_text(encoding="utf-8"))
    ]
    assert marked, f"no test has the marker {marker}"
    assert [path for path in marked if places and not path.startswith(tuple(places))] == []
