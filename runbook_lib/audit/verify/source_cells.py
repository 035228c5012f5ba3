"""Compare an executed notebook's cells with its approved source, apart from the cells that papermill adds."""

from __future__ import annotations

import difflib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from runbook_lib.errors import InputError
from runbook_lib.evidence.layout import JOURNAL
from runbook_lib.evidence.notebook import INJECTED
from runbook_lib.parameters.cell import literals
from runbook_lib.parameters.cell_model import declared_values

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from runbook_lib.audit.verify.findings import Findings
    from runbook_lib.evidence.notebook import Cell, Notebook

__all__ = ["compare_cells", "compare_file", "compare_metadata", "compare_parameters", "compare_ran"]

_Key = tuple[str, str, tuple[str, ...], str]
_PARAMETERS = "parameters"
_MOST_CELLS = 2000  # beyond, cells are compared by position: aligning them takes the square of their number
_MOST_LINES = 200  # lines of a diff that is shown


def compare_cells(
    executed: Notebook,
    approved: Notebook,
    findings: Findings,
    may_be_same: Callable[[str, str], bool] | None = None,
) -> None:
    """Add each cell that differs, with a diff from the approved cell to the one that ran.

    Args:
        executed: The notebook that ran.
        approved: The approved notebook.
        findings: Where to add differences.
        may_be_same: Whether references stand for secrets in the source of a cell that ran, the first argument, and it
            is the approved source, the second, apart from that; None: no references do.
    """
    ran, expected = executed.authored(), approved.authored()
    keys, expected_keys = [cell.key for cell in ran], [cell.key for cell in expected]
    if keys == expected_keys:
        return
    for before, after in _changed(expected, ran, expected_keys, keys):
        if before and after and may_be_same and may_be_same(after.source, before.source):
            same = replace(before, source=after.source)
            if same.key == after.key:
                _warn_of_secret(executed.name, after, findings)
                continue
        _add_difference(executed.name, before, after, findings)


def compare_metadata(executed: Notebook, approved: Notebook, findings: Findings) -> None:
    """Add what differs in the notebook's metadata of ours, and in the kernel that it names."""
    pairs = (
        ("runbook", executed.metadata.get("runbook"), approved.metadata.get("runbook")),
        ("kernelspec", executed.kernel, approved.kernel),
    )
    for name, value, expected in pairs:
        if value != expected:
            findings.altered(
                f"the notebook's metadata differs: {name} is {value!r}, approved {expected!r}"[:400],
                where=executed.name,
                part="source",
            )


def compare_file(start: dict[str, Any], approved: Notebook, findings: Findings) -> None:
    """Compare the SHA-256 of the notebook file that ran, as the run recorded it, with the approved file's.

    Args:
        start: The record of the run's start; runs from before that was recorded have no such value.
        approved: The approved notebook.
        findings: Where to add a difference.
    """
    recorded, source = start.get("notebook_file"), start.get("source")
    if not isinstance(recorded, dict) or not recorded.get("sha256") or not approved.sha256:
        return
    if recorded["sha256"] == approved.sha256:
        return
    # Runs from before injected cells counted as source recorded the hash without them.
    if recorded.get("source_sha256") in {
        approved.source_sha256(),
        approved.source_sha256(with_injected=False),
    }:
        message = "the file that ran differs from the approved one in outputs and presentation only"
        findings.note(message, where=approved.name)
        return
    message = f"the file that ran, {recorded.get('path')}, is not byte for byte the approved one"[:300]
    if (
        isinstance(source, dict)
        and source.get("uncommitted") is False
        and approved.name.startswith("commit ")
    ):
        findings.altered(f"{message}, although the run recorded no uncommitted changes", where=approved.name)
    else:
        findings.warning(f"{message}: only cells and metadata were compared", where=approved.name)


def compare_ran(copied: dict[str, Any], approved: Notebook, findings: Findings) -> None:
    """Add each cell of a run made by hand that is neither in the copy of its notebook nor approved.

    Args:
        copied: The journal's entry about the copy.
        approved: The approved notebook.
        findings: Where to add a cell.
    """
    known = {cell.source.strip() for cell in approved.sources() if cell.kind == "code"}
    for cell in copied.get("not_in_copy") or ():
        if str(cell["source"]).strip() not in known:
            lines = [f"+{line}" for line in str(cell["source"]).splitlines()[:_MOST_LINES]]
            findings.altered(
                f"the cell that ran as [{cell['count']}] is neither in the copy of the notebook nor approved",
                where=JOURNAL,
                part="source",
                diff="\n".join(lines),
            )


