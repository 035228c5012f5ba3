"""Edit netplan's YAML at the offsets of its nodes: a port's settings move to its bridge, and all other bytes stay.

PyYAML says where each key and each value begins and ends. What moves is the text itself, so that comments, quotes,
order and style of the file are kept.
"""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING

import yaml

from runbook_lib.errors import PlanRefused
from runbook_lib.operations.configuration_text import ended
from runbook_lib.yaml_files import without_values

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Entry", "Mapping", "insert_entry", "malformed", "parse", "replace_value"]

_HINT = "write that part in plain YAML, one key per line, then run this again"


@dataclass(frozen=True)
class Entry:
    """A key and its value in a mapping.

    Args:
        key: The key.
        value: The value's node.
        start: Offset in the file where the entry begins: in block style with the comments above its key.
        end: Offset where it ends: in block style after its last line with the comment on it.
        value_start: Offset of the value.
        value_end: Offset of the value's end.
    """

    key: str
    value: yaml.Node
    start: int
    end: int
    value_start: int
    value_end: int


@dataclass(frozen=True)
class Mapping:
    """A mapping of the file.

    Args:
        text: The whole file.
        entries: In the file's order.
        flow: Whether it is written in braces.
        column: In block style: the column of its keys.
        start: Offset of its first entry, or of its opening brace.
        end: Offset after its last entry, or of its closing brace.
    """

    text: str
    entries: tuple[Entry, ...]
    flow: bool
    column: int
    start: int
    end: int

    def get(self, key: str) -> Entry | None:
        """Return the entry of a key.

        Args:
            key: The key.
        """
        return next((entry for entry in self.entries if entry.key == key), None)

    def mapping(self, key: str) -> Mapping | None:
        """Return the mapping that a key has as its value; None if there is no such key.

        Args:
            key: The key.

        Raises:
            PlanRefused: The value is not a mapping.
        """
        entry = self.get(key)
        return _mapping(self.text, entry.value) if entry else None

    def source(self, entry: Entry, column: int | None = None) -> str:
        """Return the bytes of an entry.

        Args:
            entry: One of the entries.
            column: In block style: the column to shift it to; None: as it is.
        """
        raw = self.text[entry.start : entry.end]
        if self.flow or column is None:
            return raw
        lines = textwrap.indent(ended(raw), " " * max(0, column - self.column)).splitlines(keepends=True)
        surplus = max(0, self.column - column)
        return "".join(line[min(surplus, len(line) - len(line.lstrip(" "))) :] for line in lines)

    def inline(self, entry: Entry) -> str:
        """Return an entry for use in braces; without comments, except those inside its value.

        Args:
            entry: One of the entries.
        """
        return f"{entry.key}: {self.text[entry.value_start : entry.value_end]}"


def malformed(path: str, problem: Exception) -> PlanRefused:
    """Return the refusal of a file that is not YAML, without the values in it.

    Args:
        path: Its path.
        problem: What PyYAML raised.
    """
    mark = getattr(problem, "problem_mark", None)
    line = f", line {mark.line + 1}" if mark else ""
    reason = without_values(str(getattr(problem, "problem", None) or problem))
    return PlanRefused(f"{path}{line}: {reason}", hint="correct the file, then run this again")


def parse(text: str, path: str) -> Mapping:
    """Return the file's top mapping.

    Args:
        text: The file.
        path: Its path, for messages.

    Raises:
        PlanRefused: It is not YAML, or uses what cannot be edited in place, such as anchors.
    """
    try:
        for token in yaml.scan(text, Loader=yaml.SafeLoader):
            if isinstance(token, yaml.AnchorToken | yaml.AliasToken | yaml.TagToken):
                raise PlanRefused(
                    f"{path}, line {token.start_mark.line + 1}: anchors, aliases and tags cannot be edited in place",
                    hint=_HINT,
                )
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as problem:
        raise malformed(path, problem) from problem
    if node is None:
        return Mapping(text, (), flow=False, column=0, start=0, end=0)
    return _mapping(text, node)


