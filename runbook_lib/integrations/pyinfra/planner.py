"""Runs the generator of a pyinfra operation with the facts that are known, and collects the commands that it yields.

An operation asks its host for facts, and nothing else. One that has not been read yet ends the attempt: it is read over
this library's connection, and the generator is started again, until it comes to its end.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from typing import TYPE_CHECKING, Any

import pyinfra
from pyinfra.api import (
    FileDownloadCommand,
    FileUploadCommand,
    FunctionCommand,
    RsyncCommand,
    StringCommand,
)
from pyinfra.api import util as pyinfra_util
from pyinfra.api.exceptions import PyinfraError
from pyinfra.context import ctx_config, ctx_host, ctx_state

from runbook_lib.errors import ParameterError, PlanRefused, RunbookError
from runbook_lib.integrations.pyinfra.arguments import with_checked_values
from runbook_lib.integrations.pyinfra.commands import Upload, shell_command
from runbook_lib.integrations.pyinfra.facts import UploadTarget
from runbook_lib.integrations.pyinfra.inverse import acts_as_root, changed_files, with_rollback
from runbook_lib.integrations.pyinfra.recorded_host import FactNeeded, RecordedHost
from runbook_lib.model.plans import Change, Plan

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from runbook_lib.facts.base import Facts
    from runbook_lib.integrations.pyinfra.recorded_host import Call

__all__ = ["make_plan", "make_plan_with_rollback"]

_log = logging.getLogger(__name__)
# pyinfra's context is global in part. Planning takes no time worth sharing: it sends nothing.
_PLANNING = threading.Lock()
_REFUSED = {
    FunctionCommand: "runs a Python function of its own, whose effects cannot be planned or recorded",
    RsyncCommand: "runs rsync from this machine, past the recorded connection",
    FileDownloadCommand: "downloads a file to this machine, past the recorded connection",
}
# A package manager that is terminated halfway leaves packages unpacked and not configured.
_PACKAGE_MANAGERS = frozenset(
    {"apk", "apt", "dnf", "opkg", "pacman", "pkg", "pkgin", "xbps", "yum", "zypper"}
)


def make_plan(call: Call, facts: Facts) -> Plan:
    """Return the commands that an operation yields, given facts.

    Args:
        call: The operation.
        facts: The facts that are known.

    Raises:
        FactNeeded: It asks for a fact that is not among them.
        PlanRefused: It fails, or yields what cannot be planned.
    """
    return _translated(call, facts, _yielded(call, facts))


def make_plan_with_rollback(call: Call, facts: Facts) -> Plan:
    """Return the same plan with the commands that undo it, where they are known for certain.

    Args:
        call: The operation.
        facts: The facts that are known.

    Raises:
        FactNeeded: As above; also for the former state of a file that the plan changes.
        PlanRefused: As above.
    """
    yielded = _yielded(call, facts)
    plan = _translated(call, facts, yielded)
    sent = [upload or _text(command) for command, upload in yielded]
    if not plan.commands or not all(acts_as_root(_arguments(call, command)) for command, _ in yielded):
        return plan
    known = {fact: facts[fact] for fact in facts}
    states = changed_files(call.name, sent) or ()
    for state in states:
        if state not in known:
            raise FactNeeded(state)
    return with_rollback(plan, call.name, sent, {state: known[state] for state in states})


def _yielded(call: Call, facts: Facts) -> list[tuple[Any, Upload | None]]:
    """Run an operation; return its commands, and what those that upload a file upload."""
    values = {fact: facts[fact] for fact in facts}
    host = RecordedHost(call, values)
    with _PLANNING, _in_context(host), _notes() as notes:
        pyinfra_util.FILE_SHAS.clear()  # hashes and templates of local files, which may have changed since
        pyinfra_util.TEMPLATES.clear()
        try:
            yielded = list(call.function(**_copied(call.kwargs)))
            uploads = [
                (
                    command,
                    Upload.read(command.src, str(command.dest))
                    if isinstance(command, FileUploadCommand)
                    else None,
                )
                for command in yielded
            ]
        except RunbookError:
            raise
        except PyinfraError as problem:
            raise PlanRefused(f"pyinfra's {call.name}: {problem}") from problem
        except Exception as problem:  # an operation of another project may raise anything
            text = f"{type(problem).__name__}: {problem}"
            raise PlanRefused(f"pyinfra's {call.name} failed while it was planned: {text}") from problem
    for note in dict.fromkeys(notes):  # not once for each attempt
        _log.info("%s: %s", call.name, note)
    return uploads


def _arguments(call: Call, command: object) -> dict[str, Any]:
    """Return the global arguments of one command: an operation may give it some of its own.

    Raises:
        PlanRefused: A value has the wrong type.
    """
    own = getattr(command, "connector_arguments", {})
    try:
        return with_checked_values({**call.arguments, **own}, call.name)
    except ParameterError as problem:
        raise PlanRefused(str(problem)) from problem


def _text(command: Any) -> str:  # noqa: ANN401 - a command of pyinfra
    return str(command.get_raw_value() if isinstance(command, StringCommand) else command).strip()


def _translated(call: Call, facts: Facts, yielded: Sequence[tuple[Any, Upload | None]]) -> Plan:
    """Return commands as those of a plan."""
    values = {fact: facts[fact] for fact in facts}
    commands, changes = [], []
    for command, upload in yielded:
        _refuse(command, call)
        arguments = _arguments(call, command)
        purpose = call.arguments["name"] or f"pyinfra {call.name}"
        if upload:
            target = UploadTarget(upload.path, bool(arguments["_sudo"]))
            if target not in values:
                raise FactNeeded(target)
            changes.append(Change(upload.path, values[target], upload.summary))
            private = call.kwargs.get("mode") is not None
            commands.append(upload.command(arguments, purpose=purpose, private=private))
        else:
            text = command.strip() if isinstance(command, str) else command
            safe = call.name.partition(".")[0] not in _PACKAGE_MANAGERS
            commands.append(shell_command(text, arguments, purpose=purpose, safe_to_interrupt=safe))
    return Plan(commands=tuple(commands), changes=tuple(changes))


def _refuse(command: object, call: Call) -> None:
    for kind, reason in _REFUSED.items():
        if isinstance(command, kind):
            raise PlanRefused(
                f"pyinfra's {call.name} {reason}",
                hint="use an operation of runbook_lib, or write a step of your own",
            )
    if not isinstance(command, str | StringCommand | FileUploadCommand):
        raise PlanRefused(f"pyinfra's {call.name} yields a {type(command).__name__}, which is not supported")


def _copied(value: Any) -> Any:  # noqa: ANN401 - any argument
    """Return a value whose containers are copies: an operation may change its arguments, and is run several times."""
    if isinstance(value, dict):
        return {key: _copied(item) for key, item in value.items()}
    if type(value) in {list, tuple, set}:
        return type(value)(_copied(item) for item in value)
    return value


@contextlib.contextmanager
def _in_context(host: RecordedHost) -> Iterator[None]:
    """Make a host and its state those that pyinfra's global names stand for."""
    now = ((ctx_state, host.state), (ctx_host, host), (ctx_config, host.state.config))
    before = [(context, context.get()) for context, _ in now]
    try:
        for context, value in now:
            context.set(value)
        yield
    finally:
        for context, value in before:
            context.set(value)


@contextlib.contextmanager
def _notes() -> Iterator[list[str]]:
    """Collect what operations log below errors, which would otherwise be repeated at each attempt."""
    notes: list[str] = []

    def collect(record: logging.LogRecord) -> bool:
        if record.levelno < logging.ERROR:
            notes.append(record.getMessage())
        return record.levelno >= logging.ERROR

    pyinfra.logger.addFilter(collect)
    try:
        yield notes
    finally:
        pyinfra.logger.removeFilter(collect)
