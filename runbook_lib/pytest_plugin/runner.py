"""Run the runbooks that pytest was given: all checked before the first host is touched, each run once."""

from __future__ import annotations

import gc
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runbook_lib.errors import EvidenceError, ParameterError
from runbook_lib.execution import catalog
from runbook_lib.execution.notebook import run_notebook
from runbook_lib.model.status import Status
from runbook_lib.pytest_plugin.notebook_run import Ran
from runbook_lib.report.html import write_html
from runbook_lib.report.junit import write_junit

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from runbook_lib.execution.catalog import Entry
    from runbook_lib.parameters import Parameters

__all__ = ["Request", "Wanted", "check", "run"]

_SIGNALS = ("SIGINT", "SIGTERM")


@dataclass(frozen=True)
class Request:
    """What pytest's command line asks for.

    Args:
        names: Runbooks, by name or path.
        files: Parameters files: none, one for all, or one for each.
        pairs: Single parameters for all, as text.
        mode: What the runs may do.
        hosts: A pattern of hosts, or None for that of the parameters.
    """

    names: Sequence[str]
    files: Sequence[str]
    pairs: Sequence[tuple[str, str]]
    mode: str
    hosts: str | None


@dataclass(frozen=True)
class Wanted:
    """One run to be made, its parameters checked.

    Args:
        name: Tells it from the others of the same notebook: its parameters file.
    """

    entry: Entry
    parameters: Parameters
    given: dict[str, Any]
    name: str


def check(request: Request) -> list[Wanted]:
    """Find all runbooks and check all their parameters.

    Raises:
        InputError: Anything in them is wrong. No host was touched.
    """
    pairs = [*request.pairs, ("mode", request.mode)]
    for name, option in (("mode", "--runbook-mode"), ("hosts", "--runbook-hosts")):
        if name in dict(request.pairs):
            raise ParameterError(
                "is not for --runbook-set", where=f"parameter {name!r}", hint=f"use {option}"
            )
    if request.hosts:
        pairs.append(("hosts", request.hosts))
    wanted = []
    for name, file in zip(request.names, _one_for_each(request), strict=True):
        entry = catalog.find(name)
        given, source = catalog.given(file, pairs)
        parameters = catalog.check(entry, given, source)
        wanted.append(Wanted(entry, parameters, given, Path(file).stem if file else "without parameters"))
    places = [(one.entry.path.resolve(), one.name) for one in wanted]
    for one, place in zip(wanted, places, strict=True):
        if places.count(place) > 1:
            raise ParameterError(
                f"is named twice with parameters of the same name ({one.name})",
                where=str(one.entry.path),
                hint="name each runbook once, or with a parameters file of another name each time",
            )
    return wanted


def run(wanted: Sequence[Wanted], tell: Callable[[Wanted, dict[str, Any]], None]) -> list[Ran]:
    """Make the runs one after another, and leave each run's reports beside its evidence.

    After a signal none is begun any more; in a mode other than `validate` none after one that did not end
    well, because later runbooks build on earlier ones. Those are told too, as never begun.

    Args:
        wanted: As checked.
        tell: Called with each journal entry as it appears.
    """
    made: list[Ran] = []
    obstacle = ""
    for one in wanted:
        if obstacle:
            problem = f"it was never begun: {obstacle}"
            made.append(Ran(notebook=one.entry.path, name=one.name, problem=problem))
            continue
        ran = _run(one, lambda entry, one=one: tell(one, entry))  # type: ignore[misc]
        made.append(ran)
        if ran.stopped:
            obstacle = f"{one.entry.name} was stopped"
        elif not ran.well and one.parameters.mode != "validate":
            obstacle = f"{one.entry.name} before it did not end well"
    return made


def _one_for_each(request: Request) -> list[str | None]:
    files: list[str | None] = [*request.files]
    if len(files) in {0, 1}:
        return (files or [None]) * len(request.names)
    if len(files) != len(request.names):
        raise ParameterError(
            f"{len(files)} parameters files for {len(request.names)} runbooks",
            hint="name one file for all runbooks, or one for each in their order",
        )
    return files


def _run(one: Wanted, tell: Callable[[dict[str, Any]], None]) -> Ran:
    ran = Ran(notebook=one.entry.path, name=one.name)
    try:
        with warnings.catch_warnings():
            # Whoever makes warnings errors means those of their own tests, not of the way to a kernel.
            warnings.simplefilter("ignore")
            outcome = run_notebook.run(one.entry, one.parameters, one.given, tell)
            # papermill leaves its event loop to the garbage collector, which warns of it whenever it comes by.
            gc.collect()
    except EvidenceError as problem:
        return ran.model_copy(update={"problem": str(problem)})
    told = {
        "directory": str(outcome.path.absolute()),
        "record": outcome.record,
        "problem": outcome.problem,
        "stopped": outcome.status is Status.INTERRUPTED or any(name in outcome.problem for name in _SIGNALS),
    }
    if outcome.record:
        try:
            write_html([outcome.record], outcome.path / "report.html", outcome.record.title)
            write_junit([outcome.record], outcome.path / "junit.xml")
        except EvidenceError as problem:
            told["problem"] = "; ".join(filter(None, (outcome.problem, str(problem))))
    return ran.model_copy(update=told)
