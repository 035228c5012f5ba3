"""pytest's nodes: a runbook's file, in it steps and hosts, and as items the cases."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import pytest

from runbook_lib.pytest_plugin.cases import Case, cases, end, end_with_others_failed

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator, Sequence
    from pathlib import Path

    from runbook_lib.pytest_plugin.notebook_run import NotebookRun

__all__ = ["CaseItem", "RunbookFile"]

_RERUN = "This is a rerun of the test, not of the runbook. To run the runbook again, start pytest again."


class CaseItem(pytest.Item):
    """One case as a test. It reports what the run recorded, and touches no host."""

    def __init__(self, *, case: Case, **options: Any) -> None:  # noqa: ANN401 - pytest's own
        super().__init__(**options)
        self.case = case
        if case.result == "skipped":
            self.add_marker(pytest.mark.skip(reason=case.text))

    def runtest(self) -> None:
        """Pass, or fail with the case's text and without a traceback."""
        again = getattr(self, "execution_count", 1) > 1  # set by pytest-rerunfailures
        if self.case.result == "failed":
            pytest.fail(f"{self.case.text}\n{_RERUN}" if again else self.case.text, pytrace=False)

    def reportinfo(self) -> tuple[Path, int, str]:
        """Return where the case comes from: the notebook.

        pytest -v prints the end of an id with `::` for each dot if it equals the last value: then nobody can give the
        id back that has an address in it. So the names are joined in another way than in the id.
        """
        return self.path, 0, " / ".join(self.case.path)


class Group(pytest.Collector):
    """Cases whose paths have the same beginning: a step, or a host of it."""

    def __init__(self, *, members: Sequence[Case], depth: int, **options: Any) -> None:  # noqa: ANN401 - as above
        super().__init__(**options)
        self._members = members
        self._depth = depth

    def collect(self) -> Iterable[pytest.Item | pytest.Collector]:
        """Return the hosts of a step, or the cases of a host."""
        return _children(self, self._members, self._depth)


class RunCollector(pytest.Collector):
    """One of several runs of the same notebook, by the name of its parameters."""

    def __init__(self, *, run: NotebookRun, **options: Any) -> None:  # noqa: ANN401 - as above
        super().__init__(**options)
        self._run = run

    def collect(self) -> Iterable[pytest.Item | pytest.Collector]:
        """Return the run's steps and its end."""
        return _children(self, list(cases(self._run)), 0)


class RunbookFile(pytest.File):
    """A runbook's notebook and the runs made of it."""

    def __init__(self, *, runs: Sequence[NotebookRun], **options: Any) -> None:  # noqa: ANN401 - as above
        super().__init__(**options)
        self._runs = runs

    def collect(self) -> Iterable[pytest.Item | pytest.Collector]:
        """Return the only run's steps and its end, or one node per run."""
        if len(self._runs) == 1:
            return _children(self, list(cases(self._runs[0])), 0)
        return [RunCollector.from_parent(self, name=run.name, run=run) for run in self._runs]

    def failed_ends(self, reported: Container[str] | None = None) -> Iterator[CaseItem]:
        """Yield the items that are reported whatever was selected: the ends of runs that failed.

        Args:
            reported: Ids of the selected items: the end of a run fails too if one of its failed cases is not among
                them. None: these do not count.
        """
        for run in self._runs:
            only = len(self._runs) == 1
            parent = self if only else RunCollector.from_parent(self, name=run.name, run=run)
            case = end(run)
            if case.result != "failed" and reported is not None:
                failed = [item for item in _items(parent) if item.case.result == "failed"]
                others = [item.case for item in failed if item.nodeid not in reported]
                case = end_with_others_failed(run, others) if others else case
            if case.result == "failed":
                yield CaseItem.from_parent(parent, name=case.path[-1], case=case)


def _items(parent: pytest.Collector) -> Iterator[CaseItem]:
    for node in parent.collect():
        if isinstance(node, CaseItem):
            yield node
        elif isinstance(node, pytest.Collector):
            yield from _items(node)


def _children(
    parent: pytest.Collector, members: Sequence[Case], depth: int
) -> Iterator[pytest.Item | pytest.Collector]:
    for name, group in itertools.groupby(members, key=lambda case: case.path[depth]):
        grouped = list(group)
        if len(grouped[0].path) == depth + 1:
            yield CaseItem.from_parent(parent, name=name, case=grouped[0])
        else:
            yield Group.from_parent(parent, name=name, members=grouped, depth=depth + 1)
