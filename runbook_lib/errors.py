"""Every error a user of runbook_lib can meet, in one tree.

    RunbookError
      InputError              exit 2: refused before any host was touched
        ParameterError        a parameter is unknown, missing or of the wrong type
        InventoryError        the inventory, a host or a group is wrong
        SecretError           a secret reference cannot be resolved
        RequirementError      this machine lacks a program or a right
      UnreachableError        exit 3: a host cannot be reached
        HostKeyError          the host's key is not the known one
        AuthenticationError   the host refuses our key
      OperationError          exit 1: a step did not do what it says
        FactError             what a host answered cannot be understood
          FactUnavailable     the subsystem asked about is not there (yet)
        PlanRefused           going on would do harm; nothing was changed
          NotApplicable       a host of this kind has no such thing: the step is skipped there
          HostLocked          another run is changing the host
          NotYet              what stands in the way goes away by itself
        CommandFailed         a command ended with an exit code that is not accepted
        DeadlinePassed        a step or the run took longer than it may
        StepFailed            a step ended with a host not ok
      LabError                exit 1: the lab could not be built, started or ended
      EvidenceError           exit 4: the evidence cannot be written or is incomplete
      Interrupted             exit 4: stopped by the user or a signal

Each says what was tried, on which host, what came back and what to do next.
"""

from __future__ import annotations

__all__ = [
    "AuthenticationError",
    "CommandFailed",
    "DeadlinePassed",
    "EvidenceError",
    "FactError",
    "FactUnavailable",
    "HostKeyError",
    "HostLocked",
    "InputError",
    "Interrupted",
    "InventoryError",
    "LabError",
    "NotApplicable",
    "NotYet",
    "OperationError",
    "ParameterError",
    "PlanRefused",
    "RequirementError",
    "RunbookError",
    "SecretError",
    "StepFailed",
    "UnreachableError",
]


class RunbookError(Exception):
    """Base of the tree.

    Args:
        message: What was tried and what came back, in one sentence.
        where: The host, file or place it happened at.
        hint: What to do next.
    """

    exit_code = 1

    def __init__(self, message: str, *, where: str | None = None, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.where = where
        self.hint = hint

    def __str__(self) -> str:
        text = f"{self.where}: {self.message}" if self.where else self.message
        return f"{text}\n  hint: {self.hint}" if self.hint else text

    def _render_traceback_(self) -> list[str]:
        """Show IPython (and so papermill's output) the message instead of library frames."""
        return [f"{type(self).__name__}: {self}"]


class InputError(RunbookError):
    """Input is wrong; no host was touched."""

    exit_code = 2


class ParameterError(InputError):
    """A parameter is unknown, missing or of the wrong type."""


class InventoryError(InputError):
    """The inventory file, a host or a group is wrong."""


class SecretError(InputError):
    """A secret reference cannot be resolved."""


class RequirementError(InputError):
    """This machine lacks a program or a right."""


class UnreachableError(RunbookError):
    """A host cannot be reached."""

    exit_code = 3


class HostKeyError(UnreachableError):
    """The host's key is not the one in known_hosts."""


class AuthenticationError(UnreachableError):
    """The host refuses our key."""


class OperationError(RunbookError):
    """A step did not do what it says."""


class FactError(OperationError):
    """What a host answered cannot be understood."""


class FactUnavailable(FactError):  # noqa: N818 - an expected state, not a programming error
    """The subsystem a fact asks about is not there (yet)."""


class PlanRefused(OperationError):  # noqa: N818 - the field's word
    """Going on would do harm; nothing was changed."""


class NotApplicable(PlanRefused):
    """A host of this kind has no such thing: the step is `skipped` there, with this reason."""


class HostLocked(PlanRefused):
    """Another run is changing the host."""


class NotYet(PlanRefused):
    """What stands in the way goes away by itself: mode `apply` waits for that.

    Args:
        message: As for `RunbookError`.
        within: Seconds it may take.
        hint: As for `RunbookError`.
    """

    def __init__(self, message: str, *, within: float, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.within = within


class CommandFailed(OperationError):  # noqa: N818 - the field's word
    """A command ended with an exit code that is not accepted."""


class DeadlinePassed(OperationError):  # noqa: N818 - what happened
    """A step or the run took longer than it may."""


class StepFailed(OperationError):  # noqa: N818 - the field's word
    """A step ended with a host that is not ok."""


class LabError(RunbookError):
    """The lab could not be built, started or ended."""


class EvidenceError(RunbookError):
    """The evidence cannot be written, or is incomplete."""

    exit_code = 4


class Interrupted(RunbookError):  # noqa: N818 - the status word
    """Stopped by the user or by a signal."""

    exit_code = 4
