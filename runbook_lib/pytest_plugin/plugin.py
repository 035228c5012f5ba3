"""The hooks of a pytest run that was given runbooks.

They are run before collection, since only a run tells which steps, hosts and checks there are: in this
process, or with pytest-xdist in its controller, which hands the records to the workers.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import TypeAdapter

from runbook_lib.errors import InputError
from runbook_lib.model.status import SYMBOLS, Status
from runbook_lib.pytest_plugin.items import CaseItem, RunbookFile
from runbook_lib.pytest_plugin.notebook_run import Ran

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from runbook_lib.pytest_plugin.runner import Wanted

__all__ = ["Plugin"]

_TRAVEL = TypeAdapter(list[Ran])
_KEY = "runbooks"


class Plugin:
    """Run once, then tell.

    Args:
        config: pytest's; a worker of pytest-xdist has the records in it already.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        told = getattr(config, "workerinput", {}).get(_KEY)
        self._made: list[Ran] | None = _TRAVEL.validate_json(told) if told is not None else None

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_setupnodes(self) -> None:
        """Run before pytest-xdist starts its workers."""
        self._run_once()

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:  # noqa: ANN401 - pytest-xdist's
        """Hand the records to a worker."""
        node.workerinput[_KEY] = _TRAVEL.dump_json(self._made or []).decode()

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection(self) -> None:
        """Run, and have the notebooks collected; without paths of the user's own, nothing else."""
        self._run_once()
        config = self._config
        if config.args_source is not pytest.Config.ArgsSource.ARGS:
            config.args[:] = []
        there = {Path(argument.split("::")[0]).resolve() for argument in config.args}
        config.args += [str(path) for path in self._files() if path.resolve() not in there]

    def pytest_collect_file(self, file_path: Path, parent: pytest.Collector) -> RunbookFile | None:
        """Make a node of a notebook that was run."""
        made = self._files().get(file_path) or self._files().get(file_path.resolve())
        return RunbookFile.from_parent(parent, path=file_path, made=made) if made else None

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_collection_modifyitems(
        self, session: pytest.Session, config: pytest.Config, items: list[pytest.Item]
    ) -> Generator[None, None, None]:
        """Keep what nobody may choose away: the end of a run that did not come to it.

        After a signal nothing else of this pytest is run.
        """
        broken = {
            item.nodeid: item
            for path, made in self._files().items()
            for item in RunbookFile.from_parent(session, path=path, made=made).broken_ends()
        }
        items[:] = [item for item in items if item.nodeid not in broken]
        if any(ran.stopped for ran in self._made or ()):
            others = [item for item in items if not isinstance(item, CaseItem)]
            items[:] = [item for item in items if isinstance(item, CaseItem)]
            config.hook.pytest_deselected(items=others)
        yield
        items += broken.values()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Tell how long the step took in the run: telling it takes no time."""
        report = yield
        if isinstance(item, CaseItem) and call.when == "call" and item.case.seconds is not None:
            report.duration = item.case.seconds
        return report

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say where the evidence is."""
        if not self._made or hasattr(self._config, "workerinput"):
            return
        terminalreporter.section("runbooks")
        for ran in self._made:
            status = ran.record.status if ran.record else Status.UNKNOWN
            where = ran.directory or ran.problem.partition("\n")[0]
            terminalreporter.write_line(f"{SYMBOLS[status]} {ran.notebook.stem}: {status}; {where}")

    def _files(self) -> dict[Path, list[Ran]]:
        files: dict[Path, list[Ran]] = {}
        for ran in self._made or ():
            files.setdefault(ran.notebook.absolute(), []).append(ran)
        return files

    def _run_once(self) -> None:
        """Check everything, then run.

        Raises:
            UsageError: Anything is wrong with what was given. No host was touched.
        """
        if self._made is not None:
            return
        get = self._config.getoption
        # A worker has no use for what it takes to run a notebook, and it takes long to load.
        runs = importlib.import_module("runbook_lib.pytest_plugin.runner")
        request = runs.Request(
            names=get("runbooks"),
            files=get("runbook_params"),
            pairs=[(name, value) for name, value in get("runbook_set")],
            mode=get("runbook_mode"),
            hosts=get("runbook_hosts"),
        )
        if get("collectonly") and request.mode == "apply":
            raise pytest.UsageError(
                "--collect-only runs the notebook to learn its steps, and mode apply would change hosts\n"
                "  hint: --runbook-mode plan or validate"
            )
        try:
            wanted = runs.check(request)
        except InputError as problem:
            raise pytest.UsageError(f"{problem}\n  no host was touched") from problem
        self._say_what(wanted)
        self._made = runs.run(wanted, self._tell)

    def _say_what(self, wanted: Sequence[Wanted]) -> None:
        for one in wanted:
            self._say(f"runbook {one.entry.name}: {one.parameters.mode} on {one.parameters.hosts}")

    def _tell(self, one: Wanted, entry: dict[str, Any]) -> None:
        if entry["event"] == "host_ended" and self._config.get_verbosity() > 0:
            status = Status(entry["status"])
            self._say(f"  {one.entry.name} step {entry['step']} {SYMBOLS[status]} {status} {entry['host']}")

    def _say(self, line: str) -> None:
        terminal = self._config.pluginmanager.get_plugin("terminalreporter")
        if terminal and self._config.get_verbosity() >= 0:
            terminal.write_line(line)
