"""What a host wrote on its console while nobody could ask it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runbook_lib.runbook.steps.serial_console import Console

if TYPE_CHECKING:
    from pathlib import Path

PANIC = "[    1.9] Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)"


def tail_of(path: Path, text: str, lines: int = 8) -> list[str]:
    console = Console(str(path))
    path.write_text("before the mark\n")
    console.mark()
    with path.open("a") as file:
        file.write(text)
    return console.tail(lines).splitlines()


def test_only_lines_since_the_mark_are_returned(tmp_path: Path) -> None:
    assert tail_of(tmp_path / "log", "one\r\n\x1b[2Jtwo\x1b[0m\n\n") == ["one", "two"]


def test_the_last_lines_of_a_successful_boot_are_returned(tmp_path: Path) -> None:
    assert tail_of(tmp_path / "log", "\n".join(map(str, range(50)))) == [
        str(number) for number in range(42, 50)
    ]


def test_a_panic_comes_before_the_boot_that_followed(tmp_path: Path) -> None:
    text = "\n".join([*map(str, range(50)), PANIC, "Rebooting in 5 seconds..", *map(str, range(60, 99))])
    assert tail_of(tmp_path / "log", text) == [
        *("46", "47", "48", "49", PANIC, "Rebooting in 5 seconds..", "…", "97", "98")
    ]


def test_a_truncated_log_is_read_from_its_beginning(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text("a long text before the mark\n")
    console = Console(str(path))
    console.mark()
    path.write_text("new\n")
    assert console.tail() == "new"


def test_a_host_without_a_console_returns_nothing(tmp_path: Path) -> None:
    for path in (None, str(tmp_path / "missing")):
        console = Console(path)
        console.mark()
        assert console.tail() == ""
