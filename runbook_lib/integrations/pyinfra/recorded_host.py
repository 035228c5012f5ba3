"""pyinfra's host for planning: it answers with the facts that were read already, and sends nothing."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from pyinfra.api import Config, Host, ShortFactBase
from pyinfra.api.host import HostData
from pyinfra.api.state import StateStage
from pyinfra.facts.server import TmpDir

from runbook_lib.errors import PlanRefused
from runbook_lib.integrations.pyinfra.arguments import GLOBAL
from runbook_lib.integrations.pyinfra.facts import make_fact
from runbook_lib.masking import excerpt

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from runbook_lib.facts.base import Fact

__all__ = ["Call", "FactNeeded", "RecordedHost"]


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


class RecordedHost(Host):  # type: ignore[misc] # it ships no type information
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
        """Return a fact's value, or end the attempt to plan until it was read."""
        if issubclass(name_or_cls, ShortFactBase):
            return name_or_cls().process_data(self.get_fact(name_or_cls.fact, *args, **kwargs))
        own = {name: kwargs.pop(name) for name in list(kwargs) if name in GLOBAL}
        fact = make_fact(name_or_cls, args, kwargs, {**self._call.arguments, **own}, self)
        if fact not in self._values:
            raise FactNeeded(fact)
        return copy.deepcopy(self._values[fact])

    def get_temp_filename(self, hash_key: str | None = None, *args: Any, **kwargs: Any) -> str:  # noqa: ANN401 - as above
        """Return a name that is the same in each attempt: pyinfra's own is random, and so would its facts be."""
        self._temporary += hash_key is None
        key = hash_key or f"{self._call.name} {self._temporary}"
        name: str = super().get_temp_filename(key, *args, **kwargs)
        return name

    def _get_temp_directory(self) -> str:
        given = self._call.arguments["_temp_dir"] or self.get_fact(TmpDir)
        return str(given or self.state.config.DEFAULT_TEMP_DIR)

    def run_shell_command(self, *args: Any, **_: Any) -> Any:  # noqa: ANN401 - as above
        """Refuse: nothing is sent while a step is planned."""
        raise PlanRefused(
            f"pyinfra's {self._call.name} runs a command while it is planned: {excerpt(str(args[:1]), 200)}",
            hint="use an operation that yields its commands",
        )

    put_file = get_file = rsync = connect = disconnect = run_shell_command
