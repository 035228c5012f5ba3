"""Test files of testinfra on the hosts of an inventory, with evidence: `pytest --hosts=runbook://PATTERN`.

Each test on each host is a step of one run, and what the test asks its host is recorded there.
"""

from __future__ import annotations

import contextlib
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from testinfra.backend import BACKENDS

from runbook_lib.attestation.sealing import seal_run
from runbook_lib.errors import (
    EvidenceError,
    InputError,
    Interrupted,
    OperationError,
    RunbookError,
    StepFailed,
)
from runbook_lib.integrations.testinfra.backend import RecordedBackend
from runbook_lib.integrations.testinfra.exchange import Ended, Exchange
from runbook_lib.inventory import Inventory
from runbook_lib.masking import excerpt
from runbook_lib.parameters import Parameters
from runbook_lib.printing.visible_text import for_log
from runbook_lib.pytest_plugin.testinfra_step import PASSED, TestStep
from runbook_lib.runbook.runbook import Runbook

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from runbook_lib.model.commands import Command, Output

__all__ = ["InventoryBackend", "TestinfraRuns", "start"]

_TIMEOUT = 60.0  # seconds for one command of a test
_PLUGIN = "runbook-testinfra"  # also the key under which a worker of pytest-xdist sends how its session ended


class TestinfraParameters(Parameters):
    """The parameters of a run that a pytest session makes."""

    __test__ = False  # pytest would take it for a test by its name
    runbook: ClassVar[str] = "testinfra"
    title: ClassVar[str] = "Tests of testinfra"


class TestinfraRuns:
    """The hooks of a pytest session whose tests use the hosts of an inventory.

    Args:
        config: pytest's.
    """

    __test__ = False

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self.inventory_file = config.getoption("runbook_inventory")
        self._book: Runbook | None = None
        self._step: TestStep | None = None
        self._results: dict[str, str] = {}
        self._ends: list[str] = []  # of the runs: how they ended, and where the evidence is
        self._problems: list[str] = []  # the first of each process, by which its evidence is not complete
        self.hostnames: dict[str, None] = {}

    def select(self, pattern: str) -> list[str]:
        """Return the names of the hosts that a pattern selects.

        Raises:
            UsageError: The inventory is wrong, or has no such host.
        """
        try:
            names = [host.name for host in Inventory.load(self.inventory_file).select(pattern or "all")]
        except InputError as problem:
            raise pytest.UsageError(f"--hosts=runbook://{pattern}: {problem}") from problem
        self.hostnames |= dict.fromkeys(names)
        return names

    def ask(self, hostname: str, command: Command) -> Output:
        """Send a command to the host of the test that is running.

        Raises:
            OperationError: It could not be sent, or no test on this host is running.
        """
        __tracebackhide__ = True
        step = self._step
        if step is None or step.hostname != hostname:
            raise OperationError(
                f"{hostname}: `{excerpt(command.text, 200)}` is not sent: no test on this host is running",
                hint="ask hosts in tests and in their fixtures of scope function or module",
            )
        return step.exchange.ask(command)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        """Make a step of a test and of its fixtures."""
        callspec = getattr(item, "callspec", None)
        host = callspec.params.get("_testinfra_host") if callspec else None
        backend = getattr(host, "backend", None)
        if not isinstance(backend, InventoryBackend):
            return (yield)
        title = _without_host(item.nodeid, callspec.id, backend.get_pytest_id()) if callspec else item.nodeid
        self._step = step = TestStep(title, backend.hostname, Exchange(), self._results)
        self._results.clear()
        thread = ThreadPoolExecutor(1, thread_name_prefix=f"step of {item.nodeid}")
        carried_out = thread.submit(self._carry_out, step)
        finished = False
        try:
            result = yield
            finished = True
            return result
        finally:
            if (
                self._book and not finished
            ):  # Ctrl-C, or another end of pytest: the command on the host is terminated
                self._book.interrupt()
            self._step = None
            step.exchange.end(Ended())
            thread.shutdown()
            unexpected = carried_out.exception()  # a test that asks nothing would never learn of it
            if unexpected is not None:
                self._note(unexpected)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Note how each phase of a test ended."""
        report = yield
        if report.failed:
            crash = getattr(getattr(report.longrepr, "reprcrash", None), "message", "") or report.longreprtext
            self._results.setdefault("failed", f"{report.when}: {crash}")
        elif report.skipped:
            self._results.setdefault("skipped", report.longreprtext or "skipped")
        elif report.when == "call":
            self._results.setdefault(PASSED, PASSED)
        return report

    def receive(self, sent: Mapping[str, list[str]]) -> None:
        """Take over how the session of a worker of pytest-xdist ended: it has no terminal and no exit code.

        Args:
            sent: As `pytest_sessionfinish` leaves it there.
        """
        self._ends += sent["ends"]
        self._problems += sent["problems"]

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """End the run, and seal it. A session whose evidence is not complete is not green."""
        if self._book is not None:
            self._end(self._book)
        if self._problems and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
        output = getattr(self._config, "workeroutput", None)
        if output is not None:
            output[_PLUGIN] = {"ends": self._ends, "problems": self._problems}

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print where the evidence is, and why it is not complete."""
        if self._ends or self._problems:
            terminalreporter.section("testinfra on the inventory's hosts")
        for problem in self._problems:
            terminalreporter.write_line(for_log(f"the evidence is not complete: {problem}"), red=True)
        for end in self._ends:
            terminalreporter.write_line(for_log(end))

    def _end(self, book: Runbook) -> None:
        try:
            with contextlib.suppress(OperationError):  # its tests have reported every failure
                book.close()
            sealed = seal_run(book.directory)
        except (RunbookError, OSError) as problem:  # raised here, pytest would end with a traceback
            self._note(problem)
        else:
            if sealed is None:
                self._note(EvidenceError("not sealed: its end was not recorded", where=str(book.directory)))
        self._ends.append(f"{book.record.status}; evidence in {book.directory}")

    def _note(self, problem: BaseException) -> str:
        """Keep a problem for the end of the session unless there is one already; return its text."""
        text = str(problem) if isinstance(problem, RunbookError) else f"{type(problem).__name__}: {problem}"
        if not self._problems:
            self._problems.append(text)
        return text

    def _carry_out(self, step: TestStep) -> None:
        reason = "the step has ended"
        try:
            if self._book is None:
                self._book = self._open()
            record = self._book.step(step.title, step, hosts=step.hostname)
            reason = record.hosts[0].message or reason
        except StepFailed:
            reason = self._book.record.steps[-1].hosts[0].message if self._book else reason
        except (Interrupted, KeyboardInterrupt) as problem:
            reason = str(problem) or "interrupted"
        except RunbookError as problem:
            reason = self._note(problem)
        finally:
            step.exchange.close(f"nothing more is sent: {reason}")

    def _open(self) -> Runbook:
        given = {"inventory": self.inventory_file, "hosts": ",".join(self.hostnames)}
        return Runbook.open(TestinfraParameters(**given, mode="validate", on_failure="continue"))


