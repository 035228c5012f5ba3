"""The parameters that every runbook has: the base of each notebook's strict model, filled from its variables.

papermill only warns about an unknown parameter; here it is an error, raised before any host is touched.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator

from runbook_lib.errors import ParameterError
from runbook_lib.model.plain_text import PlainText
from runbook_lib.model.status import Mode
from runbook_lib.parameters.executed_cells import assigned_names, is_literal
from runbook_lib.parameters.one_host import names_one_host
from runbook_lib.parameters.recordable import CIRCLE, unrecordable
from runbook_lib.yaml_files import validate

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Parameters"]


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
        problem = unrecordable(value)
        if problem and not problem.endswith(CIRCLE):  # that is said of a value whose type is right
            raise ValueError(problem)
        return value

    @field_validator("*", mode="after")
    @classmethod
    def _without_circles(cls, value: Any) -> Any:  # noqa: ANN401 - as above
        problem = unrecordable(value)
        if problem:
            raise ValueError(problem)
        return value

    @property
    def single_hosts(self) -> list[tuple[str, str]]:
        """Name and value of each parameter that must name exactly one host: those of type `OneHost`."""
        return [(name, getattr(self, name)) for name in names_one_host(type(self))]

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
        names = assigned_names(namespace, cls.model_fields)
        values = {name: namespace[name] for name in names if is_literal(namespace.get(name, cls))}
        return validate(cls, values, ParameterError, f"parameters of {cls.runbook}")
