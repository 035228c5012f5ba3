"""The wheel, installed into an environment of its own, is all that a user needs: `make test-wheel`."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.deadlines import deadline

pytestmark = pytest.mark.wheel
TOP = Path(__file__).parents[1]
_INSTALL = 600.0  # seconds; most of it is unpacking
_DEMO = 1800.0  # seconds; the first one installs Docker from the network


class Installed:
    """An environment with the wheel, and an empty folder.

    Args:
        place: For both.
        wheel: The wheel.
        extras: Such as `[archive]`.
    """

    def __init__(self, place: Path, wheel: Path, extras: str = "") -> None:
        self.place = place
        self.bin = place / "venv" / "bin"
        self.folder = place / "empty"
        self.folder.mkdir(parents=True)
        run(sys.executable, "-m", "venv", str(place / "venv"), cwd=place)
        constraints = ("--constraint", str(TOP / "constraints.txt"))
        run(str(self.bin / "pip"), "install", "--quiet", *constraints, f"{wheel}{extras}", cwd=place)

    def runbook(self, *words: str, most: float = _INSTALL) -> subprocess.CompletedProcess[str]:
        return run(str(self.bin / "runbook"), *words, cwd=self.folder, check=False, most=most)

    @property
    def site_packages(self) -> Path:
        (found,) = (self.place / "venv" / "lib").glob("python*/site-packages/runbook_lib")
        return found


def run(
    *command: str, cwd: Path, check: bool = True, most: float = _INSTALL
) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(
        command,
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        check=check,
        timeout=deadline(most),
    )


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", str(target), str(TOP), cwd=target)
    (found,) = target.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def plain(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    return Installed(tmp_path_factory.mktemp("plain"), wheel)


def test_the_wheel_contains_the_book_and_nothing_of_this_machine(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    for folder in ("notebooks", "params", "images"):
        tracked = run("git", "ls-files", folder, cwd=TOP).stdout.split()
        bundled = {
            name.removeprefix("runbook_lib/bundled/") for name in names if f"bundled/{folder}/" in name
        }
        assert bundled == set(tracked)
    assert not [name for name in names if name.startswith("tests/")]
    assert "runbook_lib/new_repository/templates/notebooks/@NAME@.ipynb.template" in names


def test_the_books_runbooks_run_in_an_empty_folder(plain: Installed) -> None:
    before = {
        path: path.stat().st_mtime_ns for path in plain.site_packages.rglob("*") if path.suffix != ".pyc"
    }
    listed = plain.runbook("list")
    assert (listed.returncode, listed.stderr) == (0, "")
    assert "00_preflight" in listed.stdout
    assert plain.runbook("show", "00_preflight").returncode == 0
    refused = plain.runbook("run", "00_preflight")
    assert refused.returncode == 2
    assert "`runbook lab up` writes params/lab/inventory.yml" in refused.stderr
    (plain.folder / "inventory.yml").write_text("hosts:\n  here: {connection: local}\n", encoding="utf-8")
    ended = plain.runbook("run", "00_preflight", "-p", "inventory", "inventory.yml")
    assert (ended.returncode, ended.stderr) == (0, ""), ended.stdout
    assert plain.runbook("report", "last", "--format", "markdown").returncode == 0
    assert plain.runbook("audit", "verify", "last", "--without-source", "--allow", "unsigned").returncode == 0
    after = {path: path.stat().st_mtime_ns for path in before if path.exists()}
    assert {path for path in before if path.is_file() and before[path] != after.get(path)} == set()


def test_a_runbook_of_ones_own_runs_at_once(plain: Installed) -> None:
    assert plain.runbook("new", "own").returncode == 0
    assert plain.runbook("lint").returncode == 0
    made = plain.folder / "made"
    ended = plain.runbook("run", "own", "-p", "directory", str(made))
    assert (ended.returncode, ended.stderr) == (0, ""), ended.stdout
    assert made.is_dir()


@pytest.mark.parametrize(
    ("words", "extra"),
    [
        ("audit list", "archive"),
        ("lab up", "lab"),
        ("demo", "lab"),
        ("run 00_preflight --executor dask", "dask"),
    ],
)
def test_what_needs_an_extra_names_it(plain: Installed, words: str, extra: str) -> None:
    (plain.folder / "runs").mkdir(exist_ok=True)
    elsewhere = plain.place / "elsewhere" / "params" / "lab"
    elsewhere.mkdir(parents=True, exist_ok=True)
    (elsewhere / "inventory.yml").write_text("hosts:\n  here: {connection: local}\n", encoding="utf-8")
    (elsewhere.parents[1] / "runs").mkdir(exist_ok=True)
    ended = run(str(plain.bin / "runbook"), *words.split(), cwd=elsewhere.parents[1], check=False)
    assert ended.returncode == 2
    assert re.search(rf"pip install '/.*/runbook_lib-.*\.whl\[{extra}\]'", ended.stderr)


@pytest.mark.timeout(deadline(2 * _DEMO))
def test_practice_hosts_and_the_demo_run_in_an_empty_folder(wheel: Path, tmp_path: Path) -> None:
    """As root, with the lab's system packages."""
    installed = Installed(tmp_path, wheel, "[lab]")
    name = f"wheel-{os.getpid()}"
    try:
        up = installed.runbook("lab", "up", "--name", name)
        assert (up.returncode, up.stderr) == (0, ""), up.stdout
        inventory = up.stdout.strip().rpartition("inventory: ")[2]
        ended = installed.runbook("run", "00_preflight", "-p", "inventory", inventory)
        assert ended.returncode == 0, ended.stdout + ended.stderr
        demo = installed.runbook("demo", "--no-cloud", "--name", name, most=_DEMO)
        assert (demo.returncode, demo.stderr) == (0, ""), demo.stdout
        assert "PING from host-b through both ambassadors: PONG" in demo.stdout
        assert "The demo passed: " in demo.stdout
        report = Path(demo.stdout.partition("  report: ")[2].split("\n")[0].strip())
        assert report.stat().st_size
        assert report.parent == installed.folder / "runs"
        assert f"runbook lab down --name {name}" in demo.stdout
    finally:
        down = installed.runbook("lab", "down", "--name", name)
    assert "nothing remains" in down.stdout


