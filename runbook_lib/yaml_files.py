"""Read YAML files so that every error message names the file and the line."""

from __future__ import annotations

import hashlib
import itertools
import re
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from runbook_lib.errors import InputError
from runbook_lib.masking import NeverShown, excerpt

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = [
    "YamlFile",
    "YamlTooLargeError",
    "check_size",
    "explain",
    "load_value",
    "load_yaml",
    "validate",
    "without_values",
]

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times faster, if PyYAML was built with it

_LONGEST = 200  # characters of a value in a message
_DEEPEST = 100
_FEW_VALUES = 10_000  # that aliases may stand for in any text
_MOST_PER_VALUE = 100  # and more for each value that is written
_MOST_VALUES = 2_000_000  # unless there are so many
_QUOTED = re.compile(r"'([^']*)'?|\"([^\"]*)\"?")
_SECRET_NAMES = re.compile(r"passw|secret|token|credential|private|api_?key|access_?key", re.IGNORECASE)
_EMPTY = {"dict_type": "{}", "list_type": "[]"}
_NUMBERS = {"tag:yaml.org,2002:int", "tag:yaml.org,2002:float"}
_LEADING_ZERO = re.compile(r"[-+]?0[0-9_]+")
_NO_YAML_FLOAT = re.compile(r"[-+]?[0-9.]+[eE][-+]?[0-9]+")
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")

M = TypeVar("M", bound=BaseModel)


class YamlTooLargeError(ValueError):
    """A YAML text that is nested too deeply, or whose aliases stand for far more than it contains.

    Args:
        message: What is too large.
        line: Where, from 1.
    """

    def __init__(self, message: str, line: int) -> None:
        super().__init__(f"line {line}: {message}")
        self.message = message
        self.line = line


def check_size(text: str | bytes) -> None:
    """Check that a YAML text can be loaded: libyaml's loader crashes on deep nesting, and aliases of aliases multiply.

    The time is proportional to the text.

    Raises:
        YamlTooLargeError: It is nested too deeply, or its aliases stand for too many values.
        yaml.YAMLError: It is malformed.
    """
    written = total = 0
    values: dict[str, int] = {}
    opened: list[tuple[str | None, int]] = []
    for event in _events(text):
        if isinstance(event, yaml.CollectionStartEvent):
            opened.append((event.anchor, total))
            if len(opened) > _DEEPEST:
                raise YamlTooLargeError(f"nested more than {_DEEPEST} levels deep", _line(event))
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, before = opened.pop()
            if anchor:
                values[anchor] = total - before
        elif isinstance(event, yaml.AliasEvent):
            total += values.get(event.anchor or "", 0)
        elif not isinstance(event, yaml.ScalarEvent):
            continue
        written += 1
        total += 1
        if total > max(written, min(_MOST_VALUES, _FEW_VALUES + _MOST_PER_VALUE * written)):
            message = f"its aliases stand for more than {total - 1} values"
            raise YamlTooLargeError(message, _line(event))


def _events(text: str | bytes) -> Iterator[yaml.Event]:
    try:
        yield from yaml.parse(text, Loader=_Loader)
    except yaml.MarkedYAMLError as problem:
        if "nesting depth" not in str(problem.problem):
            raise
        # Newer versions of libyaml have a limit of their own, which they reach before their first event.
        line = problem.problem_mark.line + 1 if problem.problem_mark else 1
        raise YamlTooLargeError(f"nested more than {_DEEPEST} levels deep", line) from problem


def _line(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark else 1


def load_yaml(text: str | bytes) -> Any:  # noqa: ANN401 - any value
    """Return what a YAML text that somebody else wrote contains, in time and memory proportional to its size.

    Raises:
        ValueError: It is malformed, nested too deeply, or its aliases stand for too many values.
    """
    try:
        check_size(text)
        return yaml.load(text, Loader=_Loader)  # noqa: S506 - a safe one
    except (yaml.YAMLError, LookupError, TypeError, AttributeError, ValueError) as problem:
        # PyYAML passes on errors of Python's constructors, for example for the 45th day of a month.
        raise ValueError(f"malformed YAML: {without_values(str(problem))}") from None


def load_value(text: str) -> Any:  # noqa: ANN401 - any value
    """Return what a person has typed as a YAML value.

    Raises:
        ValueError: As `load_yaml`; or a number in it means another one than it seems to.
    """
    loaded = load_yaml(text)
    nodes = [yaml.compose(text, Loader=_Loader)]
    seen: set[int] = set()  # an alias is the node that it stands for, which may have it inside
    while nodes:
        node = nodes.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, yaml.MappingNode):
            nodes += itertools.chain.from_iterable(node.value)
        elif isinstance(node, yaml.SequenceNode):
            nodes += node.value
        elif isinstance(node, yaml.ScalarNode) and _why_misread(node):
            raise ValueError(_why_misread(node))
    return loaded


