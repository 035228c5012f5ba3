"""The lessons and the learner's folder, without a server."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from runbook_lib.errors import InputError
from runbook_lib.learning.lessons import default_hosts, find_lesson, lessons, preparation
from runbook_lib.learning.start_page import start_page
from runbook_lib.learning.workspace import Workspace

TOP = Path(__file__).parents[2]
KNOWN = lessons()


def test_every_notebook_is_a_lesson_and_those_without_hosts_come_first() -> None:
    assert {lesson.name for lesson in KNOWN} == {path.stem for path in (TOP / "notebooks").glob("*.ipynb")}
    assert KNOWN[0].name == "01_first_steps"
    assert KNOWN[0].hosts == ()
    assert KNOWN[-1].name == "95_audit"
    assert find_lesson("30", KNOWN).title == "Containers on the physical network: br0"
    assert find_lesson("40", KNOWN).hosts == ("host-a", "host-b")
    assert find_lesson("10", KNOWN).hosts == ("cloud",)
    assert default_hosts(KNOWN) == ["host-a", "host-b"]


def test_a_lesson_is_found_by_the_beginning_of_its_name() -> None:
    assert find_lesson("notebooks/20_docker_install.ipynb", KNOWN).name == "20_docker_install"
    assert find_lesson("20", KNOWN).name == "20_docker_install"
    with pytest.raises(InputError, match="2 lessons begin with '0'"):
        find_lesson("0", KNOWN)
    with pytest.raises(InputError, match="did you mean 30_bridge_br0"):
        find_lesson("30_brigde", KNOWN)
    with pytest.raises(InputError, match="unknown lesson ''"):
        find_lesson("", KNOWN)


def test_what_comes_before_a_lesson_is_carried_out_in_order() -> None:
    assert preparation(find_lesson("40", KNOWN), KNOWN) == ["00_preflight", "20_docker_install"]
    assert preparation(find_lesson("00", KNOWN), KNOWN) == []


def test_working_copies_are_the_learners(tmp_path: Path) -> None:
    folder = Workspace(tmp_path / "learn")
    assert folder.prepare(KNOWN) == []
    copy = folder.notebook("01_first_steps")
    assert copy.read_bytes() == (TOP / "notebooks" / "01_first_steps.ipynb").read_bytes()
    copy.write_text("mine", encoding="utf-8")
    folder.prepare(KNOWN)
    assert copy.read_text(encoding="utf-8") == "mine"
    (kept,) = folder.prepare(KNOWN, fresh=["01_first_steps"])
    assert kept.read_text(encoding="utf-8") == "mine"
    assert copy.stat().st_size > 1000
    assert (folder.top / ".gitignore").read_text(encoding="utf-8") == "*\n"
    assert (folder.top / "params" / "example" / "this-machine.yml").is_file()


def test_a_copy_of_parameters_is_read_by_those_who_may_read_them_and_edited_by_the_learner(
    tmp_path: Path,
) -> None:
    folder = Workspace(tmp_path / "learn")
    copies = folder.top / "params" / "lab"
    for name, mode in (("private", 0o600), ("read-only", 0o440), ("public", 0o644)):
        file = tmp_path / "params" / "lab" / f"{name}.yml"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("hosts: this\n", encoding="utf-8")
        file.chmod(mode)
    umask = os.umask(0o022)
    try:
        folder.prepare(KNOWN)
    finally:
        os.umask(umask)
    modes = {path.stem: stat.S_IMODE(path.stat().st_mode) for path in copies.glob("*.yml")}
    assert modes == {"private": 0o600, "read-only": 0o640, "public": 0o644}
    assert (copies / "private.yml").read_text(encoding="utf-8") == "hosts: this\n"


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    other = tmp_path / "learn"
    other.mkdir()
    for name in (".gitignore", "START.md"):
        (other / name).write_text("mine", encoding="utf-8")
    with pytest.raises(InputError, match="did not make"), Workspace(other).locked():
        pass
    assert {path.name: path.read_text() for path in other.iterdir()} == {
        ".gitignore": "mine",
        "START.md": "mine",
    }
    (tmp_path / "empty").mkdir()
    for _ in range(2):
        with Workspace(tmp_path / "empty").locked():
            pass


def test_the_folder_is_for_one_at_a_time(tmp_path: Path) -> None:
    folder = Workspace(tmp_path / "learn")
    with (
        folder.locked(),
        pytest.raises(InputError, match="is running in this folder already"),
        folder.locked(),
    ):
        pass
    with folder.locked():
        pass


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "learn").write_text("a file", encoding="utf-8")
    with pytest.raises(InputError, match="cannot be written"), Workspace(tmp_path / "learn").locked():
        pass


def test_the_inventory_is_that_of_the_lab(tmp_path: Path) -> None:
    folder = Workspace(tmp_path / "learn")
    folder.prepare(KNOWN)
    (tmp_path / "inventory.yml").write_text("hosts: {}\n", encoding="utf-8")
    found = folder.top / "params" / "lab" / "inventory.yml"
    found.write_text("mine", encoding="utf-8")
    kept = found.with_name("inventory.before-1.yml")
    assert [folder.link_inventory(tmp_path / "inventory.yml") for _ in range(2)] == [kept, None]
    assert kept.read_text(encoding="utf-8") == "mine"
    assert found.read_text(encoding="utf-8") == "hosts: {}\n"


def test_the_first_page_says_what_there_is() -> None:
    page = start_page(KNOWN, ["host-a", "host-b"], "", lab="default", hosts_end=True)
    assert "Your practice hosts are up:** `host-a`, `host-b`" in page
    assert (
        "[Install the Docker engine](notebooks/20_docker_install.ipynb) | host-a, host-b | 00_preflight |"
        in page
    )
    assert "| cloud (not running) |" in page
    assert "as in `runbook learn 10_kernel_upgrade`" in page
    assert "The practice hosts end too" in page
    assert "`runbook lab break random`" in page
    without = start_page(KNOWN, [], "The lab needs\nroot | so.", lab="default", hosts_end=False)
    assert "There are no practice hosts here.** The lab needs root \\| so." in without
    assert "Open [First steps: look at one machine](notebooks/01_first_steps.ipynb)" in without
    other = start_page(KNOWN, ["host-a"], "", lab="class", hosts_end=False)
    assert "runbook lab shell --name class host-a" in other
    assert "`runbook lab down --name class` ends them" in other
