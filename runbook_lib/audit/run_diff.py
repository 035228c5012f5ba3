"""Compare two runs: parameters, source, outcomes, and what drifted on the hosts between them."""

from __future__ import annotations

import difflib
import json
from collections import Counter
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import orjson
import pandas as pd

from runbook_lib.audit.about_run import about
from runbook_lib.connections.shown_command import shown_command
from runbook_lib.errors import EvidenceError
from runbook_lib.evidence.layout import NOTEBOOK
from runbook_lib.evidence.regular_file import read
from runbook_lib.model.plans import in_words
from runbook_lib.report.safe_text import exit_summary

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from runbook_lib.model.records import CommandRecord, HostRecord, RunRecord

__all__ = ["SECTIONS", "Difference", "compare", "source_cells", "unified"]

_LEAST_SECONDS = 1.0
_LEAST_SHARE = 0.25
SECTIONS = {
    "run": "operator, machine, inventory, addresses of hosts, notebook file, versions, source",
    "parameters": "what the run was given",
    "source": "the notebook's code cells",
    "steps": "outcomes per step and host",
    "commands": "commands that change something, and how they ended",
    "checks": "expected and observed",
    "durations": "differences of at least one second and 25 %",
    "facts": "what the hosts reported: drift",
}
"""What is compared, in the order it is shown, and what is in it."""
_INJECTED = "injected-parameters"
_UNREADABLE = "no notebook that can be read"
_UNRECORDED = "not recorded"
_NOTHING: Mapping[str, Any] = {}


@dataclass(frozen=True)
class Difference:
    """One difference.

    Args:
        section: One of `SECTIONS`.
        place: The step; empty for the run itself.
        host: The host, or empty.
        name: What differs.
        before: The value in the first run; None if it has none.
        after: The value in the second run; None if it has none.
        compared: Whether the values could be compared; if not, they say what each run has instead.
    """

    section: str
    place: str
    host: str
    name: str
    before: str | None
    after: str | None
    compared: bool = True

    @property
    def how(self) -> str:
        """`added`, `removed` or `changed`; `not compared` if one of the two could not be read."""
        if not self.compared:
            return "not compared"
        if self.before is None:
            return "added"
        return "removed" if self.after is None else "changed"


def compare(
    first: RunRecord,
    second: RunRecord,
    cells: tuple[Mapping[str, str] | None, Mapping[str, str] | None] = (_NOTHING, _NOTHING),
) -> pd.DataFrame:
    """Return the differences between two runs, one row each.

    Args:
        first: The earlier run.
        second: The later run.
        cells: The code cells of their notebooks, from `source_cells`. If one is None, a row in the section `source`
            says that they were not compared.

    Returns:
        Columns `section`, `place`, `host`, `name`, `how`, `before`, `after`; texts as recorded.
    """
    found = list(_differences(first, second, cells))
    rows = [{**asdict(item), "how": item.how} for item in found]
    columns = ["section", "place", "host", "name", "how", "before", "after"]
    return pd.DataFrame(rows, columns=columns, dtype="object")


