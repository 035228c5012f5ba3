"""Ctrl-C while the command is being loaded ends it with one word and its exit code."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.deadlines import deadline

_INTERRUPTED = """
import signal, sys

class Interrupting:
    def find_spec(self, name, *rest):
        if name == {module!r}:
            signal.raise_signal(signal.SIGINT)

signal.signal(signal.SIGINT, signal.default_int_handler)
sys.meta_path.insert(0, Interrupting())
sys.argv = ["runbook", *{words!r}]
from runbook_lib.cli.entry_point import main
main()
"""


def start(module: str, *words: str) -> subprocess.CompletedProcess[str]:
    code = _INTERRUPTED.format(module=module, words=words)
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=deadline(60)
    )


@pytest.mark.parametrize(
    "module", ["runbook_lib.cli.main", "click", "runbook_lib.signal_handlers", "runbook_lib.cli.lint"]
)
def test_an_interrupt_while_a_module_is_loaded_is_said_in_one_word(module: str) -> None:
    done = start(module, "lint", "--help")
    assert (done.returncode, done.stdout, done.stderr.lstrip()) == (4, "", "interrupted\n")


def test_without_an_interrupt_the_command_runs() -> None:
    done = start("no_such_module", "lint", "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert "Usage: runbook lint" in done.stdout
