"""Runs the generator of a pyinfra operation with the facts that are known, and collects the commands that it yields.

An operation asks its host for facts, and nothing else. One that has not been read yet ends the attempt: it is read over
this library's connection, and the generator is started again, until it comes to its end.
"""

from __future__ import annotations

import contextlib
import copy
import logging
import threading
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pyinfra
from pyinfra.api import (
    Config,
    FileDownloadCommand,
    FileUploadCommand,
    FunctionCommand,
    Host,
    RsyncCommand,
    ShortFactBase,
    StringCommand,
)
from pyinfra.api import util as pyinfra_util
from pyinfra.api.exceptions import PyinfraError
from pyinfra.api.host import HostData
from pyinfra.api.state import StateStage
from pyinfra.context import ctx_config, ctx_host, ctx_state
from pyinfra.facts.server import TmpDir

from runbook_lib.errors import PlanRefused, RunbookError
from runbook_lib.integrations.pyinfra.arguments import GLOBAL
from runbook_lib.integrations.pyinfra.commands import Upload, shell_command
from runbook_lib.integrations.pyinfra.facts import UploadTarget, make_fact
from runbook_lib.masking import excerpt
from runbook_lib.model.plans import Change, Plan

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from runbook_lib.facts.base import Fact, Facts

__all__ = ["Call", "FactNeeded", "make_plan"]

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


class FactNeeded(BaseException):
    """A fact that has not been read yet. Not an `Exception`, so that no operation takes it for a failure of its own."""

    def __init__(self, fact: Fact[Any]) -> None:
        super().__init__(fact.label)
        self.fact = fact


@dataclass(frozen=True)
class Call:
    """One call of a pyinfra operation.

    Args:
        name: As `apt.packages`.
        function: The operation's own function, a generator of commands.
        kwargs: Its arguments.
        arguments: The global arguments, complete.
        host_name: As in the inventory; empty if the operation does not depend on the host.
        data: The host's variables in the inventory.
    """

    name: str
    function: Callable[..., Iterator[Any]]
    kwargs: Mapping[str, Any]
    arguments: Mapping[str, Any]
    host_name: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)


def make_plan(call: Call, facts: Facts) -> Plan:
    """Return the commands that an operation yields, given facts.

    Args:
        call: The operation.
        facts: The facts that are known.

    Raises:
        FactNeeded: It asks for a fact that is not among them.
        PlanRefused: It fails, or yields what cannot be planned.
    """
    values = {fact: facts[fact] for fact in facts}
    host = _Host(call, values)
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
    commands, changes = [], []
    for command, upload in uploads:
        _refuse(command, call)
        own = getattr(command, "connector_arguments", {})
        arguments = {**call.arguments, **own}
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
def _in_context(host: _Host) -> Iterator[None]:
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


class _State(SimpleNamespace):
    """What operations ask pyinfra's state for: nothing is executed by pyinfra itself."""

    def __init__(self) -> None:
        super().__init__(
            config=Config(),
            cwd=str(Path.cwd()),
            inventory=SimpleNamespace(groups={}),
            current_stage=StateStage.Prepare,
            current_exec_filename=None,
            is_executing=False,
            print_noop_info=False,
        )

    def should_check_for_changes(self) -> bool:
        return False


class _Host(Host):  # type: ignore[misc] # it ships no type information
    """pyinfra's host, with facts that are known already and without a connection."""

    def __init__(self, call: Call, values: Mapping[Fact[Any], Any]) -> None:
        self.name = call.host_name or "host"
        self.state = _State()
        self.groups: list[str] = []
        self.inventory = self.state.inventory
        self.loop_position: list[int] = []
        self.connector_data: dict[str, Any] = {}
        self.op_hash_order: list[str] = []
        self.data = HostData(self, dict(call.data))
        self.connected = self.in_op = True
        self.print_prefix_padding = ""
        self.current_op_global_arguments = dict(call.arguments)
        self._call = call
        self._values = values
        self._temporary = 0

    def get_fact(self, name_or_cls: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - pyinfra's own signature
        if issubclass(name_or_cls, ShortFactBase):
            return name_or_cls().process_data(self.get_fact(name_or_cls.fact, *args, **kwargs))
        own = {name: kwargs.pop(name) for name in list(kwargs) if name in GLOBAL}
        fact = make_fact(name_or_cls, args, kwargs, {**self._call.arguments, **own}, self)
        if fact not in self._values:
            raise FactNeeded(fact)
        return copy.deepcopy(self._values[fact])

    def get_temp_filename(self, hash_key: str | None = None, *args: Any, **kwargs: Any) -> str:  # noqa: ANN401 - as above
        # pyinfra makes up a random name each time: then no attempt would ask for the facts of the one before.
        self._temporary += hash_key is None
        key = hash_key or f"{self._call.name} {self._temporary}"
        name: str = super().get_temp_filename(key, *args, **kwargs)
        return name

    def _get_temp_directory(self) -> str:
        given = self._call.arguments["_temp_dir"] or self.get_fact(TmpDir)
        return str(given or self.state.config.DEFAULT_TEMP_DIR)

    def run_shell_command(self, *args: Any, **_: Any) -> Any:  # noqa: ANN401 - as above
        raise PlanRefused(
            f"pyinfra's {self._call.name} runs a command while it is planned: {excerpt(str(args[:1]), 200)}",
            hint="use an operation that yields its commands",
        )

    put_file = get_file = rsync = connect = disconnect = run_shell_command
