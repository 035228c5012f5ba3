"""Every error that runbook_lib raises for its users, in one tree.

    RunbookError
      InputError              exit 2: refused before any host was touched
        ParameterError        a parameter is unknown, missing or of the wrong type
        InventoryError        the inventory, a host or a group is wrong
        SecretError           a secret reference cannot be resolved
        RequirementError      this machine lacks a program or a privilege
      UnreachableError        exit 3: a host cannot be reached
        HostKeyError          the host key does not match known_hosts
        AuthenticationError   the host rejects the key or the user
      OperationError          exit 1: a step did not do what it promises
        FactError             the host's output cannot be parsed
          FactUnavailable     the subsystem a fact reads is not available (yet)
        PlanRefused           continuing would do harm; nothing was changed
          NotApplicable       the step does not apply to this kind of host and is skipped there
          HostLocked          another run is changing the host
          NotYet              a temporary obstacle; the operation is retried
        CommandFailed         a command exited with a code that is not accepted
        DeadlinePassed        a step or the run exceeded its time limit
        StepFailed            a step failed on at least one host
      LabError                exit 1: the lab could not be built, started or stopped
      EvidenceError           exit 4: the evidence cannot be written or is incomplete
      Interrupted             exit 4: stopped by the user or a signal

Each error says what was tried, on which host, what came back and what to do next.
"""

from __future__ import annotations

from runbook_lib.printing.visible_text import visible

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
    """Base class of all errors of this library.

    Args:
        message: What was tried and what came back, in one sentence.
        where: The host, file or parameter concerned.
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
        """Show IPython, and so papermill's output, the message instead of library stack frames."""
        return [visible(f"{type(self).__name__}: {self}")]


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
    """This machine lacks a program or a privilege."""


class UnreachableError(RunbookError):
    """A host cannot be reached."""

    exit_code = 3


class HostKeyError(UnreachableError):
    """The host key does not match the one in known_hosts."""


class AuthenticationError(UnreachableError):
    """The host rejects the key or the user."""


class OperationError(RunbookError):
    """A step did not do what it promises."""


class FactError(OperationError):
    """The host's output cannot be parsed."""


class FactUnavailable(FactError):  # noqa: N818 - an expected state, not a programming error
    """The subsystem that a fact reads is not available (yet)."""


class PlanRefused(OperationError):  # noqa: N818 - the field's word
    """Continuing would do harm; nothing was changed."""


class NotApplicable(PlanRefused):
    """The step does not apply to this kind of host: it is `skipped` there, with this reason."""


class HostLocked(PlanRefused):
    """Another run is changing the host."""


class NotYet(PlanRefused):
    """A temporary obstacle that clears by itself; mode `apply` waits and plans again.

    Args:
        message: As for `RunbookError`.
        within: Seconds to wait at most.
        hint: As for `RunbookError`.
    """

    def __init__(self, message: str, *, within: float, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.within = within


class CommandFailed(OperationError):  # noqa: N818 - the field's word
    """A command exited with a code that is not accepted."""


class DeadlinePassed(OperationError):  # noqa: N818 - what happened
    """A step or the run exceeded its time limit."""


class StepFailed(OperationError):  # noqa: N818 - the field's word
    """A step failed on at least one host."""


class LabError(RunbookError):
    """The lab could not be built, started or stopped."""


class EvidenceError(RunbookError):
    """The evidence cannot be written, or is incomplete."""

    exit_code = 4


class Interrupted(RunbookError):  # noqa: N818 - the status word
    """Stopped by the user or by a signal."""

    exit_code = 4
