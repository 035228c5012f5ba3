"""Classes by name that other packages can add to: entry points, which the built-in ones are declared as too."""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, TypeVar

from runbook_lib.errors import InputError
from runbook_lib.extras import named_extras

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["find_plugins", "load_class"]

_DISTRIBUTION = "runbook-lib"
T = TypeVar("T")


def find_plugins(group: str, built_in: Mapping[str, str], *, installed: bool = True) -> dict[str, EntryPoint]:
    """Return the entry points of a group by name, the built-in ones first; nothing is imported.

    Args:
        group: Name of the entry-point group, such as `runbook_lib.lab_hosts`.
        built_in: Name -> `module:attribute` of this package's own, the same as in `pyproject.toml`. The package's
            installed metadata is not used for these, so a source tree works whether or not it is installed.
        installed: Also search the metadata of installed packages, which takes 10 ms or more.

    Raises:
        InputError: Two packages use one name for different objects.
    """
    found = {name: EntryPoint(name, value, group) for name, value in built_in.items()}
    for entry in entry_points(group=group) if installed else ():
        if entry.dist is not None and entry.dist.name == _DISTRIBUTION:
            continue
        first = found.setdefault(entry.name, entry)
        if first.value != entry.value:
            raise InputError(
                f"two packages provide {entry.name!r}: {first.value} and {entry.value}",
                where=f"entry points {group}",
                hint="uninstall one of the two packages",
            )
    return found


def load_class(entry: EntryPoint, base: type[T]) -> type[T]:
    """Import the class that an entry point names.

    Args:
        entry: As `find_plugins` returns it.
        base: The class it must be derived from.

    Raises:
        RequirementError: It needs a package of an extra, which is not installed.
        InputError: The class cannot be imported, or is not derived from `base`.
    """
    where = f"entry point {entry.name!r} of {entry.group}"
    try:
        with named_extras():
            loaded = entry.load()
    except (ImportError, AttributeError) as problem:
        raise InputError(
            f"cannot load {entry.value}: {problem}",
            where=where,
            hint="check the entry point of the package that provides it",
        ) from problem
    if not (isinstance(loaded, type) and issubclass(loaded, base)):
        raise InputError(
            f"{entry.value} is not a class derived from {base.__module__}.{base.__qualname__}", where=where
        )
    return loaded
