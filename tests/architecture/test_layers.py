"""Imports go downward only, each module says what it is for and what it offers."""

from __future__ import annotations

import ast
import importlib
import re
from typing import TYPE_CHECKING

import pytest

from tests.architecture.package_source import MODULES, TOP, parsed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# From the bottom; parts of one line do not know each other. docs/architecture.md draws it from the top.
LAYERS = [
    {"printing"},
    {
        "atomic",
        "errors",
        "file_lock",
        "garbage_collection",
        "git",
        "grace_periods",
        "installation",
        "owned_directory",
        "process_identity",
        "readable_time",
        "shell_words",
        "signal_handlers",
        "subprocess_termination",
    },
    {"apt_without_services", "encoded_forms"},
    {"extras", "known_names", "masking", "model", "project"},
    {"host_settings", "plugins", "shown_secrets", "yaml_files", "system_requirements"},
    {"parameters", "secrets"},
    {"connections", "file_contents"},
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


TOPMOST = "the package itself"
PARTS = {
    part or TOPMOST: [path for path in MODULES if part_of(name_of(path)) == part]
    for part in sorted({part_of(name_of(path)) for path in MODULES})
}
EACH = pytest.mark.parametrize("part", PARTS)
FILES = {name_of(path) for path in MODULES if path.name != "__init__.py"}


def imported(path: Path) -> Iterator[str]:
    """Parts that a module imports from, anywhere in it, for type checking or not."""
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            yield from (part_of(item.name) for item in node.names if item.name.startswith("runbook_lib"))
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports name the whole path"
            if node.module == "runbook_lib":
                yield from (item.name for item in node.names if item.name in RANK)
            elif node.module and node.module.startswith("runbook_lib."):
                yield part_of(node.module)


@EACH
def test_imports_go_downward_only(part: str) -> None:
    if part == TOPMOST:
        return  # the package itself offers what is above, lazily
    for path in PARTS[part]:
        for other in imported(path):
            assert other == part or RANK[other] < RANK[part], f"{name_of(path)} imports {other}"


def test_a_step_knows_no_run_and_the_notebook_around_it_no_step() -> None:
    floors = ["notebook", "steps", ""]  # of the part `runbook`, from the bottom
    wrong = []
    for path in PARTS["runbook"]:
        floor = floors.index(_floor(name_of(path)))
        others = {name for name in modules_imported(path) if part_of(name) == "runbook"}
        wrong += [f"{name_of(path)} imports {name}" for name in others if floors.index(_floor(name)) > floor]
    assert wrong == []


def _floor(module: str) -> str:
    """Return `steps` for `runbook_lib.runbook.steps.host_step`, and nothing for `runbook_lib.runbook.run`."""
    folder = f"{module}.".split(".")[2]
    return folder if folder in {"notebook", "steps"} else ""


@pytest.mark.parametrize("part", sorted(PURE))
def test_facts_and_operations_know_no_connection_no_journal_and_no_clock(part: str) -> None:
    impure = {"time", "datetime", "os", "socket", "subprocess", "random", "pathlib", "threading", "logging"}
    for path in PARTS[part]:
        assert not NOT_FOR_PURE & set(imported(path)), path
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.Import):
                assert not impure & {item.name.split(".")[0] for item in node.names}, path
            elif isinstance(node, ast.ImportFrom):
                assert (node.module or "").split(".")[0] not in impure, path


@EACH
def test_a_module_says_what_it_is_for_and_what_it_offers_in_order(part: str) -> None:
    for path in PARTS[part]:
        tree = parsed(path)
        assert ast.get_docstring(tree), f"{path}: a docstring"
        if len(tree.body) == 1:
            continue
        loaded = importlib.import_module(name_of(path))
        offered = loaded.__all__
        assert offered == sorted(offered, key=in_order), path
        assert len(set(offered)) == len(offered), path
        for name in offered:
            assert not name.startswith("_") or name == "__version__", path
            assert hasattr(loaded, name), path


def in_order(name: str) -> tuple[int, list[object]]:
    """Constants, then classes, then the rest, as ruff sorts them; numbers by their value."""
    kind = 0 if name.isupper() else 1 if name[:1].isupper() else 2
    return kind, [int(piece) if piece.isdigit() else piece for piece in re.split(r"(\d+)", name)]


