"""pytest's nodes: a runbook's file, below it steps and hosts, and as items the cases."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import pytest

from runbook_lib.pytest_plugin.cases import Case, cases, end

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from runbook_lib.pytest_plugin.notebook_run import Ran

__all__ = ["CaseItem", "RunbookFile"]

_RERUN = "This is a rerun: it tells the same record again. To run the runbook again, start pytest again."


class CaseItem(pytest.Item):
    """One case as a test. Running it touches no host: what it tells is over."""

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
        """Say where the case comes from: the notebook."""
        return self.path, 0, "::".join(self.case.path)


class Group(pytest.Collector):
    """Cases whose paths begin alike: a step, or a host of it."""

    def __init__(self, *, told: Sequence[Case], depth: int, **options: Any) -> None:  # noqa: ANN401 - as above
        super().__init__(**options)
        self._told = told
        self._depth = depth

    def collect(self) -> Iterable[pytest.Item | pytest.Collector]:
        """Return what is below."""
        return _below(self, self._told, self._depth)


class RunOf(pytest.Collector):
    """One of several runs of the same notebook, by the name of its parameters."""

    def __init__(self, *, ran: Ran, **options: Any) -> None:  # noqa: ANN401 - as above
        super().__init__(**options)
        self._ran = ran

    def collect(self) -> Iterable[pytest.Item | pytest.Collector]:
        """Return the run's steps and its end."""
        return _below(self, list(cases(self._ran)), 0)


class RunbookFile(pytest.File):
    """A runbook's notebook and the runs made of it."""

    def __init__(self, *, made: Sequence[Ran], **options: Any) -> None:  # noqa: ANN401 - as above
        super().__init__(**options)
        self._made = made

    def collect(self) -> Iterable[pytest.Item | pytest.Collector]:
        """Return the only run's steps and its end, or one node a run."""
        if len(self._made) == 1:
            return _below(self, list(cases(self._made[0])), 0)
        return [RunOf.from_parent(self, name=ran.name, ran=ran) for ran in self._made]

    def broken_ends(self) -> Iterator[CaseItem]:
        """Yield the items that must be seen whatever was chosen: of runs that did not come to their end."""
        for ran in self._made:
            case = end(ran)
            if case.result == "failed":
                alone = len(self._made) == 1
                parent = self if alone else RunOf.from_parent(self, name=ran.name, ran=ran)
                yield CaseItem.from_parent(parent, name=case.path[-1], case=case)


def _below(
    parent: pytest.Collector, told: Sequence[Case], depth: int
) -> Iterator[pytest.Item | pytest.Collector]:
    for name, group in itertools.groupby(told, key=lambda case: case.path[depth]):
        members = list(group)
        if len(members[0].path) == depth + 1:
            yield CaseItem.from_parent(parent, name=name, case=members[0])
        else:
            yield Group.from_parent(parent, name=name, told=members, depth=depth + 1)