def _why_misread(node: yaml.ScalarNode) -> str:
    """Return how YAML 1.1 reads a number that a person means otherwise; empty if it does not. No value is shown."""
    if node.tag not in _NUMBERS:
        return ""
    if ":" in node.value:
        return "digits with colons, which YAML takes for a number of base 60"
    if _LEADING_ZERO.fullmatch(node.value):
        return "a number with a leading zero, which YAML takes for octal"
    return ""


class YamlFile:
    """A parsed YAML mapping that remembers the line of every key.

    Args:
        path: The file, as the user named it.
        error: The subclass of `InputError` to raise.

    Raises:
        InputError: The file is missing, unreadable or malformed, is nested too deeply, has aliases that stand for too
            many values, has a duplicate key or a number that means another one than it seems to, or is not a mapping.
    """

    def __init__(self, path: Path, error: type[InputError] = InputError) -> None:
        self.path = path
        self._error = error
        self._lines: dict[tuple[str | int, ...], int] = {}
        raw = _read(path, error)
        self.sha256 = hashlib.sha256(raw).hexdigest()
        text = _decode(raw, path, error)
        try:
            check_size(text)
            self._index(yaml.compose(text, Loader=_Loader), (), ())
            loaded = yaml.load(text, Loader=_Loader)  # noqa: S506 - a safe one
        except YamlTooLargeError as problem:
            raise error(problem.message, where=f"{path}, line {problem.line}") from problem
        except yaml.MarkedYAMLError as problem:
            mark = problem.problem_mark or problem.context_mark
            line = mark.line + 1 if mark else 1
            raise error(
                f"malformed YAML: {without_values(str(problem.problem))}",
                where=f"{path}, line {line}",
                hint="fix that line; YAML needs spaces instead of tabs, and a space after each colon",
            ) from None  # the traceback of a notebook would show the text
        except (yaml.YAMLError, LookupError, TypeError, AttributeError, ValueError) as problem:
            # PyYAML passes on errors of Python's constructors, for example for the 45th day of a month.
            raise error(f"malformed YAML: {without_values(str(problem))}", where=str(path)) from None
        if loaded is None:
            loaded = {}
        if not isinstance(loaded, dict):
            raise error("the file must be a mapping of names to values", where=f"{path}, line 1")
        self.data: dict[str, Any] = loaded

    def line(self, location: Sequence[str | int]) -> int | None:
        """Return the line (from 1) of the deepest known key on the path to `location`."""
        for end in range(len(location), 0, -1):
            found = self._lines.get(tuple(location[:end]))
            if found:
                return found
        return None

    def _index(
        self, node: yaml.Node | None, prefix: tuple[str | int, ...], above: tuple[yaml.Node, ...]
    ) -> None:
        if node in above:
            line = node.start_mark.line + 1 if node else 1
            raise self._error("the YAML refers to itself", where=f"{self.path}, line {line}")
        if isinstance(node, yaml.MappingNode):
            keys: set[str] = set()
            for key, value in node.value:
                if not isinstance(key, yaml.ScalarNode):
                    continue  # PyYAML itself raises when it loads this
                if key.value in keys:
                    raise self._error(
                        f"duplicate key {key.value!r}", where=f"{self.path}, line {key.start_mark.line + 1}"
                    )
                keys.add(key.value)
                self._lines[(*prefix, key.value)] = key.start_mark.line + 1
                self._index(value, (*prefix, key.value), (*above, node))
        elif isinstance(node, yaml.SequenceNode):
            for number, value in enumerate(node.value):
                self._lines[(*prefix, number)] = value.start_mark.line + 1
                self._index(value, (*prefix, number), (*above, node))
        elif isinstance(node, yaml.ScalarNode) and _why_misread(node):
            raise self._error(
                _why_misread(node),
                where=f"{self.path}, line {node.start_mark.line + 1}",
                hint="write a text in quotes, and a number in decimal",
            )


def without_values(complaint: str) -> str:
    """Return what PyYAML complains of without what it quotes from the text, which may be a secret.

    Args:
        complaint: PyYAML's message.
    """
    return _QUOTED.sub(lambda quoted: quoted[0] if len(quoted[0]) <= len("':'") else "'…'", complaint)