def source_cells(path: Path) -> dict[str, str] | None:
    """Return the code cells of a run's notebook by their ids; except the parameters that papermill injected.

    Args:
        path: A run directory, or a notebook.

    Returns:
        Of cells with the same id, all but the first have their number appended. None if there is no notebook that
        can be read: the code cannot be compared then.
    """
    file = path / NOTEBOOK if path.is_dir() else path
    cells: dict[str, str] = {}
    counts: Counter[str] = Counter()
    try:
        notebook = orjson.loads(read(file))
        for number, cell in enumerate(notebook["cells"]):
            if cell["cell_type"] == "code" and _INJECTED not in cell["metadata"].get("tags", []):
                name = str(cell.get("id", number))
                counts[name] += 1
                cells[name if counts[name] == 1 else f"{name} ({counts[name]})"] = "".join(cell["source"])
    except (EvidenceError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return cells


def _differences(
    first: RunRecord,
    second: RunRecord,
    cells: tuple[Mapping[str, str] | None, Mapping[str, str] | None],
) -> Iterator[Difference]:
    yield from _mapped("run", about(first), about(second))
    yield from _endpoints(first, second)
    yield from _values("parameters", first.parameters, second.parameters)
    yield from _sources(*cells)
    hosts, others = _hosts(first), _hosts(second)
    for key in dict.fromkeys([*hosts, *others]):
        (title, number), name = key
        place = title if number == 1 else f"{title} ({number})"
        before, after = hosts.get(key), others.get(key)
        if before is None or after is None:
            was, now = (str(host.status) if host else None for host in (before, after))
            yield Difference("steps", place, name, "step", was, now)
            continue
        yield from _host(place, before, after)
    facts, later = _facts(first), _facts(second)
    for name in dict.fromkeys([*facts, *later]):
        yield from _values("facts", facts.get(name), later.get(name), host=name)


def _host(place: str, before: HostRecord, after: HostRecord) -> Iterator[Difference]:
    name = after.host
    if before.status is not after.status:
        yield Difference("steps", place, name, "status", str(before.status), str(after.status))
    yield from _mapped("commands", _commands(before), _commands(after), place, name)
    yield from _mapped("checks", _checks(before), _checks(after), place, name)
    lasted, lasts = _seconds(before), _seconds(after)
    if lasted is not None and lasts is not None:
        change = abs(lasts - lasted)
        if change >= max(_LEAST_SECONDS, _LEAST_SHARE * max(lasted, 0.0)):
            yield Difference("durations", place, name, "seconds", f"{lasted:.1f}", f"{lasts:.1f}")


def _sources(before: Mapping[str, str] | None, after: Mapping[str, str] | None) -> Iterator[Difference]:
    if before is not None and after is not None:
        yield from _mapped("source", before, after)
        return
    lacking = " and ".join(name for name, cells in (("A", before), ("B", after)) if cells is None)
    verb = "have" if before is after else "has"
    was, now = (_UNREADABLE if cells is None else f"{len(cells)} code cells" for cells in (before, after))
    name = f"not compared: {lacking} {verb} {_UNREADABLE}"
    yield Difference("source", "", "", name, was, now, compared=False)


def _mapped(
    section: str, before: Mapping[str, str], after: Mapping[str, str], place: str = "", host: str = ""
) -> Iterator[Difference]:
    for name in dict.fromkeys([*before, *after]):
        if before.get(name) != after.get(name):
            yield Difference(section, place, host, name, before.get(name), after.get(name))


def _values(
    section: str, before: Mapping[str, Any] | None, after: Mapping[str, Any] | None, host: str = ""
) -> Iterator[Difference]:
    """Yield how nested values differ; if only in types or nesting, which their names and texts do not show, as one."""
    flat, later = (_flat(value) if value is not None else {} for value in (before, after))
    found = list(_mapped(section, flat, later, host=host))
    was, now = _unordered(before), _unordered(after)
    if not found and was != now:
        found = [Difference(section, "", host, "types or nesting of the values", was, now)]
    yield from found


def _unordered(value: Any) -> str:  # noqa: ANN401 - JSON
    """Return a value as JSON, in which the order of items that have names does not matter."""
    if isinstance(value, dict):
        parts = (f"{json.dumps(key)}: {_unordered(item)}" for key, item in sorted(value.items()))
        return f"{{{', '.join(parts)}}}"
    if isinstance(value, list):
        items = [_unordered(item) for item in value]
        return f"[{', '.join(sorted(items) if _are_named(value) else items)}]"
    return json.dumps(value, ensure_ascii=False)


def _are_named(items: list[Any]) -> bool:
    return bool(items) and all(isinstance(item, dict) and "name" in item for item in items)


def _endpoints(first: RunRecord, second: RunRecord) -> Iterator[Difference]:
    """Yield how the hosts of both runs are reached, where that differs or only one of the runs recorded it."""
    for host in (name for name in first.hosts if name in second.hosts):
        before, after = first.endpoints.get(host), second.endpoints.get(host)
        if before is not None and after is not None:
            yield from _mapped("run", _flat(before), _flat(after), host=host)
        elif before is not after:
            was, now = (_UNRECORDED if one is None else in_words(one) for one in (before, after))
            yield Difference("run", "", host, "how the host is reached", was, now, compared=False)


def _hosts(run: RunRecord) -> dict[tuple[tuple[str, int], str], HostRecord]:
    """Return the steps on hosts; a step is identified by its title, and its number among steps of the same title."""
    titles: Counter[str] = Counter()
    found = {}
    for step in run.steps:
        titles[step.title] += 1
        for host in step.hosts:
            found[(step.title, titles[step.title]), host.host] = host
    return found


def _commands(host: HostRecord) -> dict[str, str]:
    endings: dict[str, str] = {}
    for command in host.commands:
        if command.kind != "fact":
            endings[_distinct(command, endings)] = exit_summary(command)
    return endings


def _distinct(command: CommandRecord, others: Mapping[str, str]) -> str:
    shown = str(shown_command(command.text))
    number, text = 1, shown
    while text in others:
        number += 1
        text = f"{shown}  # time {number}"
    return text


def _checks(host: HostRecord) -> dict[str, str]:
    return {
        check.name: f"{'passed' if check.holds else 'failed'}: expected {check.expected}, "
        f"observed {check.observed}"
        for check in host.checks
    }


def _seconds(host: HostRecord) -> float | None:
    return (host.ended - host.started).total_seconds() if host.started and host.ended else None


def _facts(run: RunRecord) -> dict[str, dict[str, Any]]:
    """Return the last value of each fact on each host."""
    last: dict[str, dict[str, Any]] = {}
    for step in run.steps:
        for host in step.hosts:
            last.setdefault(host.host, {}).update(host.facts)
    return last


def _flat(value: Any, name: str = "") -> dict[str, str]:  # noqa: ANN401 - JSON
    """Return a nested value as names and texts; items of a list are identified by their own names.

    A name that stands for something else already gets a number: what differs is never hidden by it.
    """
    if isinstance(value, dict) and value:
        items = [(str(key), item) for key, item in value.items()]
    elif isinstance(value, list) and _are_named(value):
        items = [
            (str(item["name"]), {key: part for key, part in item.items() if key != "name"}) for item in value
        ]
    else:
        return {
            name: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)
        }
    flat: dict[str, str] = {}
    for key, item in items:
        for inner, text in _flat(item, f"{name}.{key}" if name else key).items():
            flat[_unused(inner, flat)] = text
    return flat


def _unused(name: str, others: Mapping[str, str]) -> str:
    number, unused = 1, name
    while unused in others:
        number += 1
        unused = f"{name} ({number})"
    return unused


def unified(before: str | None, after: str | None) -> list[str]:
    """Return two texts as the lines of a unified diff, without its header."""
    lines = difflib.unified_diff((before or "").splitlines(), (after or "").splitlines(), lineterm="", n=2)
    return list(lines)[2:]
