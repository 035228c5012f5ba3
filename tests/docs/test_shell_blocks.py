"""Every block of shell commands in the documentation says how it is tested, and each command in it exists."""

from __future__ import annotations

import itertools
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest

from runbook_lib.cli.main import cli
from runbook_lib.cli.parameter_option import ParameterCommand, split_pairs
from tests.docs.blocks import blocks

if TYPE_CHECKING:
    from collections.abc import Iterator

TOP = Path(__file__).parents[2]
PAGES = sorted([*TOP.glob("*.md"), *(TOP / "docs").rglob("*.md")])
EACH = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(TOP)))
_SEPARATOR = re.compile(r"[;&|<>()]+")
_ASSIGNMENT = re.compile(r"[A-Z_]+=")


def runbook_commands(page: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield line of the block, and the words after `runbook`, of each command of ours on a page."""
    for block in blocks(page):
        for command in block.commands if block.is_shell else ():
            lexer = shlex.shlex(command, posix=True, punctuation_chars=True)
            lexer.wordchars += "$@%^,…{}[]:=+"
            lexer.whitespace_split = False
            words = list(itertools.takewhile(lambda word: not _SEPARATOR.fullmatch(word), lexer))
            while words and _ASSIGNMENT.match(words[0]):
                del words[0]
            if words and words[0].removeprefix(".venv/bin/") == "runbook":
                yield block.line, words[1:]


def refused(words: list[str]) -> str:
    """Why the command line would not accept these words; empty if it would. Values are not looked at, but choices."""
    command: click.Command = cli
    context = click.Context(cli, info_name="runbook", **cli.context_settings)
    while True:
        try:
            words = [*split_pairs(words)] if isinstance(command, ParameterCommand) else words
            values, rest, order = command.make_parser(context).parse_args(list(words))
        except click.UsageError as problem:
            return problem.format_message()
        for parameter in order:
            if isinstance(parameter.type, click.Choice) and isinstance(values.get(parameter.name or ""), str):
                try:
                    parameter.type.convert(values[parameter.name or ""], parameter, context)
                except click.UsageError as problem:
                    return problem.format_message()
        if not isinstance(command, click.Group) or not rest:
            return ""
        try:
            name, below, words = command.resolve_command(context, rest)
        except click.UsageError as problem:
            return problem.format_message()
        assert below is not None
        context = click.Context(below, parent=context, info_name=name)
        command = below


@EACH
def test_every_block_of_shell_commands_says_how_it_is_tested(page: Path) -> None:
    unmarked = [f"line {block.line}: {block.text.splitlines()[0]}" for block in blocks(page)
                if block.is_shell and len(block.marked("run", "run in lab", "run by", "not run")) != 1]  # fmt: skip
    assert unmarked == []


@EACH
def test_every_command_of_ours_has_its_verb_and_options(page: Path) -> None:
    found = {
        f"line {line}: runbook {' '.join(words)}": refused(words) for line, words in runbook_commands(page)
    }
    assert {command: problem for command, problem in found.items() if problem} == {}


@EACH
def test_what_is_run_elsewhere_is_there(page: Path) -> None:
    """Tests, or the Makefile, that are named know the verbs, or targets, of the commands."""
    for block in blocks(page):
        for name in block.marked("run by"):
            places = [TOP / path for path in name.split(", ")]
            assert [path for path in places if not path.exists()] == []
            files = [file for path in places for file in ([path] if path.is_file() else path.rglob("*.py"))]
            text = "\n".join(path.read_text(encoding="utf-8") for path in files)
            for verb in verbs(block.commands):
                assert re.search(rf"(?m)(?:^|[\"'` ]){re.escape(verb)}[\"'`: ]", text), (
                    f"{name} does not run {verb!r}"
                )


def verbs(commands: list[str]) -> Iterator[str]:
    """Yield the verbs of `runbook` and the targets of `make`."""
    for command in commands:
        match command.removeprefix(".venv/bin/").split():
            case ["runbook", ("lab" | "audit") as group, verb, *_]:
                yield from (group, verb)
            case ["runbook", verb, *_] if not verb.startswith("-"):
                yield verb
            case ["make", target, *_]:
                yield target


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["run", "00_preflight", "--mode", "apply"], ""),
        (["run", "00_preflight", "--mod", "apply"], "--mod"),
        (["run", "--mode", "repair"], "repair"),
        (["lab", "up", "--name", "x"], ""),
        (["lab", "upp"], "upp"),
        (["audit", "verify", "--trusted", "x"], "--trusted"),
        (["explain"], "explain"),
    ],
)
def test_a_command_that_does_not_exist_is_noticed(words: list[str], problem: str) -> None:
    assert problem in refused(words)
    assert bool(problem) == bool(refused(words))
