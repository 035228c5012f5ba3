"""Names that a shell may complete: runbooks, hosts, runs, faults. Each is looked up only when a shell asks."""

from __future__ import annotations

import contextlib
import functools
from typing import TYPE_CHECKING, Any

from runbook_lib.errors import RunbookError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import click
    from click.shell_completion import CompletionItem

__all__ = [
    "complete_faults",
    "complete_files",
    "complete_hosts",
    "complete_lab_hosts",
    "complete_lab_names",
    "complete_lessons",
    "complete_runbooks",
    "complete_runs",
]

_PATH_STARTS = (".", "/", "~")
_RUNS = "runs"


def _completer(
    names: Callable[[click.Context, str], Iterable[str]],
) -> Callable[[click.Context, click.Parameter, str], list[CompletionItem]]:
    """Make click's kind of function out of one that returns all names; what cannot be looked up is not offered."""

    @functools.wraps(names)
    def offered(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        from click.shell_completion import CompletionItem  # noqa: PLC0415 - only a shell needs it

        try:
            return [CompletionItem(name) for name in names(ctx, incomplete) if name.startswith(incomplete)]
        except (RunbookError, ModuleNotFoundError, OSError):
            return []

    return offered


def complete_files(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Let the shell offer files."""
    from click.shell_completion import CompletionItem  # noqa: PLC0415 - only a shell needs it

    return [CompletionItem(incomplete, type="file")]


def complete_runbooks(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Offer the project's runbooks, or files where a path begins."""
    if incomplete.startswith(_PATH_STARTS) or "/" in incomplete:
        return complete_files(ctx, param, incomplete)
    return _runbooks(ctx, param, incomplete)


@_completer
def _runbooks(_ctx: click.Context, _incomplete: str) -> Iterable[str]:
    from runbook_lib.execution.catalog import listing  # noqa: PLC0415 - only a shell needs it

    return [entry.name for entry in listing().runbooks]


@_completer
def complete_lessons(_ctx: click.Context, _incomplete: str) -> Iterable[str]:
    """Offer the lessons."""
    from runbook_lib.learning.lessons import lessons  # noqa: PLC0415 - only a shell needs it

    return [lesson.name for lesson in lessons()]


def complete_runs(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Offer `last` and the runs of the project, latest first; or files where a path begins."""
    if incomplete.startswith(_PATH_STARTS) or "/" in incomplete:
        return complete_files(ctx, param, incomplete)
    return _runs(ctx, param, incomplete)


@_completer
def _runs(ctx: click.Context, _incomplete: str) -> Iterable[str]:
    from runbook_lib.evidence.layout import JOURNAL  # noqa: PLC0415 - only a shell needs it
    from runbook_lib.project import project_top  # noqa: PLC0415 - as above

    given = next(filter(None, map(ctx.params.get, ("runs_directory", "address", "archive"))), None)
    folder = project_top() / (given or _RUNS)
    found = sorted((file.parent.name for file in folder.glob(f"*/{JOURNAL}")), reverse=True)
    return ["last", *found] if found else []


@_completer
def complete_hosts(ctx: click.Context, incomplete: str) -> Iterable[str]:
    """Offer hosts and groups of the inventory that the command line, its file or its runbooks name; after a comma, too.

    No program is started for it, so that nothing is offered where a program makes the inventory.
    """
    from runbook_lib.inventories.kinds import runs_a_program  # noqa: PLC0415 - only a shell needs it
    from runbook_lib.inventory import Inventory  # noqa: PLC0415 - as above

    before = incomplete[: incomplete.rfind(",") + 1]
    names: dict[str, None] = {"all": None}
    for path in _inventories(ctx.params):
        with contextlib.suppress(RunbookError):  # the other ones are offered all the same
            if not runs_a_program(path):
                inventory = Inventory.load(path)
                names.update(dict.fromkeys([*inventory.hosts, *inventory.groups]))
    return [before + name for name in names]


def _inventories(given: dict[str, Any]) -> Iterable[str]:
    """Return the inventories that a command line means, as far as it is complete."""
    from runbook_lib.execution.catalog import find, listing, read_parameters  # noqa: PLC0415 - only a shell needs it

    values, _ = read_parameters(given.get("file"), given.get("pairs") or ())
    if "inventory" in values:
        return [str(values["inventory"])]
    named = given.get("names") or ()
    entries = [find(name, typed=True) for name in named] if named else listing().runbooks
    return dict.fromkeys(
        str(entry.defaults["inventory"]) for entry in entries if "inventory" in entry.defaults
    )


@_completer
def complete_lab_hosts(ctx: click.Context, incomplete: str) -> Iterable[str]:
    """Offer the hosts of the lab, or of the topology if the lab is not up; after a comma, too."""
    before = incomplete[: incomplete.rfind(",") + 1]
    return [before + name for name in _lab_hosts(ctx)]


@_completer
def complete_lab_names(_ctx: click.Context, _incomplete: str) -> Iterable[str]:
    """Offer the names of the labs on this machine."""
    from runbook_lib.lab.system.paths import lab_names  # noqa: PLC0415 - only a shell needs it

    return lab_names()


@_completer
def complete_faults(ctx: click.Context, incomplete: str) -> Iterable[str]:
    """Offer the faults; after a fault and a colon, the lab's hosts."""
    from runbook_lib.lab.fault_names import FAULTS  # noqa: PLC0415 - an extra
    from runbook_lib.lab.faults import RANDOM  # noqa: PLC0415 - as above

    kind, colon, _ = incomplete.partition(":")
    if colon:
        return [f"{kind}:{host}" for host in _lab_hosts(ctx)]
    return [RANDOM, *(name.removesuffix(":HOST") for name in FAULTS)]


def _lab_hosts(ctx: click.Context) -> list[str]:
    from runbook_lib.lab.state import LabState  # noqa: PLC0415 - an extra
    from runbook_lib.lab.system.paths import LabPaths  # noqa: PLC0415 - as above
    from runbook_lib.lab.topology_file import DEFAULT_TOPOLOGY, load_topology  # noqa: PLC0415 - as above

    state = LabState.load(LabPaths(ctx.params.get("name") or "default").state)
    return [*(state.hosts if state else load_topology(ctx.params.get("topology") or DEFAULT_TOPOLOGY).hosts)]
