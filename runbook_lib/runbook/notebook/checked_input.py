"""What was checked and announced before a kernel started: its notebook opens runs with that, and with nothing else.

The cells of a notebook can give a parameter's variable another value, or build a model that leaves it out. A plan would
then change hosts, and a run would visit hosts that nobody named.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from runbook_lib.errors import ParameterError
from runbook_lib.masking import excerpt
from runbook_lib.parameters import Parameters
from runbook_lib.runbook.notebook.parent_process import report_to_engine

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from runbook_lib.host_settings import Host
    from runbook_lib.model.records import RunRecord

__all__ = ["CHECKED_INPUT", "REFUSED_INPUT", "CheckedInput", "refuse_other_than_parameters"]

CHECKED_INPUT = "RUNBOOK_CHECKED_INPUT"
"""Environment variable with the file from which a kernel reads what our engine has checked."""

REFUSED_INPUT = "RUNBOOK_REFUSED_INPUT"
"""Environment variable with the file to which a kernel writes why a run was not opened."""

_MOST = 100  # characters of a value in a message
_HINT = (
    "give values with -p or -f; a cell may compute others in other variables, and a model has all parameters"
)


@dataclass(frozen=True)
class CheckedInput:
    """The parameters and hosts of a run, as they were checked; plain data, which can be sent to another process.

    Args:
        parameters: All of them, as they are recorded.
        given: Names of those that the parameters cell sets or the caller has given.
        hosts: Names of the hosts.
    """

    parameters: dict[str, Any] = field(default_factory=dict)
    given: list[str] = field(default_factory=list)
    hosts: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, parameters: Parameters, hosts: Sequence[Host]) -> Self:
        """Return the checked input of a run that is going to be made."""
        names = [host.name for host in hosts]
        return cls(parameters.model_dump(mode="json"), sorted(parameters.model_fields_set), names)

    @classmethod
    def of_kernel(cls) -> Self | None:
        """Return what was checked before this kernel started; None if our engine has not started it.

        Raises:
            ParameterError: It cannot be read.
        """
        file = os.environ.get(CHECKED_INPUT)
        if not file:
            return None
        try:
            return cls(**json.loads(Path(file).read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError) as problem:  # a cell can do anything to it
            raise _reported(f"the checked parameters cannot be read: {problem}", file) from problem

    def write(self, file: Path) -> None:
        """Write it to the file that `CHECKED_INPUT` names."""
        file.write_text(json.dumps(asdict(self)), encoding="utf-8")

    def resuming(self, run: Path) -> Self:
        """Return the same for a run that resumes an earlier one."""
        return replace(
            self,
            parameters={**self.parameters, "resume": str(run)},
            given=sorted({*self.given, "resume"}),
        )

    def refuse_other_parameters(self, opened: Parameters) -> None:
        """Refuse parameters that a run is opened with, and that were not checked.

        Defaults that both sides compute, such as an id, may differ. A model of the notebook's own may lack
        parameters, and may have more.

        Raises:
            ParameterError: They differ.
        """
        values = opened.model_dump(mode="json")
        names = {*Parameters.model_fields, *self.given, *opened.model_fields_set}
        differing = [
            f"{name!r} was checked as {_shown(self.parameters[name])}, and the notebook opens the run with "
            f"{_shown(values[name])}"
            for name in self.parameters
            if name in names and name in values and values[name] != self.parameters[name]
        ]
        if differing:
            raise _reported("; ".join(differing), f"parameters of {opened.runbook}")

    def refuse_other_hosts(self, selected: Sequence[Host], runbook: str) -> None:
        """Refuse hosts that were not checked, as after a change of the inventory.

        Raises:
            ParameterError: They differ.
        """
        names = [host.name for host in selected]
        if sorted(names) != sorted(self.hosts):
            raise _reported(
                f"the hosts were checked as {_listed(self.hosts)}, and the inventory has {_listed(names)} now",
                f"hosts of {runbook}",
                "the inventory has changed since: start the run again",
            )

    def contradictions(self, record: RunRecord) -> Iterator[str]:
        """Yield what a run's own record says that was not checked: no cell can evade that.

        Args:
            record: The run, by its journal.
        """
        if record.mode != self.parameters["mode"]:
            yield f"run {record.run} was made in mode {record.mode}: {self.parameters['mode']} was checked"
        if sorted(record.hosts) != sorted(self.hosts):
            yield (
                f"run {record.run} was made on {_listed(record.hosts)}: {_listed(self.hosts)} "
                f"{'was' if len(self.hosts) == 1 else 'were'} checked"
            )


def refuse_other_than_parameters(given: object) -> None:
    """Refuse what a run cannot be opened with, as the dictionary that `globals()` returns.

    Raises:
        ParameterError: It is not a model of parameters.
    """
    if not isinstance(given, Parameters):
        kind = f"the class {given.__name__}" if isinstance(given, type) else f"a {type(given).__name__}"
        raise _reported(
            f"takes a parameter model, got {kind}",
            "Runbook.open",
            "write Runbook.open() for the variables of the parameters cell, or Runbook.open(Parameters(hosts=...))",
        )


def _reported(message: str, where: str, hint: str = _HINT) -> ParameterError:
    """Return the error of a run that is not opened, once our engine knows of it: the notebook may catch it."""
    problem = ParameterError(message, where=where, hint=hint)
    report_to_engine(REFUSED_INPUT, json.dumps(str(problem)), "the refusal", where=where)
    return problem


def _shown(value: object) -> str:
    return excerpt(repr(value), _MOST)


def _listed(hosts: Sequence[str]) -> str:
    return excerpt(", ".join(hosts), _MOST) or "no host"
