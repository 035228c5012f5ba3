"""`tools/set-up` makes an environment again that was interrupted, moved, copied, or made by another Python.

Environment and pip are replaced by modules that only note what they were asked for.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.deadlines import deadline, wait_until

if TYPE_CHECKING:
    import subprocess

    from tests.programs import Programs

TOP = Path(__file__).parents[1]
PYTHON = Path(sys.base_prefix, "bin", "python3").resolve()
VENV = """
import os, pathlib, shutil, signal, sys
*options, top = sys.argv[1:]
if "--clear" in options:
    shutil.rmtree(top)
bin = pathlib.Path(top, "bin")
bin.mkdir(parents=True, exist_ok=True)
(bin.parent / "pyvenv.cfg").write_text(f"home = {pathlib.Path(sys._base_executable).parent}")
(bin / "python").symlink_to(sys._base_executable)
if pathlib.Path("interrupt").exists():
    os.kill(os.getppid(), signal.SIGKILL)
"""
PIP = """
import pathlib, shutil, sys, time
if sys.argv[1:] == ["config", "list"]:
    print(pathlib.Path("settings").read_text() if pathlib.Path("settings").exists() else "")
elif "uv" in sys.argv[2:]:
    if not pathlib.Path("uv").exists():
        sys.exit(1)
    shutil.copy("uv", ".venv/bin/uv")
else:
    with open("installations", "a") as log:
        log.write(f"{pathlib.Path.cwd()}\\n")
    while pathlib.Path("wait").exists():
        time.sleep(0.05)
