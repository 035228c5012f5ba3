"""A pyinfra operation as an operation of a runbook: facts, then a plan, and verified by planning again."""

from __future__ import annotations

import contextlib
import functools
import inspect
from dataclasses import dataclass, replace
from io import IOBase
from typing import IO, TYPE_CHECKING, Any, cast

from runbook_lib.errors import PlanRefused
from runbook_lib.facts.base import Facts
from runbook_lib.integrations.pyinfra.arguments import ALLOWED
from runbook_lib.integrations.pyinfra.changes import changed_facts
from runbook_lib.integrations.pyinfra.commands import Upload
from runbook_lib.integrations.pyinfra.planner import make_plan, make_plan_with_rollback
from runbook_lib.integrations.pyinfra.recorded_host import Call, FactNeeded
from runbook_lib.masking import excerpt
from runbook_lib.model.plans import Check
from runbook_lib.operations.base import Operation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runbook_lib.facts.base import Fact
    from runbook_lib.host_settings import Host
    from runbook_lib.model.plans import Change, Plan

__all__ = ["EACH_TIME", "PyinfraOperation"]

EACH_TIME = {
    "command": None,
    "daemon_reload": False,
    "force": False,
    "latest": False,
    "pull": False,
    "reloaded": False,
    "restarted": False,
    "update": False,
    "upgrade": False,
}
"""Arguments that make an operation act whatever the facts are. They are turned off when planning again verifies it."""


@dataclass(frozen=True, eq=False)
class PyinfraOperation(Operation):
    """One call of a pyinfra operation, for any host.

    Args:
        call: The operation and its arguments.
        repeatable: Whether planning it again shows that the host is in the desired state.
    """

    call: Call
    repeatable: bool = True

    def __call__(self, host: Host) -> PyinfraOperation:
        """Return the same operation for one host, whose name and variables templates may use."""
        return replace(self, call=replace(self.call, host_name=host.name, data=host.variables))

    def facts(self) -> Sequence[Fact[Any]]:
        """Return no facts: which ones are needed, the operation says while it is planned."""
        return ()

    def further_facts(self, facts: Facts) -> Sequence[Fact[Any]]:
        """Return the next fact that the operation asks for, to plan its commands or to verify them."""
        try:
            make_plan_with_rollback(self.call, facts)
            if self._verifying is not self.call:
                # Before the change it may be refused for what the change removes: a file where `force` puts a link.
                with contextlib.suppress(PlanRefused):
                    make_plan(self._verifying, facts)
        except FactNeeded as needed:
            return (needed.fact,)
        return ()

    def plan(self, facts: Facts) -> Plan:
        """Return the commands that the operation yields with these facts, and their rollback where there is one.

        Raises:
            PlanRefused: The operation fails, or yields what cannot be planned.
        """
        return make_plan_with_rollback(self.call, facts)

    def verify(self, facts: Facts) -> list[Check]:
        """Return one check: with the facts after the change, the operation yields no command any more."""
        name = f"pyinfra {self.call.name}"
        if not self.verifiable:
            return [Check.equal(f"{name}: exit codes", "accepted", "accepted", "pyinfra.exit_codes")]
        left = make_plan(self._verifying, facts).commands
        texts = "; ".join(excerpt(command.argv[-1].strip(), 200) for command in left[:3])
        more = f"; and {len(left) - 3} more" if len(left) > 3 else ""  # noqa: PLR2004 - as above
        observed = f"{len(left)} left to run: {texts}{more}" if left else "no commands left to run"
        hint = "" if not left else " (if it is meant to act each time: _verifiable=False)"
        return [Check(name, "no commands left to run", observed + hint, not left, "pyinfra.planned_again")]

    def observed_changes(self, before: Facts, after: Facts) -> Sequence[Change]:
        """Return the facts of pyinfra that are others than before."""
        return changed_facts(before, after)

    @functools.cached_property
    def verifiable(self) -> bool:
        """Whether planning again verifies the operation: not if pyinfra says so, or if it acts without any fact."""
        if not self.repeatable:
            return False
        no_facts = Facts({})
        try:
            if make_plan(self._verifying, no_facts).commands:
                return False
        except (FactNeeded, PlanRefused):
            return True
        # Without what acts each time it asks for no fact: planned again, it would say that there is nothing left to do.
        try:
            return not make_plan(self.call, no_facts).commands
        except (FactNeeded, PlanRefused):
            return False

    @property
    def settle(self) -> float:
        """Seconds: a service may take a moment to be reported as running."""
        return 5.0 if self.verifiable else 0.0

    @functools.cached_property
    def _verifying(self) -> Call:
        """The same call without what acts each time."""
        parameters = inspect.signature(self.call.function).parameters
        off = {
            name: EACH_TIME[name]
            for name, parameter in parameters.items()
            if name in EACH_TIME
            and parameter.default is not parameter.empty
            and (
                name != "command" or "restarted" in parameters
            )  # of a service; a container's is part of its state
            and self.call.kwargs.get(name, parameter.default)
        }
        return replace(self.call, kwargs={**self.call.kwargs, **off}) if off else self.call

    def describe(self) -> str:
        """Return the operation with its arguments, as recorded; uploaded contents by size and hash."""
        shown = {**self.call.kwargs, **_not_default(self.call)}
        arguments = ", ".join(f"{name}={_shown(value)}" for name, value in shown.items())
        return f"pyinfra.{self.call.name}({arguments})"


def _not_default(call: Call) -> dict[str, Any]:
    return {
        name: value for name, value in call.arguments.items() if value != ALLOWED[name] and name != "name"
    }


def _shown(value: object) -> str:
    if isinstance(value, IOBase):
        return f"<{Upload.read(cast('IO[Any]', value), '').summary}>"
    return repr(value)
