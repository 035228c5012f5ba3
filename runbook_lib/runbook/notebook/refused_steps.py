"""Steps that were refused before their record began: nothing else says that their work was not done."""

from __future__ import annotations

import functools
import json
from typing import TYPE_CHECKING, Concatenate, ParamSpec, Protocol, TypeVar

from runbook_lib.errors import RunbookError
from runbook_lib.masking import excerpt
from runbook_lib.runbook.notebook.parent_process import report_to_engine

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path

__all__ = ["REFUSALS", "counted", "describe_refusal", "read_refusals", "report_refusal"]

REFUSALS = "RUNBOOK_REFUSALS"
"""Environment variable with the file to which a kernel writes each refused step that none of its runs can record."""

_MOST = 500  # characters of a refusal


_TITLES = ("title", "name", "hosts")


class _CountsRefusals(Protocol):
    def counting_refusals(self, what: str) -> AbstractContextManager[None]: ...


class _HasRuns(Protocol):
    @property
    def _runs(self) -> _CountsRefusals: ...


_Self = TypeVar("_Self", bound=_HasRuns)
_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")


def counted(
    method: Callable[Concatenate[_Self, _Arguments], _Result],
) -> Callable[Concatenate[_Self, _Arguments], _Result]:
    """Have a method count what it raises before a step's record begins: the notebook may catch it, and continue."""

    @functools.wraps(method)
    def call(self: _Self, /, *args: _Arguments.args, **kwargs: _Arguments.kwargs) -> _Result:
        given = [*args[:1], *(kwargs[name] for name in _TITLES if name in kwargs)]
        title = f" {given[0]!r}" if given and isinstance(given[0], str) else ""
        with self._runs.counting_refusals(f"{method.__name__}{title}"):
            return method(self, *args, **kwargs)

    return call


def describe_refusal(what: str, problem: BaseException) -> str:
    """Return, in one sentence, that a step was refused and why, without the hint.

    Args:
        what: The step.
        problem: What it raised.
    """
    text = str(problem).partition("\n  hint: ")[0].removeprefix(f"{what}: ")
    kind = "" if isinstance(problem, RunbookError) else f"{type(problem).__name__}: "
    return excerpt(f"{what} was refused: {kind}{text}", _MOST)


def report_refusal(refusal: str) -> None:
    """Report a refusal to our engine, if it has started this kernel: no run is open here that could record it.

    Args:
        refusal: As `describe_refusal` returns it, without secret values.

    Raises:
        EvidenceError: It cannot be reported.
    """
    report_to_engine(REFUSALS, json.dumps(refusal), "the refusal", where=refusal)


def read_refusals(file: Path) -> list[str]:
    """Return the refusals that a kernel has reported, each once.

    Args:
        file: The one that `REFUSALS` names; it need not exist.
    """
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
        return list(dict.fromkeys(str(json.loads(line)) for line in lines))
    except FileNotFoundError:
        return []
    except (OSError, ValueError) as problem:  # a cell can write anything there
        return [f"the refused steps cannot be read: {problem}"]
