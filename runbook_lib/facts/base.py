"""The base of all facts: a read-only command or query, and a pure parser of its output."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar, cast

from runbook_lib.errors import FactError
from runbook_lib.masking import excerpt

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from runbook_lib.model.commands import Command, DockerQuery, NetworkQuery, Output

__all__ = ["Fact", "Facts", "as_plain", "lines_of", "load_json", "parsing", "paths_of", "typed"]

T = TypeVar("T")
_INTEGERS = range(-(2**63), 2**64)  # what readers of JSON keep exactly


@dataclasses.dataclass(frozen=True)
class Fact(ABC, Generic[T]):
    """Something observed on a host. Subclasses are frozen dataclasses; their fields are the arguments.

    `id` is the name under which records keep the fact: the class's own, unless the class sets another one. It must
    outlive a renamed class, since old evidence is read by it.

    Facts of a step are requested together where that is possible, in no certain order on the host. Those listed after
    one that is `awaited` are requested when its answer is there: it shows whether something is about to change them.
    """

    id: ClassVar[str] = "Fact"
    awaited: ClassVar[bool] = False

    def __init_subclass__(cls, **keywords: Any) -> None:  # noqa: ANN401 - as of any class
        """Give the subclass its id."""
        super().__init_subclass__(**keywords)
        if "id" not in vars(cls):
            cls.id = cls.__name__

    @abstractmethod
    def request(self) -> Command | DockerQuery | NetworkQuery:
        """Return the read-only command or query."""

    @abstractmethod
    def parse(self, output: Output) -> T:
        """Return the value. Pure.

        Raises:
            FactError: The output is not what the command prints.
        """

    def absent(self) -> T:
        """Return the value for a host that lacks the subsystem so far (mode `plan` only).

        Raises:
            FactError: The fact has no value without its subsystem.
        """
        raise FactError(f"{self.label} has no value without its subsystem")

    @property
    def label(self) -> str:
        """Id and arguments, as shown and recorded: `Container(redis-server)`."""
        arguments = [getattr(self, item.name) for item in dataclasses.fields(self)]
        return self.id + (f"({', '.join(map(str, arguments))})" if arguments else "")

    @classmethod
    def recorded(cls, facts: Mapping[str, Any]) -> dict[str, Any]:
        """Return the values of this fact in a record, by its arguments as text.

        Args:
            facts: Label -> value, as in `HostRecord.facts`.

        >>> from runbook_lib.facts.container import Container
        >>> Container.recorded({"Container(web)": None, "Container(db)": {"state": "running"}, "Kernel": {}})
        {'web': None, 'db': {'state': 'running'}}
        """
        begin, end = f"{cls.id}(", ")"
        return {
            label[len(begin) : -len(end)]: value
            for label, value in facts.items()
            if label.startswith(begin) and label.endswith(end)
        }


class Facts:
    """Values by fact: `facts[Kernel()]` has the type that `Kernel.parse` returns."""

    def __init__(self, values: Mapping[Fact[Any], Any]) -> None:
        self._values = dict(values)

    def __getitem__(self, fact: Fact[T]) -> T:
        """Return the fact's value."""
        return cast("T", self._values[fact])

    def __iter__(self) -> Iterator[Fact[Any]]:
        return iter(self._values)

    def plain(self) -> dict[str, Any]:
        """Return label -> value as JSON-ready data, for records."""
        return {fact.label: _exact(as_plain(value)) for fact, value in self._values.items()}


def as_plain(value: Any) -> Any:  # noqa: ANN401 - any fact's value
    """Return `value` with dataclasses as mappings, tuples as lists, and what JSON does not have as text."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {item.name: as_plain(getattr(value, item.name)) for item in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {str(key): as_plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [as_plain(item) for item in value]
    return value if value is None or isinstance(value, str | int | float) else str(value)


def _exact(plain: Any) -> Any:  # noqa: ANN401 - JSON
    """Return JSON with integers of more than 64 bits as text: readers of JSON make floating-point numbers of them."""
    if isinstance(plain, dict):
        return {key: _exact(item) for key, item in plain.items()}
    if isinstance(plain, list):
        return [_exact(item) for item in plain]
    return str(plain) if isinstance(plain, int) and plain not in _INTEGERS else plain


@contextlib.contextmanager
def parsing(source: str) -> Iterator[None]:
    """Turn an error while parsing into a `FactError`.

    Args:
        source: The command or file that the output comes from.
    """
    try:
        yield
    except (LookupError, TypeError, AttributeError, ValueError) as problem:
        raise FactError(f"{source}: unexpected output: {type(problem).__name__}: {problem}") from problem


def lines_of(text: str) -> list[str]:
    r"""Return the lines of a host's text; as for programs on the host, only a line feed ends a line.

    `str.splitlines` also splits at characters that a name may contain, such as a form feed or U+2028.

    >>> lines_of("iface\u2028eth0\r\n\nauto")
    ['iface\u2028eth0', '', 'auto']
    """
    return [line.removesuffix("\r") for line in text.removesuffix("\n").split("\n")] if text else []


def paths_of(output: Output, source: str) -> tuple[str, ...]:
    """Return the absolute paths that a command printed, one a line.

    Args:
        output: The command's output.
        source: The fact, for the message.

    Raises:
        FactError: A line is not an absolute path.
    """
    paths = tuple(lines_of(output.stdout))
    strange = next((path for path in paths if not path.startswith("/")), None)
    if strange is not None:
        raise FactError(f"{source}: not a path: {excerpt(strange, 80)!r}")
    return paths


def typed(kind: type[T], value: Any) -> T:  # noqa: ANN401 - JSON
    """Return a value of a host's JSON, which must be of a type: text in place of a flag would be taken for `True`.

    Args:
        kind: The type, exactly: `True` is not a whole number.
        value: The value.

    Raises:
        TypeError: It is of another one; `parsing` makes a `FactError` of it.
    """
    if type(value) is not kind:
        raise TypeError(f"expected {kind.__name__}, got {excerpt(repr(value), 40)}")
    return value


def load_json(output: Output, source: str) -> Any:  # noqa: ANN401 - JSON
    """Return the JSON in `output`.

    Raises:
        FactError: The output is not JSON.
    """
    try:
        return json.loads(output.stdout)
    except (ValueError, RecursionError) as problem:  # also: a number too long, or nested too deeply
        raise FactError(f"{source}: output is not JSON: {excerpt(output.stdout, 80)!r}") from problem
