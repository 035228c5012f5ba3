"""Lint notebooks: find them, apply all rules, return the findings in the order of the files."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from runbook_lib.errors import InputError
from runbook_lib.evidence.layout import JOURNAL
from runbook_lib.known_names import did_you_mean
from runbook_lib.lint.cell_rules import check_cells
from runbook_lib.lint.notebook_source import NotebookSource
from runbook_lib.lint.parameter_rules import check_parameters_files
from runbook_lib.lint.rules import RULES, Finding, NotChecked
from runbook_lib.lint.runbook_rules import check_runbook, declared_entry

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

__all__ = ["LintResult", "lint", "lint_notebook"]

_SUFFIX = ".ipynb"

_COVERED = {"cell-tags", "parameters-cell", "literal-parameters", "syntax"}


@dataclass(frozen=True)
class LintResult:
    """What linting found.

    Args:
        findings: In the order of the files and their cells.
        checked: Notebooks that were checked.
        others: Notebooks that are not runbooks, and were not checked.
        unchecked: Rules that could not be applied to something.
    """

    findings: Sequence[Finding]
    checked: Sequence[Path]
    others: Sequence[Path]
    unchecked: Sequence[NotChecked] = ()


def lint(paths: Sequence[Path], ignored: Collection[str] = ()) -> LintResult:
    """Check notebooks.

    Args:
        paths: Notebooks, and directories to search for notebooks.
        ignored: Rules to leave out.

    Raises:
        InputError: A path does not exist or is not a notebook, or there is no such rule.
    """
    unknown = sorted(set(ignored) - set(RULES))
    if unknown:
        raise InputError(
            f"unknown rule {unknown[0]!r}",
            where="--ignore",
            hint=f"{did_you_mean(unknown[0], RULES)}the rules: {', '.join(RULES)}",
        )
    found: list[Finding | NotChecked] = []
    checked: list[Path] = []
    others: list[Path] = []
    for path in _notebooks(paths):
        notebook = NotebookSource(path)
        if not notebook.is_runbook:
            others.append(path)
            continue
        checked.append(path)
        found += [item for item in lint_notebook(notebook) if item.rule not in ignored]
    findings = [item for item in dict.fromkeys(found) if isinstance(item, Finding)]
    unchecked = [item for item in dict.fromkeys(found) if isinstance(item, NotChecked)]
    return LintResult(findings, checked, others, unchecked)


def lint_notebook(notebook: NotebookSource) -> list[Finding | NotChecked]:
    """Return what is wrong with one notebook, by cell, and then what could not be checked."""
    findings = list(check_cells(notebook))
    unchecked: list[NotChecked] = []
    if not notebook.is_analysis:
        findings += check_runbook(notebook)
        if not _COVERED & {found.rule for found in findings}:
            entry = declared_entry(notebook)
            for item in [entry] if isinstance(entry, Finding) else check_parameters_files(notebook, entry):
                if isinstance(item, Finding):
                    findings.append(item)
                else:
                    unchecked.append(item)
    findings.sort(key=lambda found: (found.path != str(notebook.path), found.path, found.cell))
    return [*findings, *unchecked]


def _notebooks(paths: Sequence[Path]) -> Iterator[Path]:
    """Yield each notebook once; below a directory not those that runs left, nor Jupyter's checkpoints."""
    seen: set[Path] = set()
    for path in paths:
        if path.is_dir():
            found = _below(path)
        elif path.exists() and path.suffix == _SUFFIX:
            found = [path]
        else:
            raise InputError(
                "not a notebook" if path.exists() else "no such file or directory",
                where=str(path),
                hint="name notebooks (*.ipynb), or directories that contain them",
            )
        for item in found:
            if item.resolve() not in seen:
                seen.add(item.resolve())
                yield item


def _below(directory: Path) -> list[Path]:
    def refuse(problem: OSError) -> None:
        raise InputError(
            f"cannot be read: {problem.strerror}",
            where=str(problem.filename),
            hint="name directories that this user can read",
        )

    files = (Path(top, name) for top, _, names in os.walk(directory, onerror=refuse) for name in names)
    found = sorted(path for path in files if path.suffix == _SUFFIX and not _is_left_out(path, directory))
    if not found:
        raise InputError(
            "no notebooks in this directory, nor below it",
            where=str(directory),
            hint="name notebooks (*.ipynb), or directories that contain them",
        )
    return found


def _is_left_out(path: Path, top: Path) -> bool:
    folders = path.relative_to(top).parts[:-1]
    return any(name.startswith(".") for name in folders) or (path.parent / JOURNAL).exists()
