"""Hold an executed notebook's cells against its approved source, what papermill adds aside."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any

from runbook_lib.audit.verify.verdict import Finding, Kind
from runbook_lib.errors import InputError
from runbook_lib.parameters import literals

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from runbook_lib.evidence.notebook import Cell, Notebook

__all__ = ["compare", "parameters"]

_PARAMETERS = "parameters"
_INJECTED = "injected-parameters"
_ERROR = "papermill-error-cell-tag"
_MOST_CELLS = 2000  # beyond, cells are compared by position: aligning them takes the square of their number
_MOST_LINES = 200  # lines of a diff that is shown


def compare(executed: Notebook, approved: Notebook) -> Iterator[Finding]:
    """Yield each cell that differs, as a diff from the approved one to the one that ran."""
    ran = [cell for cell in executed.sources() if not _added(cell)]
    wanted = [cell for cell in approved.sources() if not _added(cell)]
    keys = [(cell.kind, cell.source) for cell in ran]
    wanted_keys = [(cell.kind, cell.source) for cell in wanted]
    if keys == wanted_keys:
        return
    for before, after in _changed(wanted, ran, wanted_keys, keys):
        yield _differs(executed.name, before, after)


def parameters(executed: Notebook, told: dict[str, Any]) -> Iterator[Finding]:
    """Yield what is wrong with the injected parameters: where they stand, what they hold, what the run had.

    Args:
        executed: The notebook.
        told: The run's parameters, as its journal tells them.
    """
    cells = executed.sources()
    injected = [cell for cell in cells if _INJECTED in cell.tags and cell.kind == "code"]
    defaults = [cell for cell in cells if _PARAMETERS in cell.tags and cell.kind == "code"]
    values: dict[str, Any] = {}
    for cell in [*defaults, *injected]:
        found = _values(cell)
        if found is None:
            yield _altered(executed.name, cell, "a parameters cell holds more than plain values")
            return
        values |= found
    if len(injected) > 1:
        yield _altered(executed.name, injected[1], "there is more than one cell of injected parameters")
    if injected and defaults and injected[0].position != defaults[0].position + 1:
        yield _altered(executed.name, injected[0], "injected parameters do not follow the parameters cell")
    for name, value in values.items():
        if name not in told or not _equal(value, told[name]):
            had = repr(told[name]) if name in told else "none of that name"
            yield Finding(
                kind=Kind.ALTERED,
                part="parameters",
                where=f"{executed.name} parameter {name}",
                message=f"the notebook has {value!r}, the journal {had}"[:400],
            )


def _values(cell: Cell) -> dict[str, Any] | None:
    """Return the values that a parameters cell assigns; None where it does anything else."""
    try:
        return literals(cell.source, "")
    except (InputError, TypeError, RecursionError, MemoryError):
        return None


def _added(cell: Cell) -> bool:
    """Return whether papermill added a cell: the parameters it injects, and prose where a cell failed."""
    return (cell.kind == "code" and _INJECTED in cell.tags) or (
        cell.kind == "markdown" and _ERROR in cell.tags
    )


def _equal(one: Any, other: Any) -> bool:  # noqa: ANN401 - a parameter
    return bool((list(one) if isinstance(one, tuple) else one) == other)


def _changed(
    wanted: Sequence[Cell],
    ran: Sequence[Cell],
    wanted_keys: Sequence[tuple[str, str]],
    keys: Sequence[tuple[str, str]],
) -> Iterator[tuple[Cell | None, Cell | None]]:
    if max(len(keys), len(wanted_keys)) > _MOST_CELLS:
        yield from (
            (before, after)
            for before, after in _pairs(wanted, ran)
            if before is None or after is None or (before.kind, before.source) != (after.kind, after.source)
        )
        return
    matcher = difflib.SequenceMatcher(None, wanted_keys, keys, autojunk=False)
    for what, first, last, first_ran, last_ran in matcher.get_opcodes():
        if what != "equal":
            yield from _pairs(wanted[first:last], ran[first_ran:last_ran])


def _pairs(wanted: Sequence[Cell], ran: Sequence[Cell]) -> Iterator[tuple[Cell | None, Cell | None]]:
    for number in range(max(len(wanted), len(ran))):
        yield (
            wanted[number] if number < len(wanted) else None,
            ran[number] if number < len(ran) else None,
        )


def _differs(name: str, before: Cell | None, after: Cell | None) -> Finding:
    if after is None:
        what, place = "was left out", f"approved cell {before.position}" if before else ""
    else:
        what = "was added" if before is None else "is not the approved one"
        place = f"cell {after.position}"
    lines = difflib.unified_diff(
        before.source.splitlines() if before else [],
        after.source.splitlines() if after else [],
        f"approved ({before.kind})" if before else "nothing approved",
        f"ran ({after.kind})" if after else "nothing",
        lineterm="",
    )
    shown = list(lines)
    if len(shown) > _MOST_LINES:
        shown = [*shown[:_MOST_LINES], f"… {len(shown) - _MOST_LINES} more lines"]
    return Finding(
        kind=Kind.ALTERED,
        part="source",
        where=f"{name} {place}",
        message=f"the cell {what}",
        diff="\n".join(shown),
    )


def _altered(name: str, cell: Cell, message: str) -> Finding:
    return Finding(kind=Kind.ALTERED, part="source", where=f"{name} cell {cell.position}", message=message)