"""
UV = """#!/bin/sh
env | grep -E '^(UV_|SSL_CERT_FILE)' | sort >asked
echo "$*" >>asked
exit {code}
"""
# The other Python is the same one with another name.
OTHER = f'#!/bin/sh\nOTHER="$(dirname "$(readlink -f "$0")")/other" exec {PYTHON} "$@"\n'
CUSTOMIZE = "import os, sys\nsys._base_executable = os.environ.get('OTHER') or sys._base_executable\n"


class Clone:
    """A clone with the files that `tools/set-up` reads."""

    def __init__(self, top: Path, programs: Programs) -> None:
        self.top = top
        self.environment = top / ".venv"
        self._programs = programs

    def start(self, python: str | None = None) -> subprocess.Popen[str]:
        tools = self.top.parent / "tools"
        given = {"PYTHON": python} if python else {}
        own = ("PYTHON", "VENV", "OTHER", "SSL_CERT_FILE")
        kept = {
            name: value
            for name, value in os.environ.items()
            if name not in own and not name.startswith("UV_")
        }
        path = f"{tools / 'bin'}{os.pathsep}{os.environ['PATH']}"
        return self._programs.start(
            [self.top / "tools" / "set-up", "test"],
            env={**kept, "PATH": path, "PYTHONPATH": str(tools / "modules"), **given},
        )

    def set_up(self, python: str | None = None) -> str:
        process = self.start(python)
        output, _ = process.communicate(timeout=deadline(60))
        assert process.returncode == 0, output
        return output

    def installations(self) -> list[str]:
        """Return the directory of the clone at each installation."""
        file = self.top / "installations"
        return file.read_text(encoding="utf-8").split() if file.exists() else []

    def offer_uv(self, code: int = 0) -> None:
        """Have pip find a uv, which ends with this exit code."""
        (self.top / "uv").write_text(UV.format(code=code), encoding="utf-8")
        (self.top / "uv").chmod(0o755)

    def asked(self) -> list[str]:
        """Return what uv was asked for: its settings, and its arguments last."""
        file = self.top / "asked"
        return file.read_text(encoding="utf-8").splitlines() if file.exists() else []


@pytest.fixture
def clone(tmp_path: Path, programs: Programs) -> Clone:
    modules = tmp_path / "tools" / "modules"
    for name, text in (("venv", VENV), ("pip", PIP), ("sitecustomize", CUSTOMIZE)):
        (modules / name).mkdir(parents=True)
        (modules / name / "__init__.py").write_text(text if name == "sitecustomize" else "", encoding="utf-8")
        (modules / name / "__main__.py").write_text(text, encoding="utf-8")
    programs_of_path = tmp_path / "tools" / "bin"
    programs_of_path.mkdir()
    (programs_of_path / "python3").symlink_to(PYTHON)
    (programs_of_path / "other").write_text(OTHER, encoding="utf-8")
    (programs_of_path / "other").chmod(0o755)
    top = tmp_path / "clone"
    (top / "tools").mkdir(parents=True)
    shutil.copy(TOP / "tools" / "set-up", top / "tools")
    (top / "pyproject.toml").touch()
    (top / "constraints.txt").write_text("a==1\n", encoding="utf-8")
    return Clone(top, programs)


def test_a_second_set_up_does_nothing(clone: Clone) -> None:
    clone.set_up()
    clone.set_up()
    assert clone.installations() == [str(clone.top)]


def test_an_environment_whose_making_was_interrupted_is_made_again(clone: Clone) -> None:
    (clone.top / "interrupt").touch()
    assert clone.start().wait(deadline(60)) != 0
    assert (clone.environment / "bin" / "python").exists()
    (clone.top / "interrupt").unlink()
    (clone.environment / "left").touch()
    clone.set_up()
    assert not (clone.environment / "left").exists()
    assert clone.installations() == [str(clone.top)]


def test_an_interrupted_installation_is_no_complete_one_for_the_files_before(clone: Clone) -> None:
    clone.set_up()
    (clone.top / "pyproject.toml").write_text("another", encoding="utf-8")
    (clone.top / "wait").touch()
    process = clone.start()
    wait_until(lambda: len(clone.installations()) == 2, "pip")
    process.kill()
    process.wait(deadline(60))
    (clone.top / "wait").unlink()
    (clone.top / "pyproject.toml").write_text("", encoding="utf-8")
    clone.set_up()
    assert len(clone.installations()) == 3


@pytest.mark.parametrize("bring", [shutil.move, shutil.copytree])
def test_a_clone_in_another_place_gets_an_environment_of_its_own(
    clone: Clone, bring: object, tmp_path: Path, programs: Programs
) -> None:
    clone.set_up()
    options = {"symlinks": True} if bring is shutil.copytree else {}
    assert callable(bring)
    bring(clone.top, tmp_path / "elsewhere", **options)
    elsewhere = Clone(tmp_path / "elsewhere", programs)
    (elsewhere.environment / "left").touch()
    elsewhere.set_up()
    assert not (elsewhere.environment / "left").exists()
    assert elsewhere.installations() == [str(clone.top), str(elsewhere.top)]


def test_another_python_makes_the_environment_again_and_is_kept(clone: Clone, tmp_path: Path) -> None:
    clone.set_up()
    clone.set_up("other")
    made_by = (clone.environment / "bin" / "python").readlink()
    assert made_by == tmp_path / "tools" / "bin" / "other"
    clone.set_up()
    clone.set_up("other")
    assert len(clone.installations()) == 2
    assert (clone.environment / "bin" / "python").readlink() == made_by


def test_a_directory_that_is_not_an_environment_is_not_cleared(clone: Clone) -> None:
    clone.environment.mkdir()
    (clone.environment / "own").touch()
    clone.set_up()
    assert (clone.environment / "own").exists()


def test_of_two_set_ups_at_once_one_waits(clone: Clone) -> None:
    if shutil.which("flock") is None:
        pytest.skip("needs flock, as the set-up does to wait")
    (clone.top / "wait").touch()
    first = clone.start()
    wait_until(clone.installations, "pip")
    second = clone.start()
    assert second.stdout
    assert second.stdout.readline() == "set-up: waiting for another set-up of this clone\n"
    (clone.top / "wait").unlink()
    assert (first.wait(deadline(60)), second.wait(deadline(60))) == (0, 0)
    assert len(clone.installations()) == 1


def test_uv_installs_the_packages_where_it_can_be_had(clone: Clone) -> None:
    clone.offer_uv()
    clone.set_up()
    assert clone.installations() == []
    *settings, arguments = clone.asked()
    assert settings == []
    assert arguments.split()[-3:] == ["constraints.txt", "--editable", ".[test]"]


def test_uv_takes_packages_from_where_pip_is_to_take_them(clone: Clone) -> None:
    clone.offer_uv()
    (clone.top / "settings").write_text(
        ":env:.cert='/certificates'\nglobal.extra-index-url='\\nhttps://two/simple\\nhttps://three/simple'\n"
        "global.index-url='https://one/simple'\nglobal.timeout='60'\n",
        encoding="utf-8",
    )
    clone.set_up()
    assert clone.asked()[:-1] == [
        "SSL_CERT_FILE=/certificates",
        "UV_DEFAULT_INDEX=https://one/simple",
        "UV_INDEX= https://two/simple https://three/simple",
        "UV_INDEX_STRATEGY=unsafe-best-match",
    ]


def test_pip_installs_what_uv_could_not(clone: Clone) -> None:
    clone.offer_uv(code=1)
    assert "set-up: uv failed; pip tries\n" in clone.set_up()
    assert clone.asked()
    assert clone.installations() == [str(clone.top)]


def test_pip_installs_if_it_is_to_ask_no_index(clone: Clone) -> None:
    clone.offer_uv()
    (clone.top / "settings").write_text("global.no-index='true'\n", encoding="utf-8")
    clone.set_up()
    assert clone.asked() == []
    assert clone.installations() == [str(clone.top)]
