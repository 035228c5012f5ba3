"""The paths and test ids that pytest is given next to runbooks, checked before any of these runs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from runbook_lib.errors import InputError
from runbook_lib.pytest_plugin.cases import END

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

__all__ = ["check_arguments"]

_STEP = re.compile(r"step \d+(?: |$)")


def check_arguments(config: pytest.Config, runs: Mapping[Path, Sequence[str]]) -> None:
    """Refuse what pytest itself would only refuse at collection, and so after the runs.

    Which tests a file has is not known before collection, and which steps a runbook has, not before its run.

    Args:
        config: pytest's.
        runs: For each notebook that is going to be run, the names of its runs.

    Raises:
        InputError: A path does not exist, or an id is not one that a runbook's test can have.
    """
    if config.args_source is not pytest.Config.ArgsSource.ARGS:
        return
    names_of = {path.resolve(): names for path, names in runs.items()}
    for argument in config.args:
        name, *parts = argument.partition("[")[0].split("::")
        path = config.invocation_params.dir / name
        # With --pyargs it may be a module's name.
        if not (path.exists() or config.getoption("pyargs")):
            raise InputError("no such file or directory", where=name, hint="correct the path of the tests")
        names = names_of.get(path.resolve(), ())
        if names and parts:
            _check_id(argument, parts, names)


def _check_id(argument: str, parts: Sequence[str], names: Sequence[str]) -> None:
    several = len(names) > 1
    first = parts[1:2] if several else parts[:1]
    known = not several or parts[0] in names
    if known and all(part == END or _STEP.match(part) for part in first):
        return
    beginning = f"{names[0]}::" if several else ""
    raise InputError(
        "not the id of a runbook's test",
        where=argument,
        hint=f"ids continue with {f'{beginning}step 1 TITLE::HOST::status'!r} or {beginning + END!r}",
    )
