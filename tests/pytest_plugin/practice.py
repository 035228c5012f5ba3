"""A project with a small runbook, and pytest started in it as a user does."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from runbook_lib.evidence.reader import read_journal
from tests.deadlines import deadline

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pytest

    from runbook_lib.model.records import RunRecord

__all__ = ["TOP", "Project"]

TOP = Path(__file__).parents[2]
_PARAMETERS = {
    "inventory": "inventory.yml",
    "hosts": "all",
    "mode": "apply",
    "on_failure": "continue",
    "runs": "runs",
}
_OPEN = """\
from runbook_lib import Runbook
from tests.runbook.practice import Does, Holds, Practice
p = Practice.collect(globals())
book = Runbook.open(p)
"""


@dataclass(frozen=True)
class Project:
    """A directory with notebooks and an inventory; its host's files say whether checks hold."""

    pytester: pytest.Pytester

    @property
    def place(self) -> Path:
        return self.pytester.path

    def inventory(self, hosts: Mapping[str, Mapping[str, object]]) -> None:
        values_of = {name: dict(values) for name, values in hosts.items()}
        (self.place / "inventory.yml").write_text(yaml.safe_dump({"hosts": values_of}), encoding="utf-8")

    def runbook(self, name: str, *steps: str, close: str = "book.close()") -> Path:
        """Write a notebook with one cell a step."""
        assignments = "\n".join(f"{key} = {value!r}" for key, value in _PARAMETERS.items())
        sources = [assignments, _OPEN, *steps, close]
        cells: list[dict[str, object]] = [
            {
                "cell_type": "code",
                "id": f"cell-{number}",
                "metadata": {} if number else {"tags": ["parameters"]},
                "source": source,
                "outputs": [],
                "execution_count": None,
            }
            for number, source in enumerate(sources)
        ]
        metadata = {
            "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
            "language_info": {"name": "python"},
            "runbook": {"parameters": "tests.runbook.practice:Practice", "target": "hosts", "risk": "none"},
        }
        path = self.place / "notebooks" / f"{name}.ipynb"
        path.parent.mkdir(exist_ok=True)
        notebook = {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}
        path.write_text(json.dumps(notebook), encoding="utf-8")
        return path

    def holds(self, title: str, file: str) -> str:
        """Return a step that demands the text `right` of a file named after the host."""
        return f"book.step({title!r}, lambda host: Holds(f'{self.place}/{{host.name}}.{file}', 'right\\n'))"

    def write(self, host: str, file: str, text: str = "right\n") -> None:
        (self.place / f"{host}.{file}").write_text(text, encoding="utf-8")

    def run(self, *arguments: str) -> pytest.RunResult:
        # As a user's pytest: what the project's own pytest uses is not loaded there.
        return self.run_with_testinfra("-p", "no:pytest11.testinfra", *arguments)

    def run_with_testinfra(self, *arguments: str) -> pytest.RunResult:
        """As `run`, with testinfra's plugin, which has an option `--hosts` of its own."""
        return self.pytester.runpytest_subprocess("-p", "no:cacheprovider", *arguments, timeout=deadline(120))

    def remembering(self, *arguments: str) -> pytest.RunResult:
        """As `run`, with the cache that `--lf` reads."""
        without = ("-p", "no:pytest11.testinfra")
        return self.pytester.runpytest_subprocess(*without, *arguments, timeout=deadline(120))

    def records(self) -> list[RunRecord]:
        found = [read_journal(path.parent) for path in (self.place / "runs").glob("*/journal.jsonl")]
        return sorted(found, key=lambda record: record.started)
