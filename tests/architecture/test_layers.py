"""Imports go downward only, each module says what it is for and what it offers."""

from __future__ import annotations

import ast
import importlib
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

TOP = Path(__file__).parents[2]
MODULES = sorted((TOP / "runbook_lib").rglob("*.py"))
EACH = pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(TOP)))

# From the bottom; parts of one line do not know each other. docs/architecture.md draws it from the top.
LAYERS = [
    {"visible_text"},
    {
        "atomic",
        "errors",
        "file_lock",
        "garbage_collection",
        "git",
        "grace_periods",
        "process_identity",
        "project",
        "signal_handlers",
        "standard_streams",
        "subprocess_termination",
    },
    {"extras", "masking", "model"},
    {"plugins", "yaml_files", "system_requirements"},
    {"parameters", "secrets"},
    {"connections", "local_files"},
    {"inventories"},  # each reader asks OpenSSH or a program
    {"inventory"},  # it refuses hosts with an unknown kind of connection
    {"evidence"},
    {"display"},  # display shows records, and the session calls it
    {"facts"},
    {"operations"},
    {"integrations"},
    {"books", "runbook"},
    {"attestation", "report"},
    {"audit", "execution", "lab"},
    {"learning", "lint", "new_repository"},
    {"cli", "pytest_plugin"},
]
RANK = {part: rank for rank, layer in enumerate(LAYERS) for part in layer}
PURE = {"facts", "operations"}
NOT_FOR_PURE = {"connections", "evidence", "runbook"}


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(TOP).with_suffix("").parts).removesuffix(".__init__")


def part_of(module: str) -> str:
    """Return `facts` for `runbook_lib.facts.kernel`; nothing for the package itself."""
    return module.removeprefix("runbook_lib").removeprefix(".").split(".")[0]


def imported(path: Path) -> Iterator[str]:
    """Parts that a module imports from, anywhere in it, for type checking or not."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (part_of(item.name) for item in node.names if item.name.startswith("runbook_lib"))
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports name the whole path"
            if node.module == "runbook_lib":
                yield from (item.name for item in node.names if item.name in RANK)
            elif node.module and node.module.startswith("runbook_lib."):
                yield part_of(node.module)


@EACH
def test_imports_go_downward_only(path: Path) -> None:
    part = part_of(name_of(path))
    if not part:
        return  # the package itself offers what is above, lazily
    for other in imported(path):
        assert other == part or RANK[other] < RANK[part], f"{part} imports {other}"


@EACH
def test_facts_and_operations_know_no_connection_no_journal_and_no_clock(path: Path) -> None:
    if part_of(name_of(path)) not in PURE:
        return
    assert not NOT_FOR_PURE & set(imported(path))
    impure = {"time", "datetime", "os", "socket", "subprocess", "random", "pathlib", "threading", "logging"}
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            assert not impure & {item.name.split(".")[0] for item in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert (node.module or "").split(".")[0] not in impure


@EACH
def test_a_module_says_what_it_is_for_and_what_it_offers_in_order(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert ast.get_docstring(tree), "a docstring"
    if len(tree.body) == 1:
        return
    loaded = importlib.import_module(name_of(path))
    offered = loaded.__all__
    assert offered == sorted(offered, key=in_order)
    assert len(set(offered)) == len(offered)
    for name in offered:
        assert not name.startswith("_") or name == "__version__"
        assert hasattr(loaded, name)


def in_order(name: str) -> tuple[int, list[object]]:
    """Constants, then classes, then the rest, as ruff sorts them; numbers by their value."""
    kind = 0 if name.isupper() else 1 if name[:1].isupper() else 2
    return kind, [int(piece) if piece.isdigit() else piece for piece in re.split(r"(\d+)", name)]


def test_every_part_has_its_layer() -> None:
    parts = {part_of(name_of(path)) for path in MODULES} - {""}
    assert parts <= set(RANK), "a new part needs a place in LAYERS and in docs/architecture.md"


def test_every_layer_stands_in_the_architecture_page() -> None:
    drawn = (TOP / "docs" / "architecture.md").read_text(encoding="utf-8")
    block = drawn.split("## Layers", 1)[1].split("##", 1)[0]
    parts = {part_of(name_of(path)) for path in MODULES} - {"", "system_requirements"}
    assert [part for part in sorted(parts) if not re.search(rf"\b{part}\b", block)] == []


@EACH
def test_no_module_prints_or_keeps_a_todo(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    calls = [node.func for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)]
    assert not [call for call in calls if isinstance(call, ast.Name) and call.id in {"print", "eval", "exec"}]
    assert not re.search(r"#.*\b(TODO|FIXME|XXX)\b", text)


@EACH
def test_everything_is_caught_only_where_a_step_ends(path: Path) -> None:
    places = [
        node.lineno
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ExceptHandler)
        and (
            node.type is None
            or (isinstance(node.type, ast.Name) and node.type.id in {"Exception", "BaseException"})
        )
    ]
    # Each kind of remote store raises errors of its own library, which this package does not import.
    stores = path.match("audit/archive/location.py")
    # What a thread raises is raised again by the thread that waits for it.
    passed_on = path.match("connections/bounded_call.py")
    # Operations, facts and checks of other projects raise whatever they like.
    parts = {"cli", "integrations", "lab"}
    allowed = (
        part_of(name_of(path)) in parts
        or path.name in {"host_step.py", "host_rollback.py"}
        or stores
        or passed_on
    )
    assert allowed or not places, f"lines {places}"


def modules_imported(path: Path) -> set[str]:
    """Modules of ours that a module imports, anywhere in it, for type checking or not."""
    known = {name_of(other) for other in MODULES}
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {item.name for item in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{item.name}" for item in node.names} | {node.module}
    packages = {name for name in known if any(other.startswith(f"{name}.") for other in known)}
    return (found & known) - packages


def test_no_modules_import_each_other_in_a_circle() -> None:
    imports = {name_of(path): modules_imported(path) - {name_of(path)} for path in MODULES}
    # Modules that import nothing that is left are taken away again and again; what stays is in, or above, a circle.
    while leaves := {name for name, others in imports.items() if not others & imports.keys()}:
        imports = {name: others for name, others in imports.items() if name not in leaves}
    assert not imports, f"a circle, and what imports it: {sorted(imports)}"


CUTS = re.compile(r"\b(stdout|stderr|text|output|said|lines\[-?\d\]|observed|message)\[:\d+\]")


@EACH
def test_a_text_from_a_host_is_cut_in_one_place_only(path: Path) -> None:
    if part_of(name_of(path)) in {"facts", "operations", "runbook", "connections", "books"}:
        assert not CUTS.search(path.read_text(encoding="utf-8")), "use masking.excerpt"