def test_every_part_has_its_layer() -> None:
    parts = {part_of(name_of(path)) for path in MODULES} - {""}
    assert parts <= set(RANK), "a new part needs a place in LAYERS and in docs/architecture.md"


def test_the_architecture_page_draws_the_same_layers_from_the_top() -> None:
    drawn = (TOP / "docs" / "architecture.md").read_text(encoding="utf-8")
    block = drawn.split("## Layers", 1)[1].split("##", 1)[0]
    lines = [re.split(r" {3,}", line.removeprefix("    "))[0].split() for line in block.splitlines()]
    ranks = [[RANK[part] for part in parts] for parts in lines if set(parts) & set(RANK)]
    assert all(len(set(line)) == 1 for line in ranks), "parts on one line are of one layer"
    assert [line[0] for line in ranks] == sorted((line[0] for line in ranks), reverse=True)
    assert {part for parts in lines for part in parts} & set(RANK) == set(RANK)


@EACH
def test_no_module_prints_or_keeps_a_todo(part: str) -> None:
    for path in PARTS[part]:
        calls = [node.func for node in ast.walk(parsed(path)) if isinstance(node, ast.Call)]
        names = {call.id for call in calls if isinstance(call, ast.Name)}
        assert not names & {"print", "eval", "exec"}, path
        assert not re.search(r"#.*\b(TODO|FIXME|XXX)\b", path.read_text(encoding="utf-8")), path


@EACH
def test_everything_is_caught_only_where_a_step_ends(part: str) -> None:
    assert [line for path in PARTS[part] for line in catches_everything(path)] == []


def catches_everything(path: Path) -> list[str]:
    """Return where a module catches every error, unless it may."""
    places = [
        f"{path}:{node.lineno}"
        for node in ast.walk(parsed(path))
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
    # A change that has begun is reverted whatever goes wrong, and the record must say why.
    reverted = path.match("runbook/steps/commit_confirm.py") or path.match("runbook/steps/reboot.py")
    # A step ends where its function raises, whatever that is; what is counted is raised again.
    refused = path.match("runbook/steps/host_operations.py") or path.match("runbook/notebook_runs.py")
    # A notebook has whatever other programs put there, and the end of its run must be recorded.
    at_the_end = path.match("runbook/notebook/made_by_hand.py")
    # Operations, facts and checks of other projects raise whatever they like.
    parts = {"cli", "integrations", "lab"}
    allowed = (
        part_of(name_of(path)) in parts
        or path.name in {"host_step.py", "host_rollback.py"}
        or stores
        or passed_on
        or reverted
        or refused
        or at_the_end
    )
    return [] if allowed else places


def modules_imported(path: Path) -> set[str]:
    """Modules of ours that a module imports, anywhere in it, for type checking or not."""
    found: set[str] = set()
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            found |= {item.name for item in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{item.name}" for item in node.names} | {node.module}
    return found & FILES


def test_no_modules_import_each_other_in_a_circle() -> None:
    imports = {name_of(path): modules_imported(path) - {name_of(path)} for path in MODULES}
    # Modules that import nothing that is left are taken away again and again; what stays is in, or above, a circle.
    while leaves := {name for name, others in imports.items() if not others & imports.keys()}:
        imports = {name: others for name, others in imports.items() if name not in leaves}
    assert not imports, f"a circle, and what imports it: {sorted(imports)}"


CUTS = re.compile(
    r"\b(stdout|stderr|text|output|said|lines\[-?\d\]|observed|message)(\.strip\(\))?\[(:(\d+|_?[A-Z_]+)|-(\d+|_?[A-Z_]+):)\]"
)


@pytest.mark.parametrize("part", ["books", "connections", "facts", "operations", "runbook"])
def test_a_text_from_a_host_is_cut_in_one_place_only(part: str) -> None:
    for path in PARTS[part]:
        assert not CUTS.search(path.read_text(encoding="utf-8")), (
            f"{path}: use masking.excerpt or excerpt_of_end"
        )