def _read(path: Path, error: type[InputError]) -> bytes:
    """Return a file's content; raise `error` if it cannot be read."""
    try:
        state = path.stat()
        if not stat.S_ISREG(state.st_mode):
            kind = "a directory" if stat.S_ISDIR(state.st_mode) else "not a regular file"
            raise error(
                f"cannot be read: it is {kind}",
                where=str(path),
                hint="name a regular file: the file is read more than once, which a pipe does not allow",
            )
        return path.read_bytes()
    except FileNotFoundError as missing:
        raise error(
            "no such file", where=str(path), hint=f"check the path; the current directory is {Path.cwd()}"
        ) from missing
    except OSError as problem:
        raise error(
            f"cannot be read: {problem.strerror or problem}",
            where=str(path),
            hint="check the file's owner and mode",
        ) from problem


def _decode(raw: bytes, path: Path, error: type[InputError]) -> str:
    """Return a file's text; raise `error` if it is not UTF-8."""
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        line = raw.count(b"\n", 0, problem.start) + 1
        what = (
            "it is in UTF-16" if raw.startswith(_UTF_16) else f"byte 0x{raw[problem.start]:02x} is not UTF-8"
        )
        raise error(
            f"cannot be read: {what}", where=f"{path}, line {line}", hint="save the file as UTF-8"
        ) from problem


def validate(  # noqa: PLR0913 - what to validate, and what the message says of it
    model: type[M],
    data: Mapping[str, Any],
    error: type[InputError],
    where: str,
    file: YamlFile | None = None,
    *,
    hint: str = "",
) -> M:
    """Return `data` validated as `model`.

    Args:
        model: The pydantic model.
        data: The values.
        error: The subclass of `InputError` to raise.
        where: The file or object to name in the error message.
        file: The file the data came from, to add line numbers.
        hint: Where a person finds the allowed names; default: the model, or its names.

    Raises:
        InputError: As `error`, with every invalid value and, for a misspelled name, the likely one.
    """
    try:
        return model.model_validate(dict(data))
    except ValidationError as problem:
        complaints = [explain(item, model) for item in problem.errors(include_url=False)]
        lines = [file.line(item["loc"]) if file else None for item in problem.errors(include_url=False)]
        places = [
            f"line {line}: {text}" if line else text for line, text in zip(lines, complaints, strict=True)
        ]
        raise error(
            "; ".join(places), where=where, hint=hint or _hint(model)
        ) from None  # the traceback of a notebook would show the values


def _hint(model: type[BaseModel]) -> str:
    """Return where the allowed names are: in a class that a person can look up, or in the message."""
    if not model.__name__.startswith("_"):
        return f"see {model.__name__} for the allowed names"
    return f"the names at the top are {', '.join(model.model_fields)}"


def explain(item: Any, model: type[BaseModel]) -> str:  # noqa: ANN401 - pydantic's error details, a TypedDict of theirs
    """Return one pydantic error as a message for runbook users."""
    from runbook_lib.known_names import closest_name  # noqa: PLC0415 - difflib: only needed for errors

    name = ".".join(str(part) for part in item["loc"])
    if item["type"] == "extra_forbidden":
        near = closest_name(str(item["loc"][-1]), model.model_fields)
        return f"unknown name {name!r}" + (f" (did you mean {near!r}?)" if near else "")
    if item["type"] == "missing":
        return f"{name!r} is missing"
    if item["loc"][-1:] == ("[key]",):
        above = ".".join(str(part) for part in item["loc"][:-2])
        return f"{above!r} has a name that YAML reads as {item['input']!r}: write it in quotes"
    if item["input"] is None and item["type"] in _EMPTY:
        return f"{name!r} is empty: write {_EMPTY[item['type']]} for none"
    given = "" if item["type"] == "value_error" else _shown(item, name, model)
    message = item["msg"].removeprefix("Value error, ") + _why_text(item)
    return (
        f"{name!r}: {message}{given}" if name else message
    )  # without a name: several values contradict each other


def _why_text(item: Any) -> str:  # noqa: ANN401 - as for `explain`
    """Return why YAML takes for text what looks like a number, such as 1e3; empty if that is not the reason."""
    given = item["input"]
    if item["type"] != "float_type" or not isinstance(given, str) or not _NO_YAML_FLOAT.fullmatch(given):
        return ""
    return "; YAML takes an exponent only after a point and with a sign, as in 1.0e+3"


def _shown(item: Any, name: str, model: type[BaseModel]) -> str:  # noqa: ANN401 - as for `explain`
    """Return what a message shows of the value that was given: nothing of a secret, and no values inside of others."""
    field, value = model.model_fields.get(str(item["loc"][0]) if item["loc"] else ""), item["input"]
    if _SECRET_NAMES.search(name) or (field and any(isinstance(part, NeverShown) for part in field.metadata)):
        return ""
    if isinstance(value, dict) or (
        isinstance(value, list) and any(isinstance(item, dict | list) for item in value)
    ):
        return f", got a {'mapping' if isinstance(value, dict) else 'list'}"
    return f", got {excerpt(repr(value), _LONGEST)}"
