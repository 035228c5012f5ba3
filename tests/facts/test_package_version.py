"""A package that dpkg cannot look up is not one that is not installed."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from runbook_lib.facts.packages import PackageVersion
from runbook_lib.model.commands import Command

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(("code", "printed"), [(1, "none\n"), (2, "")])
def test_only_dpkgs_own_no_is_one(tmp_path: Path, code: int, printed: str) -> None:
    program = tmp_path / "dpkg-query"
    program.write_text(f"#!/bin/sh\nexit {code}\n", encoding="utf-8")
    program.chmod(0o755)
    asked = PackageVersion("docker.io").request()
    assert isinstance(asked, Command)
    search_path = f"{tmp_path}:{os.environ['PATH']}"
    done = subprocess.run(
        asked.argv, check=False, capture_output=True, text=True, env={**os.environ, "PATH": search_path}
    )
    assert (done.stdout, done.returncode) == (printed, 0 if printed else code)
    assert done.stderr == ("" if printed else f"dpkg-query: exit code {code}\n")
