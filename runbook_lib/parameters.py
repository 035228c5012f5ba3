"""Notebook parameters: one strict model per notebook, filled from the notebook's own variables.

papermill only warns about an unknown parameter; here it is an error, raised before any host is touched.
"""

from __future__ import annotations

import ast
import types
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from runbook_lib.errors import InputError, ParameterError
from runbook_lib.model.status import Mode
from runbook_lib.yaml_files import validate

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Parameters", "literals"]

_COLLECT = ".collect("


class Parameters(BaseModel):
    """Parameters that every runbook accepts.

    Subclasses add their own fields, and name the runbook and its title.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)

    runbook: ClassVar[str]
    title: ClassVar[str]

    inventory: str = Field(description="Inventory file.")
    hosts: str = Field(description="Names, groups or patterns of hosts, separated by commas.")
    mode: Literal["plan", "apply", "validate"] = Field(default="apply", description="What the run may do.")
    on_failure: Literal["stop", "continue"] = Field(
        default="stop",
        description="After a failed step: `stop` the run, or `continue` with the hosts that have not failed.",
    )
    step_timeout: float | None = Field(
        default=None, gt=0, description="Time limit of each step, over all its hosts, in seconds."
    )
    run_timeout: float | None = Field(
        default=None, gt=0, description="Time limit of the whole run, in seconds."
    )
    runs: str = Field(
        default="runs", description="Directory for run directories, relative to the project's top directory."
    )
    at_once: int = Field(default=32, ge=1, description="Number of hosts that a step works on in parallel.")
    lock_timeout: float = Field(
        default=0.0, ge=0, description="Seconds to wait for a host that another run is changing; 0: refuse."
    )
    take_over: bool = Field(
        default=False,
        description="Take over another run's lock on a host instead of refusing; the takeover is recorded.",
    )
    resume: str = Field(default="", description="Directory of the run to resume.")

    @property
    def run_mode(self) -> Mode:
        """The mode as a `Mode`."""
        return Mode(self.mode)

    @classmethod
    def collect(cls, namespace: Mapping[str, Any]) -> Self:
        """Build the model from a notebook's variables: `P.collect(globals())`.

        Every variable with a literal value that was set before this call is treated as a parameter, so that a
        mistyped name in a parameters file or a cell is found.

        Args:
            namespace: The notebook's `globals()`.

        Raises:
            ParameterError: A parameter is unknown, missing or of the wrong type.
        """
        names = _assigned_in_cells(namespace.get("In"))
        if names is None:
            names = {name for name in namespace if not name.startswith("_")}
        values = {name: namespace[name] for name in names if _is_literal(namespace.get(name, cls))}
        return validate(cls, values, ParameterError, f"parameters of {cls.runbook}")


def _assigned_in_cells(history: Any) -> set[str] | None:  # noqa: ANN401 - IPython's history, or anything
    """Return the names assigned in the cells that ran before the first `collect`."""
    if not isinstance(history, list):
        return None
    names: set[str] = set()
    for source in history:
        try:
            tree = ast.parse(source)
        except SyntaxError:
            continue
        targets = [
            node for statement in tree.body for node in ast.walk(statement) if isinstance(node, ast.Name)
        ]
        names |= {node.id for node in targets if isinstance(node.ctx, ast.Store)}
        if _COLLECT in source:
            break
    return {name for name in names if not name.startswith("_")}


def _is_literal(value: object) -> bool:
    if isinstance(value, types.ModuleType) or callable(value):
        return False
    return value is None or isinstance(value, str | int | float | bool | list | dict | tuple)


def literals(source: str, where: str) -> dict[str, Any]:
    """Return a parameters cell's assignments.

    Args:
        source: The cell's source.
        where: The file to name in error messages.

    Raises:
        InputError: The cell contains anything but assignments of literals.
    """
    values: dict[str, Any] = {}
    try:
        for statement in ast.parse(source).body:
            match statement:
                case (
                    ast.Assign(targets=[ast.Name(id=name)], value=value)
                    | ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value)
                ):
                    values[name] = ast.literal_eval(value)
                case _:
                    raise InputError(
                        f"parameters cell: {ast.unparse(statement)!r} is not an assignment", where=where
                    )
    except (SyntaxError, ValueError) as problem:
        raise InputError(
            f"parameters cell: only literal values are allowed: {problem}", where=where
        ) from problem
    return values
