"""Without the packages of the extras runbooks run, are sealed, verified and reported; the rest names the extra."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from runbook_lib.errors import RequirementError
from runbook_lib.extras import EXTRAS, load, missing_extra, named_extras
from runbook_lib.installation import Origin
from tests.deadlines import deadline

TOP = Path(__file__).parents[1]

# Python imports this when it starts, in kernels too: to it, the packages of the extras are not installed.
NOT_INSTALLED = f"""
import sys

class NotInstalled:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {sorted(module for modules in EXTRAS.values() for module in modules)!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, NotInstalled())
"""


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Return the environment variables of a process without the packages of the extras."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(NOT_INSTALLED, encoding="utf-8")
    (tmp_path / "work").mkdir()
    return {**os.environ, "PYTHONPATH": f"{tmp_path / 'site'}:{TOP}"}


SCRIPT = """
import contextlib, io, json, sys
from runbook_lib.cli.main import cli, _run

found = {}
for line in sys.stdin:
    words = json.loads(line)
    sys.argv = ["runbook", *words]
    with contextlib.redirect_stderr(io.StringIO()) as said:
        found[" ".join(words)] = [_run(), said.getvalue()]
for name in ("Archive", "tables"):
    try:
        __import__("runbook_lib").__getattr__(name)
    except Exception as problem:
        found[name] = [getattr(problem, "exit_code", 0), str(problem)]
print(json.dumps(found))
"""


def call(environment: dict[str, str], place: Path, verbs: list[list[str]]) -> dict[str, tuple[int, str]]:
    """Run commands in one process, and return the exit code and standard error of each."""
    ended = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        cwd=place / "work",
        env=environment,
        input="\n".join(map(json.dumps, verbs)),
        capture_output=True,
        text=True,
        check=False,
        timeout=deadline(120),
    )
    assert ended.returncode == 0, ended.stderr
    return {words: (code, said) for words, (code, said) in json.loads(ended.stdout.splitlines()[-1]).items()}


def test_hosts_need_no_extra(environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "work" / "inventory.yml").write_text(
        "hosts:\n  here: {connection: local}\n", encoding="utf-8"
    )
    verbs = [
        ["audit", "keygen", "operator"],
        ["run", "00_preflight", "-p", "inventory", "inventory.yml", "--sign-key", "operator"],
        ["report", "last", "--format", "html"],
        ["report", "last", "--format", "junit"],
        ["report", "last", "--format", "markdown"],
        ["audit", "verify", "last", "--trust", "operator.pub", "--without-source"],
        ["list"],
        ["lint", str(TOP / "notebooks")],
        ["new", "own"],
    ]
    ended = call(environment, tmp_path, verbs)
    assert [ended[" ".join(verb)] for verb in verbs] == [(0, "")] * len(verbs)
    (run,) = (tmp_path / "work" / "runs").iterdir()
    assert {path.name for path in run.iterdir()} >= {
        "attestation.json",
        "junit.xml",
        "report.html",
        "journal.jsonl",
    }


MISSING = {
    "audit list .": "archive",
    "audit query SELECT-1 --archive .": "archive",
    "audit scan . --policy params/audit/policy.yml": "archive",
    "audit html site .": "archive",
    "report RUN --format csv": "archive",
    "report RUN --format parquet": "archive",
    "run 00_preflight -p inventory inventory.yml --executor dask": "dask",
    "run 00_preflight -p inventory inventory.yml -p sudo ${keyring:a/b} --sign-key ${keyring:a/b}": "keyring",
    "lab up": "lab",
    "demo --no-cloud": "lab",
    "Archive": "archive",
    "tables": "archive",
}


def test_what_needs_an_extra_names_it(environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "work" / "inventory.yml").write_text(
        "hosts:\n  here: {connection: local}\n", encoding="utf-8"
    )
    run = TOP / "tests" / "evidence" / "old_archive"
    journal = next(path.parent for path in sorted(run.rglob("journal.jsonl")))
    verbs = [words.replace("RUN", str(journal)).split() for words in MISSING if " " in words]
    found = call(environment, tmp_path, verbs)
    wanted = {words.replace("RUN", str(journal)): extra for words, extra in MISSING.items()}
    for words, extra in wanted.items():
        code, message = found[words]
        assert code == RequirementError.exit_code, words
        assert Origin.installed().pip_install(extra) in message, words
        assert "is not installed" in message, words


def test_the_notebook_with_plots_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    class WithoutPlots:
        def find_spec(self, name: str, *_: object) -> None:
            if name.partition(".")[0] == "matplotlib":
                raise ModuleNotFoundError(name=name)

    monkeypatch.setattr(sys, "meta_path", [WithoutPlots(), *sys.meta_path])
    for module in [name for name in sys.modules if name.partition(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, module)
    cells = json.loads((TOP / "notebooks" / "95_audit.ipynb").read_text(encoding="utf-8"))["cells"]
    imports = next(source for cell in cells if "import matplotlib" in (source := "".join(cell["source"])))
    with pytest.raises(RequirementError, match="plots need the Python package matplotlib") as missing:
        exec(imports, {})  # noqa: S102 - as the kernel executes it
    assert missing.value.hint == Origin.installed().pip_install("plots")


@pytest.mark.parametrize(
    ("extra", "module"), [(extra, item) for extra, found in EXTRAS.items() for item in found]
)
def test_a_module_that_is_missing_is_explained(extra: str, module: str) -> None:
    explained = missing_extra(ModuleNotFoundError(name=module))
    assert explained is not None
    assert explained.hint == Origin.installed().pip_install(extra)
    assert module in explained.message


def test_other_missing_modules_are_left_as_they_are() -> None:
    assert missing_extra(ModuleNotFoundError(name="pyarrow.nothing")) is None
    with pytest.raises(ModuleNotFoundError, match="nothing_like_it"), named_extras():
        load("nothing_like_it")
    with pytest.raises(ModuleNotFoundError):
        load("pyarrow.nothing_like_it")
