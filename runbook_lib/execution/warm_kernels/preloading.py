"""What the fork server loads, so that the kernels that it forks need not."""

from __future__ import annotations

import contextlib
import gc
import importlib
import pkgutil
from functools import partial
from typing import TYPE_CHECKING

from runbook_lib.connections.registry import BUILT_IN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["FIRST", "NOT_NEEDED", "later", "load", "of_connections", "precompute"]

FIRST = (
    "ipykernel.kernelapp",
    "ipykernel.debugger",
    "IPython.core.completerlib",
    "IPython.core.debugger",
    "IPython.extensions.storemagic",
    "tornado.platform.asyncio",
    "runbook_lib.runbook.runbook",
)
NOT_NEEDED = ("debugpy",)  # 0.06 s; nobody attaches a debugger to a headless kernel
# Worth the time once more than one kernel was requested; so are all facts and operations.
_LATER = ("pyroute2.netns", "runbook_lib.connections.docker_adapter", "runbook_lib.books.docker.parameters")
# What a library raises that is missing or damaged: the kernels that need it load it again, and say what is wrong.
_UNUSABLE = (ImportError, OSError, SyntaxError, AttributeError, ValueError, RuntimeError)
_PACKAGES = ("runbook_lib.facts", "runbook_lib.operations")


def later() -> list[Callable[[], None]]:
    """Return what is done once more than one kernel was requested: load templates, and modules that some kernels need.

    A single kernel needs few of them: it would wait for the others.
    """
    packages = [importlib.import_module(name) for name in _PACKAGES]
    modules = [
        *_LATER,
        *(
            item.name
            for package in packages
            for item in pkgutil.iter_modules(package.__path__, f"{package.__name__}.")
        ),
    ]
    return [_load_templates, *(partial(load, [name]) for name in modules)]


def of_connections(kinds: Iterable[str]) -> list[str]:
    """Return the modules of kinds of connection; a package that adds a kind may start threads when it is loaded."""
    return [BUILT_IN[kind].partition(":")[0] for kind in kinds if kind in BUILT_IN]


def load(names: Iterable[str]) -> None:
    """Import modules that are installed, and keep the garbage collector off the memory that forked kernels share."""
    for name in names:
        with contextlib.suppress(*_UNUSABLE):
            importlib.import_module(name)
    gc.freeze()


def precompute() -> None:
    """Do what every kernel would otherwise do itself, with the same result."""
    from runbook_lib.runbook import provenance  # noqa: PLC0415 - imported by now

    provenance.versions()
    gc.freeze()


def _load_templates() -> None:
    from runbook_lib.display import cards  # noqa: PLC0415 - as above

    with contextlib.suppress(*_UNUSABLE):
        cards.load_templates()
    gc.freeze()
