"""What a grub.cfg sets as the default entry. Pure.

Source: GRUB 2 manual 16.1.1 "default"; the templates 00_header, 08_fallback_counting and 41_custom of grub-mkconfig.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from runbook_lib.facts.grub_menu import included, reads_more
from runbook_lib.facts.grub_script import Condition, Function, Loop, Simple, parse

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from runbook_lib.facts.grub_script import Statement

__all__ = ["SAVED", "menu_defaults"]

SAVED = "${saved_entry}"
"""The value by which a grub.cfg boots the entry that the environment block names."""

_FIRST = "0"  # what GRUB boots if `default` is not set
_ONCE = "next_entry"
_FROM_BLOCK = (_ONCE, "prev_saved_entry", "boot_counter")
"""Variables that only the environment block sets before grub.cfg asks for them."""
_HARMLESS = frozenset({"echo", "export"})
_NAMES_DEFAULT = re.compile(r"(?<![\w-])default(?![\w-])")


def menu_defaults(
    text: str, environment: Mapping[str, str] | None = None, custom: str = ""
) -> tuple[str, ...]:
    """Return what a grub.cfg may set as the default without a one-shot entry: `0`, an id, `${saved_entry}`.

    GRUB runs the file from its beginning. Several values: it depends on conditions that only GRUB can evaluate. A value
    with another `$` is not known.

    Args:
        text: The file.
        environment: The variables of the environment block.
        custom: The text of `custom.cfg`, which it may read.

    Raises:
        GrubScriptError: A file is not understood.
    """
    block = environment or {}
    script = _Script(custom, {name for name in _FROM_BLOCK if name == _ONCE or not block.get(name)})
    found = script.after(parse(text), tuple(dict.fromkeys([_FIRST, block.get("default", _FIRST)])))
    found += tuple(script.in_functions)
    if "saved_entry" in script.assigned and SAVED in found:
        found += ("${saved_entry} that is set in the file",)
    return tuple(dict.fromkeys(found))


class _Script:
    """Follows the possible values of `default` through a script."""

    def __init__(self, custom: str, unset: set[str]) -> None:
        self._custom = custom
        self._unset = unset
        self.assigned: set[str] = set()
        self.in_functions: list[str] = []

    def after(self, statements: Iterable[Statement], before: tuple[str, ...]) -> tuple[str, ...]:
        """Return the possible values after some statements, from those before them."""
        for statement in statements:
            if isinstance(statement, Simple):
                before = self._after_command(statement, before)
            elif isinstance(statement, Condition):
                before = self._after_condition(statement, before)
            elif isinstance(statement, Loop):
                set_by_loop = (_unknown("for"),) if statement.variable == "default" else ()
                before = (*before, *self.after(statement.block, before), *set_by_loop)
            elif isinstance(statement, Function):
                # Where it is called does not matter: a function that sets the default may do so last.
                assigned = set(self.assigned)
                self.in_functions += self.after(statement.block, ())
                self.assigned = assigned
        return tuple(dict.fromkeys(before))

    def _after_condition(self, condition: Condition, before: tuple[str, ...]) -> tuple[str, ...]:
        found: list[str] = []
        for deciding, block in condition.branches:
            before = self.after(deciding, before)
            if not self._fails(deciding):
                found += self.after(block, before)
        return (*self.after(condition.otherwise, before), *found)

    def _fails(self, deciding: tuple[Statement, ...]) -> bool:
        """Return whether a condition needs a variable that nothing has set, as `[ "${next_entry}" ]`."""
        only = deciding[0] if len(deciding) == 1 else None
        if not isinstance(only, Simple) or only.name not in {"[", "test"}:
            return False
        words = [word.text for word in only.words[1:] if word.text != "]"]
        if "-o" in words or (len(words) > 1 and words[0] != "-n"):
            return False
        tested = [*words, ""][0] if len(words) == 1 else [*words, "", ""][1]
        return tested in {f"${{{name}}}" for name in self._unset - self.assigned}

    def _after_command(self, command: Simple, before: tuple[str, ...]) -> tuple[str, ...]:
        more = included(command, self._custom)
        if more is not None:
            own, self._custom = self._custom, ""
            found = (*before, *self.after(more, before))
            self._custom = own
            return found
        if command.block is not None:
            # What an entry runs is run once it is booted; `default` in a submenu is that submenu's.
            inner = self.after(command.block, ()) if command.name == "submenu" else ()
            return (*before, _unknown("submenu")) if inner else before
        name, value = _assignment(command)
        if name:
            self.assigned |= {name} if value else set()
            return (value,) if name == "default" else before
        names_default = any(_NAMES_DEFAULT.search(word.text) for word in command.words)
        if reads_more(command) or (names_default and command.name not in _HARMLESS):
            return (*before, _unknown(command.name))
        return before


def _assignment(command: Simple) -> tuple[str, str]:
    """Return the variable that a command sets, and its value; the variable is empty if it is another command."""
    words = command.words[1:] if command.name == "set" else command.words
    if len(words) != 1:
        return "", ""
    name, _, value = words[0].text.partition("=")
    if not re.fullmatch(rf"\w+={re.escape(value)}", words[0].text):
        return "", ""
    return name, _unknown(command.name) if words[0].is_literal and "$" in value else value


def _unknown(by: str) -> str:
    return f"${{default}} that is set by `{by}`"
