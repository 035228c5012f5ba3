"""Notebook parameters: one strict model per notebook, filled from the notebook's own variables.

papermill only warns about an unknown parameter; here it is an error, raised before any host is touched.
"""

from __future__ import annotations

import ast
import datetime as dt
import json
import math
import types
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator

from runbook_lib.errors import InputError, ParameterError
from runbook_lib.model.plain_text import PlainText
from runbook_lib.model.status import Mode
from runbook_lib.yaml_files import validate

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

__all__ = ["Parameters", "literals"]

_COLLECT = ".collect("
_CIRCLE = "refers to itself"


class Parameters(BaseModel):
    """Parameters that every runbook accepts.

    Subclasses add their own fields, and name the runbook and its title.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)

    runbook: ClassVar[str]
    title: ClassVar[str]

    inventory: PlainText = Field(description="Inventory file.")
    hosts: PlainText = Field(description="Names, groups or patterns of hosts, separated by commas.")
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
    runs: PlainText = Field(
        default="runs", description="Directory for run directories, relative to the project's top directory."
    )
    at_once: int = Field(default=32, ge=1, description="Number of hosts that a step works on in parallel.")
    max_stream_bytes: int = Field(
        default=100_000_000,
        ge=1,
        description="Most bytes of one output stream of a command; a command that prints more is ended.",
    )
    max_run_bytes: int = Field(
        default=1_000_000_000,
        ge=1,
        description="Most bytes that all hosts may send during the run; then commands are ended.",
    )
    lock_timeout: float = Field(
        default=0.0, ge=0, description="Seconds to wait for a host that another run is changing; 0: refuse."
    )
    take_over: bool = Field(
        default=False,
        description="Take over another run's lock on a host instead of refusing; the takeover is recorded.",
    )
    resume: PlainText = Field(default="", description="Directory of the run to resume.")

    @field_validator("*", mode="before")
    @classmethod
    def _as_recorded(cls, value: Any) -> Any:  # noqa: ANN401 - any value of the user's
        problem = _unrecordable(value)
        if problem and not problem.endswith(_CIRCLE):  # that is said of a value whose type is right
            raise ValueError(problem)
        return value

    @field_validator("*", mode="after")
    @classmethod
    def _without_circles(cls, value: Any) -> Any:  # noqa: ANN401 - as above
        problem = _unrecordable(value)
        if problem:
            raise ValueError(problem)
        return value

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
        names = _names_in_cells(namespace, cls.model_fields)
        values = {name: namespace[name] for name in names if _is_literal(namespace.get(name, cls))}
        return validate(cls, values, ParameterError, f"parameters of {cls.runbook}")


def _names_in_cells(namespace: Mapping[str, Any], known: Collection[str]) -> set[str]:
    """Return the variables that the notebook's cells have set so far, wherever these cells are to be found.

    Args:
        namespace: The notebook's `globals()`.
        known: The names of the model's parameters.
    """
    file, history = namespace.get("__file__"), namespace.get("In")
    if isinstance(file, str) and file.endswith(".ipynb"):  # `ipython book.ipynb`, or `%run book.ipynb`
        cells = _cells_in_file(Path(file))
        if cells is not None:
            return _assigned_in_cells(cells)
    typed = history if isinstance(history, list) else []
    if any(_COLLECT in source for source in typed):  # JupyterLab, papermill, nbconvert, typed in IPython
        return _assigned_in_cells(typed, known)
    # No history is kept (nbval), or there are no cells (a script): everything that is set.
    names = {name for name in namespace if not name.startswith("_")} - ({"In", "Out"} if typed else set())
    return names - (_assigned_in_cells(typed, known) - set(known))


def _cells_in_file(path: Path) -> list[str] | None:
    """Return the code cells of the notebook that IPython executes from a file; None if it cannot be read."""
    from IPython.core.inputtransformer2 import TransformerManager  # noqa: PLC0415 - IPython calls this, if anyone

    try:
        cells = json.loads(path.read_bytes())["cells"]
        code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
        transformer = TransformerManager()  # type: ignore[no-untyped-call]
        return [transformer.transform_cell(source) for source in code]
    except (OSError, ValueError, LookupError, TypeError, SyntaxError):
        return None


def _assigned_in_cells(cells: Sequence[str], known: Collection[str] = ()) -> set[str]:
    """Return the names assigned in the cells up to the first `collect`, and in parameters cells after it.

    Variables that later cells set are not parameters. But where a person has changed the parameters cell and opens
    the notebook again, it comes after the first `collect`: a cell of plain values, one of them a parameter's.
    """
    names: set[str] = set()
    collected = False
    for source in cells:
        assigned = _assigned(source)
        if not collected or (_is_parameters_cell(source) and assigned & set(known)):
            names |= assigned
        collected = collected or _COLLECT in source
    return {name for name in names if not name.startswith("_")}


def _assigned(source: str) -> set[str]:
    """Return the names that a cell assigns; none if it is not Python alone, as a cell magic is not."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return set()
    names = (node for statement in tree.body for node in ast.walk(statement) if isinstance(node, ast.Name))
    return {node.id for node in names if isinstance(node.ctx, ast.Store)}


def _is_parameters_cell(source: str) -> bool:
    try:
        literals(source, "")
    except InputError:
        return False
    return True


def _unrecordable(value: object, above: tuple[object, ...] = ()) -> str:
    """Return why a value cannot be recorded as it is, in JSON; empty if it can.

    Args:
        value: The value.
        above: The values that contain it.
    """
    if any(value is item for item in above):
        return _CIRCLE
    within = (*above, value)
    problem = ""
    match value:
        case dt.date() | dt.time():
            problem = f"a date or time in YAML: {value}; write it in quotes"
        case float() if not math.isfinite(value):
            problem = "must be a finite number"
        case bytes() | set() | frozenset():
            problem = f"of type {type(value).__name__}, which parameters do not have"
        case str() if any("\ud800" <= character <= "\udfff" for character in value):
            problem = "not valid UTF-8 text"
        case dict():
            odd = next((key for key in value if not isinstance(key, str)), None)
            found = ((key, _unrecordable(item, within)) for key, item in value.items())
            inner = (f"{key}: {text}" for key, text in found if text)
            problem = next(inner, "") if odd is None else f"the key {odd} is not text; write it in quotes"
        case list() | tuple():
            problem = next(filter(None, (_unrecordable(item, within) for item in value)), "")
    return problem


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
