"""The lessons: every notebook of the project, in the order in which a learner takes them."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runbook_lib.execution.catalog import listing
from runbook_lib.known_names import complete_name
from runbook_lib.lab.hosts.registry import host_class
from runbook_lib.lab.topology_file import DEFAULT_TOPOLOGY, load_topology

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from runbook_lib.evidence.notebook import Notebook
    from runbook_lib.execution.catalog import CatalogEntry
    from runbook_lib.lab.topology import Topology

__all__ = ["Lesson", "default_hosts", "find_lesson", "lessons", "preparation"]

_log = logging.getLogger(__name__)
_LAB_INVENTORY = str(DEFAULT_TOPOLOGY.with_name("inventory.yml"))


@dataclass(frozen=True)
class Lesson:
    """One lesson: a notebook that is worked through cell by cell.

    Args:
        name: The notebook's file name without its suffix.
        title: Its heading, without the number.
        path: The original, which is only read.
        hosts: Names of the practice hosts that it works on; empty if it needs none.
        needs: Names of the lessons whose result it builds on.
        risk: What it may interrupt.
    """

    name: str
    title: str
    path: Path
    hosts: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    risk: str = ""


def lessons() -> list[Lesson]:
    """Return the project's lessons, or those of this package: first the ones that need no practice hosts."""
    notebooks = listing()
    for problem in notebooks.problems.values():
        _log.warning("left out: %s", problem)
    found = [_of_runbook(entry) for entry in notebooks.runbooks]
    folder = found[0].path.parent if found else None
    ordered = sorted(found, key=lambda lesson: (bool(lesson.hosts), lesson.name))
    if folder is None:
        return ordered
    return [
        *ordered,
        *(Lesson(name, purpose, folder / f"{name}.ipynb") for name, purpose in notebooks.analyses.items()),
    ]


def find_lesson(name: str, known: Sequence[Lesson]) -> Lesson:
    """Return the lesson of a name, or of the only name that begins so.

    Args:
        name: `20_docker_install`, `20`, or the notebook's file name.
        known: All lessons.

    Raises:
        InputError: No lesson has the name, or several begin so.
    """
    by_name = {lesson.name: lesson for lesson in known}
    wanted = name.rpartition("/")[2].removesuffix(".ipynb")
    return by_name[complete_name(wanted, by_name, kind="lesson", where="LESSON")]


def default_hosts(known: Sequence[Lesson]) -> list[str]:
    """Return the practice hosts of all lessons that `runbook lab up` starts.

    Args:
        known: All lessons.
    """
    topology = load_topology()
    names = dict.fromkeys(name for lesson in known for name in lesson.hosts)
    return [name for name in names if _starts_by_default(topology, name)]


def preparation(lesson: Lesson, known: Sequence[Lesson]) -> list[str]:
    """Return the names of the lessons that must have been carried out before this one, in their order.

    Args:
        lesson: The lesson.
        known: All lessons.
    """
    by_name = {other.name: other for other in known}
    needed: dict[str, None] = {}

    def add(one: Lesson) -> None:
        for name in one.needs:
            if name in by_name and name not in needed:
                add(by_name[name])
                needed[name] = None

    add(lesson)
    return list(needed)


def _of_runbook(entry: CatalogEntry) -> Lesson:
    in_lab = entry.defaults.get("inventory") == _LAB_INVENTORY
    return Lesson(
        name=entry.name,
        title=_title(entry.notebook, entry.name),
        path=entry.path,
        hosts=_lab_hosts(str(entry.defaults.get("hosts", "all"))) if in_lab else (),
        needs=entry.needs,
        risk=entry.risk,
    )


def _title(notebook: Notebook, name: str) -> str:
    """Return a notebook's first heading, without its number and markup; its name if it has no heading."""
    first = next((cell.source for cell in notebook.sources() if cell.kind == "markdown"), "")
    line = first.strip().partition("\n")[0]
    text = line.lstrip("#").strip().replace("`", "") if line.startswith("#") else name
    return text.partition(" ")[2] if text[:1].isdigit() and " " in text else text


def _lab_hosts(pattern: str) -> tuple[str, ...]:
    """Return the practice hosts of a parameter `hosts`; of `all`, those that start by default."""
    topology = load_topology()
    usual = tuple(name for name in topology.hosts if _starts_by_default(topology, name))
    names: dict[str, None] = {}
    for part in pattern.split(","):
        word = part.strip()
        members = topology.groups.get(word, [word] if word in topology.hosts else usual)
        names.update(dict.fromkeys(members))
    return tuple(names)


def _starts_by_default(topology: Topology, name: str) -> bool:
    return host_class(topology.hosts[name].kind).starts_by_default
