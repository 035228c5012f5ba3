"""The hook works under pre-commit itself, in a repository of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import yaml

TOP = Path(__file__).parents[2]
HOOKS = TOP / ".pre-commit-hooks.yaml"
NOTEBOOK = TOP / "notebooks" / "00_preflight.ipynb"


def run(*command: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


def test_the_manifest_is_one_that_pre_commit_accepts() -> None:
    ended = run(sys.executable, "-m", "pre_commit", "validate-manifest", str(HOOKS), cwd=TOP)
    assert (ended.returncode, ended.stdout) == (0, "")


def test_a_commit_with_a_finding_is_refused(tmp_path: Path) -> None:
    (hook,) = yaml.safe_load(HOOKS.read_text(encoding="utf-8"))
    verb = hook["entry"].removeprefix("runbook ")
    # With the environment of this test instead of one that pre-commit would install from the network.
    hook |= {"language": "system", "entry": f"{sys.executable} -m runbook_lib.cli.main {verb}"}
    config = {"repos": [{"repo": "local", "hooks": [hook]}]}
    (tmp_path / ".pre-commit-config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    (tmp_path / "notebooks").mkdir()
    text = NOTEBOOK.read_text(encoding="utf-8").replace("book.close()", "book.end()")
    (tmp_path / "notebooks" / NOTEBOOK.name).write_text(text, encoding="utf-8")
    assert run("git", "init", "--quiet", cwd=tmp_path).returncode == 0
    assert run("git", "add", ".", cwd=tmp_path).returncode == 0
    ended = run(sys.executable, "-m", "pre_commit", "run", cwd=tmp_path)
    assert ended.returncode == 1, ended.stdout + ended.stderr
    assert f"notebooks/{NOTEBOOK.name}, cell 9 (00-08), line 1: close" in ended.stdout
