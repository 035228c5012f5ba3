"""What a step shows while it runs, and that nothing of it stays once it has ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runbook_lib.connections.output_budget import OutputBudget
from runbook_lib.evidence.layout import STEP_MIME
from tests.display.test_cell_magic import begin

if TYPE_CHECKING:
    from pathlib import Path

    from tests.ipython_kernel import Kernel

SLOW = "echo first; echo 'second <b>line</b>'; printf unfinished; sleep 3"


def outputs(shown: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What a front end keeps of a cell's outputs: an update takes the place of the output with its display id."""
    kept: dict[str, dict[str, Any]] = {}
    for number, item in enumerate(shown):
        if item["msg_type"] in {"display_data", "update_display_data"}:
            name = item["content"].get("transient", {}).get("display_id") or str(number)
            assert (item["msg_type"] == "update_display_data") is (name in kept)
            kept[name] = item["content"]["data"]
    return list(kept.values())


def test_a_slow_step_is_watched_and_leaves_its_final_card_only(kernel: Kernel, tmp_path: Path) -> None:
    begin(kernel, tmp_path)
    shown = kernel.execute(
        f"book.step('Slow', Does(('sh', '-c', \"{SLOW}\")))\nbook.step('Quick', Does(('true',)))"
    )
    live = [
        item["content"]["data"]
        for item in shown
        if item["msg_type"].endswith("display_data") and STEP_MIME not in item["content"]["data"]
    ]
    assert live
    texts = [data["text/plain"].splitlines() for data in live]
    assert all(lines[0].startswith("1. Slow: running, ") for lines in texts)
    # The first refresh may come before the first line, the last one after the end of a host.
    watched = [lines for lines in texts if lines[2::2] == ["  | second <b>line</b>"] * 2]
    assert watched, texts
    assert [line.partition(",")[0] for line in watched[0][1::2]] == ["host-a", "host-b"]
    assert any("&lt;b&gt;line" in data["text/html"] for data in live)
    kept = outputs(shown)
    assert [data[STEP_MIME]["title"] for data in kept] == ["Slow", "Quick"]
    kernel.run("book.close()")


SLOW_FACT = """
from dataclasses import dataclass
from runbook_lib.facts.base import Fact
from runbook_lib.model.commands import Command

@dataclass(frozen=True)
class Token(Fact[str]):
    "A token that the host shows, and a command that takes its time."

    def request(self):
        return Command(("sh", "-c", "cat shown; sleep 3"), secret_output="token")

    def parse(self, output):
        return output.stdout.strip()

book.facts('Read the token', Token())
"""


def test_a_secret_that_a_host_shows_is_on_no_live_card(kernel: Kernel, tmp_path: Path) -> None:
    begin(kernel, tmp_path)
    (tmp_path / "shown").write_text("SWMTKN-1-5f2e9c\n", encoding="utf-8")
    shown = kernel.execute(SLOW_FACT.replace("cat shown", f"cat {tmp_path}/shown"))
    texts = [item["content"]["data"]["text/plain"] for item in shown if "data" in item["content"]]
    assert any("running" in text for text in texts)
    assert "5f2e9c" not in str(shown)
    kernel.run("book.close()")


def test_the_last_line_is_a_complete_one() -> None:
    limit = OutputBudget(1000, 1000).limit()
    assert limit.last_line == ""
    for piece in (b"one\ntw", b"o\n\n", b"thr"):
        limit.accept("stdout", piece)
    limit.accept("stderr", b"trouble\n")
    assert limit.last_line == "two"
