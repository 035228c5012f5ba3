"""`runbook doctor` on a machine that lacks something."""

from __future__ import annotations

from typing import TYPE_CHECKING

from click.testing import CliRunner

from runbook_lib.cli.main import cli

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_a_home_directory_that_does_not_exist_is_one_of_the_things_lacking(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "none"))
    done = CliRunner().invoke(cli, ["doctor"], catch_exceptions=False)
    assert "✗ no home directory" in done.output
    assert "set HOME, or RUNBOOK_CACHE" in done.output
