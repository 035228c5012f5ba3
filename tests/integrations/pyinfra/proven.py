"""The operations of pyinfra that are proven on a practice host, as `operations.yml` lists them."""

from __future__ import annotations

import importlib
import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from runbook_lib.integrations import pyinfra
from runbook_lib.integrations.pyinfra.modules import module_names, operation_names

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runbook_lib import Operation

__all__ = ["CASES", "COSTLY", "Case", "all_operations"]

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Case:
    """An operation with arguments.

    Args:
        operation: As `apt.packages`.
        arguments: As in the file.
        second: How it ends when it is carried out for the second time.
        before: Script for the host, before all cases.
        prepare: Script for the host, before this case.
    """

    operation: str
    arguments: dict[str, Any]
    second: str = "ok"
    before: str = ""
    prepare: str = ""

    def make(self) -> Operation:
        """Return the operation; each time with files in memory of its own."""
        module, _, name = self.operation.rpartition(".")
        arguments = {key: _value(value) for key, value in self.arguments.items()}
        made: Operation = getattr(getattr(pyinfra, module), name)(**arguments)
        return made


def _value(value: object) -> object:
    if isinstance(value, dict) and set(value) == {"text"}:
        return io.StringIO(value["text"])
    if isinstance(value, dict) and set(value) == {"local"}:
        return str(HERE / "files" / value["local"])
    return value


def _read(part: str, second: str = "ok") -> Iterator[Case]:
    loaded = yaml.safe_load((HERE / "operations.yml").read_text(encoding="utf-8"))
    yield from (Case(**{"second": second, **case}) for case in loaded[part])


def all_operations() -> dict[str, bool]:
    """Return every operation of the installed pyinfra, and whether pyinfra says that it can be planned again."""
    return {
        f"{module}.{name}": bool(getattr(loaded, name)._inner.is_idempotent)  # noqa: SLF001 - pyinfra's own name for it
        for module in module_names()
        for loaded in [importlib.import_module(f"pyinfra.operations.{module}")]
        for name in operation_names(loaded)
    }


CASES = [*_read("twice"), *_read("each_time", "changed")]
COSTLY = list(_read("costly"))
