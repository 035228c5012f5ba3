"""Names that other files, machines and packages know are written in one place: evidence files, connection kinds."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

import pytest

from runbook_lib.audit.rules import registry as rules
from runbook_lib.connections import registry as connections
from runbook_lib.evidence import layout
from runbook_lib.lab.hosts import registry as hosts
from runbook_lib.report import formats
from tests.architecture.package_source import MODULES, PACKAGE, parsed

if TYPE_CHECKING:
    from collections.abc import Iterator

FILES = {value for name in layout.__all__ if isinstance(value := getattr(layout, name), str) and "." in value}
NAMED = re.compile(
    rf"(?<![\w.])(?:{'|'.join(map(re.escape, FILES))})(?!:?\w)"
)  # not `report.html:HtmlFormat`


def modules() -> Iterator[tuple[str, ast.Module]]:
    """Each module of the package, by its path in it, parsed."""
    return ((str(path.relative_to(PACKAGE)), parsed(path)) for path in MODULES)


def docstrings(tree: ast.AST) -> set[int]:
    """Texts that stand alone as a statement."""
    return {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}


def texts(tree: ast.AST) -> Iterator[ast.Constant]:
    skipped = docstrings(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in skipped:
            yield node


def test_only_the_layout_names_the_files_of_the_evidence() -> None:
    assert "journal.jsonl" in FILES
    found = [
        f"{module}:{text.lineno}: {text.value!r}"
        for module, tree in modules()
        if module != "evidence/layout.py"
        for text in texts(tree)
        if NAMED.search(str(text.value))
    ]
    assert found == [], "import the name from evidence/layout.py"


def compared_with(tree: ast.AST, attribute: str) -> Iterator[tuple[int, str]]:
    """Texts that `thing.attribute`, or `thing.get("attribute")`, is compared with."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Compare):
            continue
        sides = [node.left, *node.comparators]
        if any(
            (isinstance(side, ast.Attribute) and side.attr == attribute)
            or (isinstance(side, ast.Call) and [ast.unparse(each) for each in side.args] == [repr(attribute)])
            for side in sides
        ):
            for side in sides:
                yield from ((text.lineno, str(text.value)) for text in texts(side))


@pytest.mark.parametrize(
    ("attribute", "known"),
    [
        ("connection", connections.BUILT_IN),
        ("kind", hosts.BUILT_IN),
        ("format", formats.BUILT_IN),
        ("rule", rules.BUILT_IN),
    ],
)
def test_generic_code_asks_a_plugin_what_it_can_do_instead_of_knowing_its_name(
    attribute: str, known: dict[str, str]
) -> None:
    found = [
        f"{module}:{line}: {value!r}"
        for module, tree in modules()
        for line, value in compared_with(tree, attribute)
        if value in known
    ]
    assert found == [], "give the class an attribute or a method that says it"
