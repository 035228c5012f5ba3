"""What the docs point to exists: links and their anchors, paths and names in backticks, calls in blocks of code."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import re
import textwrap
import tomllib
from pathlib import Path

import pytest

import runbook_lib.operations
from runbook_lib.runbook.runbook import Runbook

TOP = Path(__file__).parents[2]
PAGES = sorted(
    [
        *TOP.glob("*.md"),
        *(path for top in ("docs", "images", "examples") for path in (TOP / top).rglob("*.md")),
    ]
)
EACH = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(TOP)))

LINK = re.compile(r"\]\(([^()\s]+)\)")
BACKTICKS = re.compile(r"`([^`\n]+)`")
# A path from the top of the tree, or a module below runbook_lib as the architecture page names it.
FROM_TOP = re.compile(r"(?:runbook_lib|tests|benchmarks|docs|images|notebooks|tools)/[\w./*-]*")
MODULE_FILE = re.compile(r"[a-z_]+(?:/[a-z_]+)+\.py")
COLUMNS = 4
IS_FILE = re.compile(r"[\w@*./-]+(?:\.(?:py|md|yml|toml|txt|json|ipynb|j2|css|js)|/)|Makefile")
DOTTED = re.compile(r"runbook_lib(?:\.\w+)+")
RUN_MODULE = re.compile(r"python -m ((?:runbook_lib|tests)(?:\.\w+)*)")


def headings(page: Path) -> set[str]:
    """Anchors of a page's headings, as code hosts make them."""
    found = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in found}


def in_backticks(page: Path, pattern: re.Pattern[str]) -> list[str]:
    """Texts in backticks that match as a whole, without a call's parentheses."""
    texts = (text.removesuffix("()") for text in BACKTICKS.findall(page.read_text(encoding="utf-8")))
    return [text for text in texts if pattern.fullmatch(text)]


def exists(path: str, *tops: Path) -> bool:
    return any(list(top.glob(path.rstrip("/"))) for top in tops)


def resolves(name: str) -> bool:
    """Whether a dotted name is a module, or something inside of one."""
    pieces = name.split(".")
    for count in range(len(pieces), 0, -1):
        try:
            value: object = importlib.import_module(".".join(pieces[:count]))
        except ModuleNotFoundError:
            continue
        for piece in pieces[count:]:
            if not hasattr(value, piece):
                return False
            value = getattr(value, piece)
        return True
    return False


def entry_point_groups() -> set[str]:
    project = tomllib.loads((TOP / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return set(project["entry-points"])


@EACH
def test_relative_links_lead_to_a_file_and_a_heading_of_it(page: Path) -> None:
    missing = []
    for link in LINK.findall(page.read_text(encoding="utf-8")):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in headings(target)):
            missing.append(link)
    assert missing == []


@EACH
def test_paths_in_backticks_exist(page: Path) -> None:
    missing = [path for path in in_backticks(page, FROM_TOP) if not exists(path, TOP)]
    modules = [path for path in in_backticks(page, MODULE_FILE) if path not in missing]
    missing += [path for path in modules if not exists(path, TOP, TOP / "runbook_lib")]
    assert missing == []


@EACH
def test_each_row_belongs_to_a_table(page: Path) -> None:
    """An empty line ends a table: the rows below it are shown as text."""
    before, alone = "", []
    lines = page.read_text(encoding="utf-8").splitlines()
    for line, after in zip(lines, [*lines[1:], ""], strict=True):
        begins = line.startswith("| ") and not before.startswith("|")
        if begins and not re.fullmatch(r"\|[-:| ]+\|", after):
            alone.append(line)
        before = line
    assert alone == []


def rows_of(page: Path) -> list[list[str]]:
    """The cells of each row of the tables with four columns, without their heads."""
    lines = [line for line in page.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    rows = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]
    return [row for row in rows if len(row) == COLUMNS and row[0] != "to add or change"]


def test_each_file_in_the_table_of_changes_exists() -> None:
    """Paths are from the top, below `runbook_lib`, or next to a file that the row names before."""
    missing = []
    for row in rows_of(TOP / "docs" / "where-to-change.md"):
        tops = [TOP, TOP / "runbook_lib"]
        for text in BACKTICKS.findall(" ".join(row[1:])):
            if not IS_FILE.fullmatch(text):
                continue
            found = [path for top in tops for path in top.glob(text.rstrip("/"))]
            tops += {path if path.is_dir() else path.parent for path in found}
            if not found:
                missing.append(f"{row[0]}: {text}")
    assert missing == []


def test_each_row_of_the_table_of_changes_names_a_place_and_a_test() -> None:
    rows = rows_of(TOP / "docs" / "where-to-change.md")
    assert len(rows) > 80
    assert [row[0] for row in rows if not (row[1] and row[3])] == []


@EACH
def test_dotted_names_in_backticks_exist(page: Path) -> None:
    named = [*in_backticks(page, DOTTED), *RUN_MODULE.findall(page.read_text(encoding="utf-8"))]
    groups = entry_point_groups()
    assert [name for name in named if name not in groups and not resolves(name)] == []


@pytest.mark.parametrize("name", ["runbook_lib.nothing", "runbook_lib.errors.NoSuchError"])
def test_a_name_that_does_not_exist_is_noticed(name: str) -> None:
    assert not resolves(name)
    assert resolves("runbook_lib.errors.InputError.exit_code")


# As blocks of code call them: a run, and the modules of operations.
OBJECTS: dict[str, object] = {
    "book": Runbook,
    "Runbook": Runbook,
    **{
        item.name: importlib.import_module(f"runbook_lib.operations.{item.name}")
        for item in pkgutil.iter_modules(runbook_lib.operations.__path__)
    },
}
INDENTED = re.compile(r"(?:^    .*\n|^\n(?=    ))+", re.MULTILINE)
FENCED = re.compile(r"^```(?:python)?\n(.*?)^```", re.MULTILINE | re.DOTALL)


def wrong_calls(text: str) -> list[str]:
    """Calls in the Python code of a page that no run and no module of operations has, or with unknown arguments."""
    wrong = []
    for block in [*map(textwrap.dedent, INDENTED.findall(text)), *FENCED.findall(text)]:
        try:
            tree = ast.parse(block)
        except SyntaxError:
            continue  # another language
        bound = {
            node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)
        }  # `lambda host: host.socket(...)`
        for node in ast.walk(tree):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
                continue
            owner, name = ast.unparse(node.func.value), node.func.attr
            if owner in bound or (owner not in OBJECTS and owner.removesuffix("s") not in OBJECTS):
                continue
            called = getattr(OBJECTS.get(owner), name, None)
            known = inspect.signature(called).parameters if callable(called) else {}
            given = {keyword.arg for keyword in node.keywords if keyword.arg}
            if not callable(called) or not given <= set(known):
                wrong.append(ast.unparse(node))
    return wrong


@EACH
def test_what_blocks_of_code_call_exists_and_has_the_arguments(page: Path) -> None:
    assert wrong_calls(page.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "call",
    ["services.reloaded('nginx')", "files.contents('/a')", "book.steps('x')", "service.reloaded('a', if_=b)"],
)
def test_a_call_that_cannot_work_is_noticed(call: str) -> None:
    for text in (f"So:\n\n    {call}\n", f"```python\n{call}\n```\n"):
        assert len(wrong_calls(text)) == 1
    assert wrong_calls("So:\n\n    service.reloaded('nginx', when=put)\n") == []
