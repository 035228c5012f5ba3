"""The hooks of a pytest session that was given runbooks.

The runbooks run before collection, since only a run shows which steps, hosts and checks there are: in this
process, or with pytest-xdist in its controller, which passes the records to the workers.
"""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import TypeAdapter

from runbook_lib.errors import InputError
from runbook_lib.model.status import BAD, SYMBOLS, Mode, Status
from runbook_lib.printing.visible_text import for_log
from runbook_lib.pytest_plugin.arguments import check_arguments
from runbook_lib.pytest_plugin.items import CaseItem, RunbookFile
from runbook_lib.pytest_plugin.notebook_run import NotebookRun
from runbook_lib.report.summary import first_line

if TYPE_CHECKING:
    from collections.abc import Generator

    from runbook_lib.execution.fleet.job import Job
    from runbook_lib.execution.fleet.request import RunRequest

__all__ = ["Plugin"]

_RUNS = TypeAdapter(list[NotebookRun])
_KEY = "runbooks"
_ALWAYS = -9  # quieter than pytest can be made
_SIGNING_KEY = "RUNBOOK_SIGNING_KEY"
_TESTINFRA = "pytest11.testinfra"
# pytest sets `setuponly` itself for --setup-plan, so the plan comes first.
_CALL_NOTHING = {"collectonly": "--collect-only", "setupplan": "--setup-plan", "setuponly": "--setup-only"}


class Plugin:
    """Runs the runbooks once, and has their steps, hosts and checks collected as tests.

    Args:
        config: pytest's; in a worker of pytest-xdist it contains the records already.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        received = getattr(config, "workerinput", {}).get(_KEY)
        self._runs: list[NotebookRun] | None = _RUNS.validate_json(received) if received is not None else None

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_setupnodes(self) -> None:
        """Run before pytest-xdist starts its workers."""
        self._run_once()

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:  # noqa: ANN401 - pytest-xdist's
        """Pass the records to a worker."""
        node.workerinput[_KEY] = _RUNS.dump_json(self._runs or []).decode()

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection(self) -> None:
        """Run the runbooks and have their notebooks collected; nothing else, unless the user gave paths."""
        self._run_once()
        config = self._config
        if config.args_source is not pytest.Config.ArgsSource.ARGS:
            config.args[:] = []
        given = {Path(argument.split("::")[0]).resolve() for argument in config.args}
        config.args += [str(path) for path in self._files() if path.resolve() not in given]

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_collect_file(
        self, file_path: Path, parent: pytest.Collector
    ) -> Generator[None, list[pytest.Collector], list[pytest.Collector]]:
        """Return a node for a notebook that was run, in place of those of other plugins.

        A plugin that executes notebooks, such as nbmake, would run it again, in its own mode: and change hosts.
        """
        others = yield
        runs = self._files().get(file_path) or self._files().get(file_path.resolve())
        return [RunbookFile.from_parent(parent, path=file_path, runs=runs)] if runs else others

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_collection_modifyitems(
        self, session: pytest.Session, config: pytest.Config, items: list[pytest.Item]
    ) -> Generator[None, None, None]:
        """Keep what must not be deselected: the failed ends of runs. Whatever was selected, no failed run is green.

        After a signal no other test of this session runs.
        """
        files = [
            RunbookFile.from_parent(session, path=path, runs=runs) for path, runs in self._files().items()
        ]
        failed_ends = {item.nodeid: item for file in files for item in file.failed_ends()}
        items[:] = [item for item in items if item.nodeid not in failed_ends]
        if any(run.interrupted for run in self._runs or ()):
            others = [item for item in items if not isinstance(item, CaseItem)]
            items[:] = [item for item in items if isinstance(item, CaseItem)]
            config.hook.pytest_deselected(items=others)
        yield
        # A step that failed has a case of its own; if that one is not selected, the end of its run fails in its place.
        selected = {item.nodeid for item in items}
        failed_ends = {item.nodeid: item for file in files for item in file.failed_ends(selected)}
        items[:] = [item for item in items if item.nodeid not in failed_ends]
        items += failed_ends.values()

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Leave no failed run with exit code 0 where no test is called that could fail, as with --collect-only."""
        unreported = self._reports_nothing and session.exitstatus == pytest.ExitCode.OK
        if unreported and any(run.status in BAD for run in self._runs or ()):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Report the duration of the step in the run, not that of reading its record."""
        report = yield
        if isinstance(item, CaseItem) and call.when == "call" and item.case.seconds is not None:
            report.duration = item.case.seconds
        return report

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print where the evidence is."""
        if not self._runs or hasattr(self._config, "workerinput"):
            return
        terminalreporter.section("runbooks")
        for run in self._runs:
            where = run.directory or first_line(run.problem)
            self._print(f"{SYMBOLS[run.status]} {run.notebook.stem}: {run.status}; {where}", _ALWAYS)

    @property
    def _reports_nothing(self) -> str:
        """The option with which pytest calls no test, so that none can fail; empty without one."""
        given = self._config.getoption
        return next((option for name, option in _CALL_NOTHING.items() if given(name, default=False)), "")

    def _files(self) -> dict[Path, list[NotebookRun]]:
        files: dict[Path, list[NotebookRun]] = {}
        for run in self._runs or ():
            files.setdefault(run.notebook.absolute(), []).append(run)
        return files

    def _run_once(self) -> None:
        """Check everything, then run.

        Raises:
            UsageError: An option, an argument or a runbook is wrong. No host was touched.
        """
        if self._runs is not None:
            return
        # A worker does not run notebooks, and what that takes is slow to import.
        runner = importlib.import_module("runbook_lib.pytest_plugin.runner")
        request = self._request()
        if self._reports_nothing and request.options["mode"] == Mode.APPLY:
            raise pytest.UsageError(
                f"{self._reports_nothing} runs the notebook to learn its steps, and mode apply would change hosts\n"
                "  hint: --runbook-mode plan or validate"
            )
        try:
            planned = runner.plan(request)
            check_arguments(self._config, planned.names_of_notebooks())
        except InputError as problem:
            raise pytest.UsageError(for_log(f"{problem}\n  no host was touched")) from problem
        for job in planned.graph.jobs:
            self._print(f"runbook {job.label}: {request.options['mode']} on {', '.join(job.hosts)}")
        self._runs = runner.run(planned, self._report)

    def _request(self) -> RunRequest:
        request = importlib.import_module("runbook_lib.execution.fleet.request")
        get = self._config.getoption
        # With testinfra installed, `--hosts` is its option.
        theirs = get("hosts", None) if self._config.pluginmanager.has_plugin(_TESTINFRA) else None
        options = {"mode": get("runbook_mode"), "hosts": get("runbook_hosts") or theirs}
        found: RunRequest = request.RunRequest(
            names=get("runbooks"),
            files=get("runbook_params"),
            pairs=[(name, value) for name, value in get("runbook_set")],
            options={name: value for name, value in options.items() if value is not None},
            sign_key=os.environ.get(_SIGNING_KEY),
        )
        return found

    def _report(self, job: Job, entry: dict[str, Any]) -> None:
        if entry["event"] == "host_ended" and self._config.get_verbosity() > 0:
            status = Status(entry["status"])
            self._print(f"  {job.label} step {entry['step']} {SYMBOLS[status]} {status} {entry['host']}")

    def _print(self, line: str, verbosity: int = 0) -> None:
        """Print a line unless pytest is quieter than `verbosity`; text of others passes the filter."""
        terminal = self._config.pluginmanager.get_plugin("terminalreporter")
        if terminal and self._config.get_verbosity() >= verbosity:
            terminal.write_line(for_log(line))
