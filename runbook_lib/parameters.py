"""A notebook's parameters: a strict model each, filled from the notebook's own variables.

papermill warns about an unknown parameter and goes on; here it is an error before any host is touched.
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
    """What every runbook can be given.

    Subclasses add their own fields, and name the runbook and its title.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    runbook: ClassVar[str]
    title: ClassVar[str]

    inventory: str = Field(description="Inventory file.")
    hosts: str = Field(description="Names, groups or patterns of hosts, separated by commas.")
    mode: Literal["plan", "apply", "validate"] = Field(default="apply", description="What the run may do.")
    on_failure: Literal["stop", "continue"] = Field(
        default="stop", description="After a failed step: end at once, or go on with the hosts that are well."
    )
    step_timeout: float | None = Field(
        default=None, gt=0, description="Seconds a step may take, on all its hosts together."
    )
    run_timeout: float | None = Field(default=None, gt=0, description="Seconds the whole run may take.")
    runs: str = Field(default="runs", description="Directory for run directories, below the project's top.")
    at_once: int = Field(default=32, ge=1, description="Hosts of a step that are worked on at the same time.")
    lock_timeout: float = Field(
        default=0.0, ge=0, description="Seconds to wait for a host that another run is changing; 0: refuse."
    )
    take_over: bool = Field(
        default=False, description="End another run's lock on a host instead of refusing; it is recorded."
    )
    resume: str = Field(default="", description="The run directory of the run that this one goes on with.")

    @property
    def run_mode(self) -> Mode:
        """The mode as the library's own word."""
        return Mode(self.mode)

    @classmethod
    def collect(cls, namespace: Mapping[str, Any]) -> Self:
        """Make the model from a notebook's variables: `P.collect(globals())`.

        Every literal variable set before this call is taken for a parameter, so that a mistyped
        name in a parameters file or a cell is found.

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
    """Return the names assigned in the cells that ran before parameters were first collected."""
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
        source: The cell's.
        where: What to name in a message.

    Raises:
        InputError: It holds more than assignments of literals.
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
                        f"parameters cell: {ast.unparse(statement)!r} assigns nothing", where=where
                    )
    except (SyntaxError, ValueError) as problem:
        raise InputError(f"parameters cell holds more than literals: {problem}", where=where) from problem
    return values
