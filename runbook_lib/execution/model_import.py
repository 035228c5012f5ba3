"""Import a notebook's parameter model: from an installed package, or from a module next to the notebook."""

from __future__ import annotations

import contextlib
import importlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from runbook_lib.errors import InputError
from runbook_lib.parameters import Parameters

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["load_model"]


def load_model(name: str, notebook: Path) -> type[Parameters]:
    """Return a parameter model.

    Args:
        name: `module:Class`.
        notebook: The notebook that names it; its folder is searched last, as in the kernel that executes it.

    Raises:
        InputError: It cannot be imported, or is not a subclass of `Parameters`.
    """
    module, _, attribute = name.partition(":")
    try:
        with _next_to(notebook.absolute().parent):
            model = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, SyntaxError, TypeError, ValueError) as problem:
        raise InputError(
            f"the parameter model {name!r} cannot be loaded: {problem}",
            where=str(notebook),
            hint="name it as module:Class; the module is installed, or is next to the notebook",
        ) from problem
    if not (isinstance(model, type) and issubclass(model, Parameters)):
        raise InputError(f"the parameter model {name!r} is not a subclass of Parameters", where=str(notebook))
    return model


@contextlib.contextmanager
def _next_to(folder: Path) -> Iterator[None]:
    """Have modules imported from a folder too, and forgotten again: another folder may have some of the same names."""
    path, before = [*sys.path], {*sys.modules}
    sys.path.append(str(folder))
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.path[:] = path
        new = [name for name in sys.modules if name.partition(".")[0] not in before]
        own = {name for name in new if "." not in name and _is_in(folder, name)}
        for name in new:
            if name.partition(".")[0] in own:
                del sys.modules[name]


def _is_in(folder: Path, name: str) -> bool:
    file = getattr(sys.modules[name], "__file__", None)
    return file is not None and Path(file) in {folder / f"{name}.py", folder / name / "__init__.py"}
