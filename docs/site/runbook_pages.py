"""The parameters and steps of every runbook, from its notebook."""

from __future__ import annotations

from typing import TYPE_CHECKING

from docs.site.markdown import code, table
from runbook_lib.execution.catalog import find
from runbook_lib.execution.description import describe

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from runbook_lib.execution.description import ParameterDescription

__all__ = ["runbooks_page"]


def runbooks_page(notebooks: Iterable[Path]) -> str:
    """Return the page: purpose, parameters and steps of each runbook, then the parameters that all have.

    Args:
        notebooks: The runbooks, in order.
    """
    common: dict[str, ParameterDescription] = {}
    lines = [
        "# The runbooks and their parameters",
        "",
        "Generated from the notebooks, so this is what `runbook show NAME` says. How to give a value:",
        "[parameters](../docs/parameters.md).",
        "",
    ]
    for path in notebooks:
        entry = find(str(path))
        described = describe(entry)
        common |= {parameter.name: parameter for parameter in described.parameters if parameter.common}
        own = [parameter for parameter in described.parameters if not parameter.common]
        lines += [
            f"## `{entry.name}`",
            "",
            f"[The notebook](../notebooks/{entry.path.name}). {described.purpose}",
            "",
        ]
        facts = {"target": entry.target, "risk": entry.risk, "needs": ", ".join(map(code, entry.needs))}
        lines += [f"- {label}: {text}" for label, text in facts.items() if text]
        lines += ["", *_parameters(own), "", "Steps:", ""]
        for number, step in enumerate(described.steps, start=1):
            lines.append(f"{number}. {step.label}{code(step.title) if '{' in step.title else step.title}")
        lines.append("")
    lines += ["## Parameters of every runbook", "", *_parameters(common.values()), ""]
    return "\n".join(lines) + "\n"


def _parameters(parameters: Iterable[ParameterDescription]) -> Iterator[str]:
    rows = [
        (
            code(parameter.name),
            ", ".join([code(parameter.type), *parameter.constraints]),
            "must be given" if parameter.required else code(repr(parameter.default)),
            parameter.description,
        )
        for parameter in parameters
    ]
    yield from (
        table(("parameter", "type", "default", "meaning"), rows) if rows else ("No parameters of its own.",)
    )
