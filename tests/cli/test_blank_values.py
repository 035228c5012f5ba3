"""An option or a path whose value is empty is refused: it is a variable of the shell that is not set."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
import pytest
from click.testing import CliRunner

from runbook_lib.cli.blank_values import refuse_blank
from runbook_lib.cli.run import run_command
from runbook_lib.errors import ParameterError
from runbook_lib.runbook.notebook.run_directory import check_parent

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("option", ["-f", "--matrix", "--resume", "--scheduler", "--sign-key"])
@pytest.mark.parametrize("value", ["", " "])
def test_an_empty_value_is_not_as_if_the_option_were_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, option: str, value: str
) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(run_command, ["hello", option, value])
    assert done.exit_code == 2
    assert f"Invalid value for '{option}': the value is empty" in done.output


def test_a_value_passes_and_so_does_none() -> None:
    context = click.Context(run_command)
    option = run_command.params[0]
    assert refuse_blank(context, option, "a b") == "a b"
    assert refuse_blank(context, option, None) is None


@pytest.mark.parametrize("runs", ["", " "])
def test_run_directories_are_not_made_where_nobody_said(runs: str) -> None:
    with pytest.raises(ParameterError, match="`runs` is empty") as refused:
        check_parent(runs, "parameters of hello")
    assert refused.value.hint
