"""Operations as another package or a user of pyinfra would write them, for tests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyinfra import host, logger
from pyinfra.api import (
    FactBase,
    FileUploadCommand,
    FunctionCommand,
    HiddenValue,
    OperationError,
    QuoteString,
    StringCommand,
    operation,
)
from pyinfra.api.exceptions import FactTypeError
from pyinfra.operations import files

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Lines(FactBase[list[str]]):
    """The lines of a file."""

    default = list

    def command(self, path: str) -> StringCommand:
        return StringCommand("cat", QuoteString(path), "2>/dev/null || true")

    def process(self, output: list[str]) -> list[str]:
        return list(output)


class Unanswered(FactBase[str]):
    """A fact that no host can answer."""

    def command(self) -> str:
        return "echo the device is not configured >&2; exit 3"


class Garbled(FactBase[int]):
    """A fact whose parser does not understand the output."""

    def command(self) -> str:
        return "echo seven"

    def process(self, output: list[str]) -> int:
        return int(output[0])


@operation()
def lines(path: str, wanted: list[str], *, fails: bool = False) -> Iterator[str]:
    """Put lines at the end of a file.

    + path: the file
    + wanted: its lines
    """
    present = host.get_fact(Lines, path=path)
    wanted.reverse()  # arguments are the operation's own to change
    for number, line in enumerate(reversed(wanted)):
        if line not in present:
            yield f"echo {line} >> {path}"
        if fails and number == 0:
            yield "echo the disk is on fire >&2; exit 7"
    present.append("changed")  # so are the values of facts


@operation()
def unanswered() -> Iterator[str]:
    host.get_fact(Unanswered)
    yield "true"


@operation()
def garbled() -> Iterator[str]:
    host.get_fact(Garbled)
    yield "true"


@operation()
def calls(function: Callable[[], None], path: str) -> Iterator[Any]:
    host.get_fact(Lines, path=path)
    yield FunctionCommand(function, (), {})


@operation()
def refuses(path: str) -> Iterator[str]:
    host.get_fact(Lines, path=path)
    raise OperationError("the path is not ours")
    yield ""


@operation()
def mistaken(path: str) -> Iterator[str]:
    host.get_fact(Lines, wrong=path)
    yield ""


@operation()
def mistyped(path: str) -> Iterator[str]:
    raise FactTypeError(f"{path} is not a number")
    yield ""


@operation()
def nested(path: str) -> Iterator[Any]:
    """Several things in one: nested operations, loops, and what is noted only."""
    assert host.in_op
    for name in host.loop(("one", "two")):
        yield from files.directory._inner(path=f"{path}/{name}")  # noqa: SLF001 - pyinfra's own way
        host.noop(f"{name} is there")
        logger.debug("%s", name)
    yield from files.line._inner(path=f"{path}/one/file", line=host.data.get("word", "no word"))  # noqa: SLF001


@operation()
def hidden(path: str) -> Iterator[Any]:
    host.get_fact(Lines, path=path)
    yield StringCommand("echo", HiddenValue("hunter2"))


@operation()
def misinformed(path: str) -> Iterator[Any]:
    host.get_fact(Lines, path=path)
    yield StringCommand("true", _timeout="long")


@operation()
def endless(path: str) -> Iterator[str]:
    number = 0
    while True:
        host.get_fact(Lines, path=f"{path}{number}")
        number += 1


@operation()
def uploads(source: object, path: str) -> Iterator[Any]:
    if host.get_fact(Lines, path=path) != ["done"]:
        yield FileUploadCommand(source, path)
        yield StringCommand("echo", "done", ">", QuoteString(path))


@operation()
def stubborn(path: str) -> Iterator[str]:
    """Find something to do each time."""
    if host.get_fact(Lines, path=path) is not None:
        yield "true"


@operation()
def rebuild(path: str, force: bool = False) -> Iterator[str]:  # noqa: FBT001, FBT002 - pyinfra's way
    """Act only where forced to, whatever the host's state is."""
    if force:
        yield f"echo x >> {path}"