def test_with_the_extra_it_works(wheel: Path, tmp_path: Path) -> None:
    installed = Installed(tmp_path, wheel, "[archive]")
    (installed.folder / "runs").mkdir()
    ended = installed.runbook("audit", "list")
    assert (ended.returncode, ended.stderr) == (0, ""), ended.stdout


def test_pre_commit_installs_the_hook_and_a_finding_refuses_the_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PRE_COMMIT_HOME", str(tmp_path / "environments"))
    repository = tmp_path / "own"
    (repository / "notebooks").mkdir(parents=True)
    text = (TOP / "notebooks" / "00_preflight.ipynb").read_text(encoding="utf-8")
    notebook = repository / "notebooks" / "00_preflight.ipynb"
    hook = (sys.executable, "-m", "pre_commit", "try-repo", str(TOP), "runbook-lint", "--all-files")
    for content, code, said in (
        (text, 0, "Passed"),
        (text.replace("book.close()", "book.end()"), 1, "line 1: close"),
    ):
        notebook.write_text(content, encoding="utf-8")
        run("git", "init", "--quiet", ".", cwd=repository)
        run("git", "add", ".", cwd=repository)
        ended = run(*hook, cwd=repository, check=False)
        assert ended.returncode == code, ended.stdout + ended.stderr
        assert said in ended.stdout


def test_every_extra_can_be_installed_with_the_versions_that_the_tests_passed_with() -> None:
    constraints = ("--constraint", "constraints.txt", "--python-version", "3.11")
    found = run(
        sys.executable, "-m", "uv", "pip", "compile", "--all-extras", *constraints, "pyproject.toml", cwd=TOP
    )
    names = [
        {
            re.sub("[-_.]+", "-", line.split("==")[0].split("[")[0]).lower()
            for line in text.splitlines()
            if line[:1].isalnum()
        }
        for text in (found.stdout, (TOP / "constraints.txt").read_text(encoding="utf-8"))
    ]
    assert len(names[0]) > 100
    assert names[0] - names[1] == set()
