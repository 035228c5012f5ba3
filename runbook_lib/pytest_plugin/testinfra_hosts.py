"""Test files of testinfra on the hosts of an inventory, with evidence: `pytest --hosts=runbook://PATTERN`.

Each test on each host is a step of one run, and what the test asks its host is recorded there.
"""

from __future__ import annotations

import contextlib
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from testinfra.backend import BACKENDS

from runbook_lib.attestation.sealing import seal_run
from runbook_lib.errors import InputError, NotApplicable, OperationError, RunbookError, StepFailed
from runbook_lib.integrations.testinfra.backend import RecordedBackend
from runbook_lib.integrations.testinfra.exchange import SLICE, Ended, Exchange
from runbook_lib.integrations.testinfra.host_check import AskedCommand
from runbook_lib.inventory import Inventory
from runbook_lib.masking import excerpt
from runbook_lib.model.plans import Check
from runbook_lib.operations.base import Probe
from runbook_lib.parameters import Parameters
from runbook_lib.printing.visible_text import visible
from runbook_lib.runbook.runbook import Runbook

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from runbook_lib.facts.base import Fact, Facts
    from runbook_lib.model.commands import Command, Output

__all__ = ["InventoryBackend", "TestinfraRuns", "start"]

_TIMEOUT = 60.0  # seconds for one command of a test
_PASSED = "passed"
_LONGEST = 500  # characters of a failure in a check; pytest shows all of it


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
        self._step: _TestStep | None = None
        self._results: dict[str, str] = {}
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
        self._step = step = _TestStep(title, backend.hostname, Exchange(), self._results)
        self._results.clear()
        thread = threading.Thread(target=self._carry_out, args=(step,), name=f"step of {item.nodeid}")
        thread.start()
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
            thread.join()

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
            self._results.setdefault(_PASSED, _PASSED)
        return report

    def pytest_sessionfinish(self) -> None:
        """End the run, and seal it."""
        if self._book is None:
            return
        with contextlib.suppress(OperationError):  # its tests have reported every failure
            self._book.close()
        seal_run(self._book.directory)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print where the evidence is."""
        if self._book is not None:
            terminalreporter.section("testinfra on the inventory's hosts")
            record = self._book.record
            terminalreporter.write_line(visible(f"{record.status}; evidence in {self._book.directory}"))

    def _carry_out(self, step: _TestStep) -> None:
        reason = "the step has ended"
        try:
            if self._book is None:
                self._book = self._open()
            record = self._book.step(step.title, step, hosts=step.hostname)
            reason = record.hosts[0].message or reason
        except StepFailed:
            reason = self._book.record.steps[-1].hosts[0].message if self._book else reason
        except (RunbookError, KeyboardInterrupt) as problem:
            reason = str(problem) or "interrupted"
        finally:
            step.exchange.close(f"nothing more is sent: {reason}")

    def _open(self) -> Runbook:
        given = {"inventory": self.inventory_file, "hosts": ",".join(self.hostnames)}
        return Runbook.open(TestinfraParameters(**given, mode="validate", on_failure="continue"))


@dataclass(frozen=True, eq=False)
class _TestStep(Probe):
    """One test on one host: what it asks is read, until it has ended.

    Args:
        title: The test's id.
        hostname: The host.
        exchange: Between the test and this step.
        results: How the test's phases ended.
        answered: What the test has asked, and has had answers to.
    """

    title: str
    hostname: str
    exchange: Exchange
    results: dict[str, str]
    answered: list[Fact[Any]] = field(default_factory=list)

    def facts(self) -> Sequence[Fact[Any]]:
        """Return no facts: the test asks for them."""
        return ()

    def further_facts(self, facts: Facts) -> Sequence[Fact[Any]] | None:
        """Hand over the last answer, and return the command that the test asks for next."""
        for fact in list(facts)[len(self.answered) :]:
            self.answered.append(fact)
            self.exchange.answer(facts[fact].output)
        wanted = self.exchange.wait(SLICE)
        if wanted is None:
            return None
        return () if isinstance(wanted, Ended) else (AskedCommand(len(self.answered) + 1, wanted),)

    def verify(self, facts: Facts) -> list[Check]:  # noqa: ARG002 - the test has had them
        """Return one check: the test passed.

        Raises:
            NotApplicable: The test was skipped.
        """
        if "failed" not in self.results and "skipped" in self.results:
            raise NotApplicable(f"skipped: {excerpt(self.results['skipped'], _LONGEST)}")
        observed = (
            self.results.get("failed") or self.results.get(_PASSED) or "no result: the test was interrupted"
        )
        return [Check("the test", _PASSED, excerpt(observed, _LONGEST), observed == _PASSED, "test.result")]

    def describe(self) -> str:
        """Return the test's id."""
        return f"test({self.title})"


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


def start(config: pytest.Config) -> None:
    """Register the hooks and the backend, once per session."""
    if config.pluginmanager.has_plugin("runbook-testinfra"):
        return
    BACKENDS["runbook"] = f"{__name__}.{InventoryBackend.__name__}"
    InventoryBackend.session = runs = TestinfraRuns(config)
    config.pluginmanager.register(runs, "runbook-testinfra")