def _mapping(text: str, node: yaml.Node) -> Mapping:
    line = node.start_mark.line + 1
    if not isinstance(node, yaml.MappingNode):
        raise PlanRefused(f"netplan's YAML, line {line}: expected a mapping", hint=_HINT)
    pairs = node.value
    if not all(isinstance(key, yaml.ScalarNode) for key, _ in pairs):
        raise PlanRefused(f"netplan's YAML, line {line}: a key is not a word", hint=_HINT)
    _refuse_double_keys([key for key, _ in pairs])
    if node.flow_style:
        entries = [
            Entry(
                key.value,
                value,
                key.start_mark.index,
                _end(text, value),
                value.start_mark.index,
                _end(text, value),
            )
            for key, value in pairs
        ]
        return Mapping(
            text, tuple(entries), flow=True, column=0,
            start=node.start_mark.index, end=node.end_mark.index - 1,
        )  # fmt: skip
    entries, previous = (
        [],
        0,
    )  # comments above the first key are its own: no key of another mapping is between
    for key, value in pairs:
        first = key.start_mark.index - key.start_mark.column
        if text[first : key.start_mark.index].strip():
            raise PlanRefused(
                f"netplan's YAML, line {key.start_mark.line + 1}: two keys in a line", hint=_HINT
            )
        start = _comments_above(text, first, previous)
        previous = _line_end(text, _end(text, value))
        entries.append(Entry(key.value, value, start, previous, value.start_mark.index, _end(text, value)))
    column = pairs[0][0].start_mark.column
    return Mapping(text, tuple(entries), flow=False, column=column, start=entries[0].start, end=previous)


def _refuse_double_keys(keys: Sequence[yaml.ScalarNode]) -> None:
    """Refuse a key that is given twice: PyYAML knows only the last one, netplan reads both."""
    known: dict[str, int] = {}
    for key in keys:
        line = key.start_mark.line + 1
        if known.setdefault(key.value, line) != line:
            raise PlanRefused(
                f"netplan's YAML, line {line}: {key.value} is in line {known[key.value]} already", hint=_HINT
            )


def _comments_above(text: str, first: int, limit: int) -> int:
    """Return where the comment lines begin that stand directly above a line."""
    while first > limit:
        above = text.rfind("\n", 0, first - 1) + 1
        if above < limit or not text[above:first].lstrip().startswith("#"):
            break
        first = above
    return first


def _end(text: str, node: yaml.Node) -> int:
    """Return where a node's text ends; a block's own mark is at the next token."""
    end = int(node.end_mark.index)
    if isinstance(node, yaml.ScalarNode):
        return int(node.start_mark.index) + len(text[node.start_mark.index : end].rstrip())
    if not isinstance(node, yaml.CollectionNode) or node.flow_style or not node.value:
        return end
    last = node.value[-1]
    return _end(text, last[1] if isinstance(node, yaml.MappingNode) else last)


def _line_end(text: str, index: int) -> int:
    """Return the offset of the beginning of the next line."""
    end = text.find("\n", index)
    return len(text) if end < 0 else end + 1


def insert_entry(mapping: Mapping, block: str, flow: str) -> str:
    """Return the file with one entry more at the end of a mapping.

    Args:
        mapping: The mapping.
        block: The entry for block style: whole lines, indented.
        flow: The entry for flow style.
    """
    text, end = mapping.text, mapping.end
    if not mapping.flow:
        return ended(text[:end]) + block + text[end:]
    if not mapping.entries:
        return text[: mapping.start + 1] + flow + text[mapping.start + 1 :]
    after = mapping.entries[-1].end  # a comma or a comment may follow
    return f"{text[:after]}, {flow}{text[after:]}"


def replace_value(text: str, node: yaml.Node, value: str) -> str:
    """Return the file with another value in the place of a node.

    Args:
        text: The file.
        node: The node of the value.
        value: The new value, as YAML in one line.
    """
    return text[: node.start_mark.index] + value + text[_end(text, node) :]
