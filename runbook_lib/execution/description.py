"""What a notebook says about itself: its purpose, parameters and steps, without executing it."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runbook_lib.execution.step_calls import WITH_HOSTS, step_calls
from runbook_lib.parameters import Parameters
from runbook_lib.parameters.type_text import constraints, type_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from runbook_lib.evidence.notebook import Cell
    from runbook_lib.execution.catalog import CatalogEntry

__all__ = ["Description", "ParameterDescription", "StepDescription", "describe"]


@dataclass(frozen=True)
class ParameterDescription:
    """One parameter of a runbook.

    Args:
        name: Its name.
        type: Its type, as `list[str]`.
        constraints: What a value must fulfil beyond its type.
        required: Whether it has no default.
        default: The parameters cell's value, or else the model's.
        description: What it is for; may be empty.
        common: Whether every runbook has it.
    """

    name: str
    type: str
    constraints: list[str]
    required: bool
    default: Any
    description: str
    common: bool


@dataclass(frozen=True)
class StepDescription:
    """One step, transaction or loop over batches, as the notebook's source has it.

    Args:
        kind: The method that it calls, such as `step`.
        title: Its title, with the expressions in it as written; for `shell`, `look` and `batches` the hosts.
    """

    kind: str
    title: str

    @property
    def label(self) -> str:
        """What a reader sees in front of the title: the kind, unless it is `step`."""
        if self.kind == "step":
            return ""
        return f"{self.kind}: " if self.title else self.kind


@dataclass(frozen=True)
class Description:
    """A runbook as its notebook describes it.

    Args:
        purpose: The first paragraph of its prose; may be empty.
        parameters: Its own parameters, then the common ones.
        steps: In the order of the source; a loop repeats its steps.
    """

    purpose: str
    parameters: list[ParameterDescription]
    steps: list[StepDescription]


def describe(entry: CatalogEntry) -> Description:
    """Return what a runbook's notebook says."""
    cells = entry.notebook.sources()
    parameters = sorted(_parameters(entry), key=lambda parameter: parameter.common)
    return Description(_first_paragraph(cells), parameters, _steps(cells))


def _parameters(entry: CatalogEntry) -> Iterator[ParameterDescription]:
    for name, field in entry.model.model_fields.items():
        required = field.is_required() and name not in entry.defaults
        default = None if required else entry.defaults.get(name, field.get_default(call_default_factory=True))
        yield ParameterDescription(
            name,
            type_text(field.annotation),
            constraints(field.metadata),
            required,
            default,
            field.description or "",
            name in Parameters.model_fields,
        )


def _first_paragraph(cells: Sequence[Cell]) -> str:
    for cell in cells:
        if cell.kind == "markdown":
            for block in re.split(r"\n\s*\n", cell.source):
                lines = [line.strip() for line in block.splitlines() if not line.startswith("#")]
                if any(lines):
                    return " ".join(filter(None, lines))
    return ""


def _steps(cells: Sequence[Cell]) -> list[StepDescription]:
    return [StepDescription(call.method, _text(call.title)) for call in step_calls(cells, WITH_HOSTS)]


def _text(title: ast.expr | None) -> str:
    match title:
        case None:
            return ""
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=parts):
            return "".join(_part(part) for part in parts)
        case _:
            return f"{{{ast.unparse(title)}}}"


def _part(part: ast.expr) -> str:
    """Return a part of an f-string: text as it is, an expression as written, in braces."""
    match part:
        case ast.Constant(value=text):
            return str(text)
        case ast.FormattedValue(value=value):
            return f"{{{ast.unparse(value)}}}"
        case _:
            return ast.unparse(part)
