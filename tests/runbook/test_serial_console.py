"""What a host wrote on its console while nobody could ask it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runbook_lib.runbook.serial_console import Console

if TYPE_CHECKING:
    from pathlib import Path

PANIC = "[    1.9] Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)"


def told(path: Path, text: str, lines: int = 8) -> list[str]:
    console = Console(str(path))
    path.write_text("before the mark\n")
    console.mark()
    with path.open("a") as file:
        file.write(text)
    return console.tail(lines).splitlines()


def test_only_what_came_since_the_mark_is_told(tmp_path: Path) -> None:
    assert told(tmp_path / "log", "one\r\n\x1b[2Jtwo\x1b[0m\n\n") == ["one", "two"]


def test_the_last_lines_are_told_of_a_boot_that_went_well(tmp_path: Path) -> None:
    assert told(tmp_path / "log", "\n".join(map(str, range(50)))) == [str(number) for number in range(42, 50)]


def test_a_panic_is_told_before_the_boot_that_followed(tmp_path: Path) -> None:
    text = "\n".join([*map(str, range(50)), PANIC, "Rebooting in 5 seconds..", *map(str, range(60, 99))])
    assert told(tmp_path / "log", text) == [
        *("46", "47", "48", "49", PANIC, "Rebooting in 5 seconds..", "…", "97", "98")
    ]


def test_a_log_begun_anew_is_told_from_its_beginning(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text("a long text before the mark\n")
    console = Console(str(path))
    console.mark()
    path.write_text("new\n")
    assert console.tail() == "new"


def test_a_host_without_a_console_tells_nothing(tmp_path: Path) -> None:
    for path in (None, str(tmp_path / "missing")):
        console = Console(path)
        console.mark()
        assert console.tail() == ""