class InventoryBackend(RecordedBackend):
    """A host of the inventory; testinfra makes one for each name that `get_hosts` returns."""

    session: ClassVar[TestinfraRuns | None] = None

    def __init__(self, hostname: str, sudo: bool = False, sudo_user: str | None = None, **_: Any) -> None:  # noqa: ANN401, FBT001, FBT002 - testinfra's own
        super().__init__(
            hostname,
            lambda command: _session().ask(hostname, command),
            _TIMEOUT,
            sudo=sudo,
            sudo_user=sudo_user,
        )

    @classmethod
    def get_hosts(cls, host: str, **_: Any) -> list[str]:  # noqa: ANN401 - as above
        """Return the names of the hosts that a pattern selects."""
        return _session().select(host)


def _without_host(nodeid: str, parameters: str, host: str) -> str:
    """Return a test's id without its host, which the step names anyway; the other parameters distinguish tests."""
    others = f"-{parameters}-".replace(f"-{host}-", "-", 1).strip("-")
    return nodeid.removesuffix(f"[{parameters}]") + (f"[{others}]" if others else "")


def _session() -> TestinfraRuns:
    session = InventoryBackend.session
    if session is None:
        raise OperationError("no pytest session with an inventory is running")
    return session


def start(config: pytest.Config) -> TestinfraRuns:
    """Register the hooks and the backend, once per session, and return the hooks."""
    runs: TestinfraRuns | None = config.pluginmanager.get_plugin(_PLUGIN)
    if runs is None:
        BACKENDS["runbook"] = f"{__name__}.{InventoryBackend.__name__}"
        InventoryBackend.session = runs = TestinfraRuns(config)
        config.pluginmanager.register(runs, _PLUGIN)
    return runs