def compare_parameters(executed: Notebook, recorded: dict[str, Any], findings: Findings) -> None:
    """Add what is wrong with the injected parameters: their position, their values, and those of the run.

    Args:
        executed: The notebook.
        recorded: The run's parameters, from the record of its start.
        findings: Where to add differences.
    """
    cells = executed.sources()
    injected = [cell for cell in cells if INJECTED in cell.tags and cell.kind == "code"]
    # A cell with both tags is not compared with the approved source either: it may hold no more than an injected one.
    defaults = [
        cell
        for cell in cells
        if _PARAMETERS in cell.tags and cell.kind == "code" and INJECTED not in cell.tags
    ]
    values: dict[str, Any] = {}
    for cell in [*defaults, *injected]:
        found = _values(cell, declared_values if cell in defaults else literals)
        if found is None:
            _add(executed.name, cell, "a parameters cell contains more than plain values", findings)
            return
        values |= found
    if len(injected) > 1:
        _add(executed.name, injected[1], "more than one cell of injected parameters", findings)
    if injected and defaults and injected[0].position != defaults[0].position + 1:
        _add(
            executed.name, injected[0], "the injected parameters do not follow the parameters cell", findings
        )
    for name, value in values.items():
        if name not in recorded or not _equal(value, recorded[name]):
            known = repr(recorded[name]) if name in recorded else "no such parameter"
            findings.altered(
                f"the notebook has {value!r}, the journal {known}"[:400],
                where=f"{executed.name} parameter {name}",
                part="parameters",
            )


def _values(cell: Cell, read: Callable[[str, str], dict[str, Any]]) -> dict[str, Any] | None:
    """Return the values that a parameters cell assigns; None if it does anything else."""
    try:
        return read(cell.source, "")
    except (InputError, TypeError, RecursionError, MemoryError):
        return None


def _equal(one: Any, other: Any) -> bool:  # noqa: ANN401 - a parameter
    return bool((list(one) if isinstance(one, tuple) else one) == other)


def _changed(
    expected: Sequence[Cell],
    ran: Sequence[Cell],
    expected_keys: Sequence[_Key],
    keys: Sequence[_Key],
) -> Iterator[tuple[Cell | None, Cell | None]]:
    if max(len(keys), len(expected_keys)) > _MOST_CELLS:
        yield from (
            (before, after)
            for before, after in _pairs(expected, ran)
            if before is None or after is None or before.key != after.key
        )
        return
    matcher = difflib.SequenceMatcher(None, expected_keys, keys, autojunk=False)
    for what, first, last, first_ran, last_ran in matcher.get_opcodes():
        if what != "equal":
            yield from _pairs(expected[first:last], ran[first_ran:last_ran])


def _pairs(expected: Sequence[Cell], ran: Sequence[Cell]) -> Iterator[tuple[Cell | None, Cell | None]]:
    for number in range(max(len(expected), len(ran))):
        yield (
            expected[number] if number < len(expected) else None,
            ran[number] if number < len(ran) else None,
        )


def _add_difference(name: str, before: Cell | None, after: Cell | None, findings: Findings) -> None:
    if before and after and (before.kind, before.source) == (after.kind, after.source):
        changed = f"{_metadata_of(after)}, the approved cell has {_metadata_of(before)}"
        _add(name, after, f"the cell's metadata differs: it has {changed}"[:400], findings)
        return
    if after is None:
        what, place = "was removed", f"approved cell {before.position}" if before else ""
    else:
        what = "was added" if before is None else "differs from the approved one"
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
    findings.altered(f"the cell {what}", where=f"{name} {place}", part="source", diff="\n".join(shown))


def _warn_of_secret(name: str, cell: Cell, findings: Findings) -> None:
    findings.warning(
        "the approved cell has a secret in plain text, for which this copy has the reference: remove it there, and "
        "rotate the secret",
        where=f"{name} cell {cell.position}",
        part="source",
    )


def _metadata_of(cell: Cell) -> str:
    tags = f"the tags {', '.join(cell.tags)}" if cell.tags else "no tags"
    return f"{tags} and runbook metadata {cell.marks}" if cell.marks else tags


def _add(name: str, cell: Cell, message: str, findings: Findings) -> None:
    findings.altered(message, where=f"{name} cell {cell.position}", part="source")
