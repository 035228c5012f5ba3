from __future__ import annotations

import gc
import hashlib
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from runbook_lib.execution.warm_kernels.lifetime import KERNELS, fork_server
from runbook_lib.owned_directory import OwnedDirectory
from tests import deadlines, running_order
from tests.aftermath import AFTERMATH
from tests.child_pytest import WITHOUT_UNUSED_PLUGINS
from tests.fuzz.harness import PROFILE
from tests.ipython_kernel import kernel, started_kernel
from tests.programs import Programs
from tests.progress import Progress
from tests.run_evidence import what_runs_say

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from xdist.remote import Producer

__all__ = ["kernel", "started_kernel"]

# Until the tests are collected: walking what they are made of again and again takes a third of that time.
gc.disable()

# A shell starts background jobs with SIGINT ignored, and every program below would inherit that: Ctrl-C
# could not be tested there. Python resets a handler to the default in a program that it starts.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Tests change this machine as a host. Several test sessions at once must not wait for each other's locks.
_locks = OwnedDirectory("runbook-test-locks-")
os.environ["RUNBOOK_LOCK_FILE"] = f"{_locks.name}/host"

# Not in the processes that xdist starts for this session: they read the variable too, and need Hypothesis.
if "PYTEST_XDIST_WORKER" in os.environ or not any(
    argument.startswith(("-n", "--numprocesses")) for argument in sys.argv
):
    os.environ["PYTEST_ADDOPTS"] = f"{WITHOUT_UNUSED_PLUGINS} {os.environ.get('PYTEST_ADDOPTS', '')}"

# A busy machine must not fail a test: by default an example may take 0.2 s. The suite tries the same examples each
# time, so that it never fails by chance; `make fuzz` tries new ones.
settings.register_profile("tests", deadline=None, derandomize=True)
settings.register_profile(PROFILE, deadline=None, print_blob=True)
settings.load_profile("tests")

_REQUIRE = "RUNBOOK_REQUIRE"
_ALL = "all"
_RUNS_BELOW = pytest.StashKey[Path]()
"""The directory of the session's temporary files."""


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("tests of this project")
    group.addoption("--progress", action="store_true", help="a line each half minute in place of dots")
    group.addoption(
        "--fuzz", metavar="MINUTES", type=float, help="fuzz tests/fuzz for so long, with new examples"
    )
    group.addoption("--shuffle", metavar="SEED", help="modules and tests in a random order")


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("fuzz"):
        settings.load_profile(PROFILE)
        config.option.timeout = 60 * config.getoption("fuzz") + deadlines.TEST
    if config.getoption("timeout", None) is None:
        config.option.timeout = deadlines.deadline(deadlines.TEST)  # before pytest-timeout reads it


def pytest_sessionstart(session: pytest.Session) -> None:
    plugins = session.config.pluginmanager
    terminal = plugins.getplugin("terminalreporter")
    if session.config.getoption("progress") and terminal and not hasattr(session.config, "workerinput"):
        plugins.register(Progress(terminal))


def pytest_report_header(config: pytest.Config) -> str:
    seed = config.getoption("shuffle")
    return f"random order: repeat it with --shuffle {seed}" if seed else ""


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> running_order.Groups | None:
    return running_order.Groups(config, log) if config.getoption("dist") == "loadscope" else None


def pytest_unconfigure() -> None:
    AFTERMATH.close()


def pytest_collection_finish() -> None:
    """Keep the thousands of tests out of garbage collection, which would walk all of them again and again."""
    gc.collect()
    gc.freeze()
    gc.enable()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    running_order.arrange(items, config.getoption("shuffle"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """With RUNBOOK_REQUIRE=all a skip is a failure: this machine is meant to have every part.

    A failed test is shown with what its runs say.
    """
    report = yield
    directory = item.config.stash.get(_RUNS_BELOW, None)
    if report.failed and directory and (said := what_runs_say(directory, call.start)):
        report.sections.append(("runs of this test", said))
    if report.skipped and os.environ.get(_REQUIRE) == _ALL and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid}: skipped, and {_REQUIRE}={_ALL}: {report.longreprtext}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """As above, for a module that is skipped as a whole."""
    report = yield
    if report.skipped and os.environ.get(_REQUIRE) == _ALL:
        report.outcome = "failed"
        report.longrepr = f"{collector.nodeid}: skipped, and {_REQUIRE}={_ALL}: {report.longreprtext}"
    return report


@pytest.fixture(scope="session", autouse=True)
def place_of_runs(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> None:
    pytestconfig.stash[_RUNS_BELOW] = tmp_path_factory.getbasetemp()


@pytest.fixture(autouse=True)
def lock_file(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """Give each test a lock of its own: one that a killed run has left is not taken over by the next test's."""
    name = hashlib.sha256(request.node.nodeid.encode()).hexdigest()[:16]
    monkeypatch.setenv("RUNBOOK_LOCK_FILE", f"{_locks.name}/{name}")


@pytest.fixture
def programs() -> Iterator[Programs]:
    """Start programs that end with the test at the latest."""
    started = Programs()
    yield started
    started.end()


@pytest.fixture(scope="session", autouse=True)
def kernels() -> Iterator[None]:
    """With RUNBOOK_KERNELS=warm, fork every kernel that the tests start, those of plain papermill too."""
    if os.environ.get(KERNELS) != "warm":
        yield
        return
    with pytest.MonkeyPatch.context() as environment, fork_server("warm"):
        environment.setenv("JUPYTER_DEFAULT_PROVISIONER_NAME", "runbook-warm")
        yield
