"""The menu of a grub.cfg: its entries, and which of them a name stands for. Pure.

Sources: GRUB 2 manual 6.1 and 16.3; get_entry_number in grub-core/normal/menu.c; grub-core/commands/menuentry.c.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runbook_lib.facts.grub import BootEntry, number_in
from runbook_lib.facts.grub_script import Condition, GrubScriptError, Loop, Simple, Word, parse

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from runbook_lib.facts.grub_script import Statement

__all__ = ["booted", "find_in_menu", "included", "menu", "reads_more"]

_ENTRY, _SUBMENU = "menuentry", "submenu"
_WITH_VALUE = {"--class", "--users", "--hotkey", "--source", "--id"}
_ID_OPTION = "${menuentry_id_option}"  # `--id` where GRUB knows ids
_LINUX = {"linux", "linux16", "linuxefi"}
_OTHER_SYSTEMS = {
    *("chainloader", "multiboot", "multiboot2", "xen_hypervisor", "ntldr", "kfreebsd", "knetbsd", "kopenbsd"),
    *("configfile", "legacy_configfile", "syslinux_configfile", "fwsetup", "exit", "halt", "reboot"),
}
_IMAGE = re.compile(r"(?:.*/)?vmlinuz-([^\s$]+)")


@dataclass(frozen=True)
class _Item:
    """One line of a menu.

    Args:
        position: Its number, from 0; in a submenu as `1>0`.
        names: Its title and id; empty: they are not known.
        always: Whether it is in the menu under all conditions.
        entry: What it boots; None: a submenu.
    """

    position: str
    names: frozenset[str]
    always: bool
    entry: BootEntry | None


def menu(text: str, custom: str = "") -> tuple[BootEntry, ...]:
    """Return the entries of a grub.cfg in order, including those in submenus.

    Args:
        text: The file.
        custom: The text of `custom.cfg`, which it may read.

    Raises:
        GrubScriptError: A file is not understood.
    """
    return tuple(item.entry for item in _items(parse(text), custom) if item.entry)


def find_in_menu(text: str, wanted: str, custom: str = "") -> BootEntry | None:
    """Return the entry of a grub.cfg that `wanted` names for GRUB (get_entry_number in its normal/menu.c).

    Each level is named by a number, or exactly by a title or id; `>` leads into a submenu, and `>>` is a `>` in a name.
    A submenu alone stands for its first entry. An entry in a submenu is never found without its submenu.

    For an unknown name GRUB boots the first entry; this returns None, so that the first entry is never a mere fallback.

    Args:
        text: The file.
        wanted: The name.
        custom: The text of `custom.cfg`, which it may read.

    Raises:
        GrubScriptError: It depends on a condition, or a file is not understood.
    """
    entry, is_named = _resolve(_items(parse(text), custom), wanted)
    return entry if is_named else None


def booted(text: str, wanted: str, custom: str = "") -> BootEntry | None:
    """Return the entry that GRUB boots for a name, be it one that names no entry; None: the menu has none.

    The arguments and errors are those of `find_in_menu`.
    """
    return _resolve(_items(parse(text), custom), wanted)[0]


def included(statement: Simple, custom: str) -> tuple[Statement, ...] | None:
    """Return what a command of a grub.cfg reads from another file; None: nothing, or a file that is not known.

    Args:
        statement: The command.
        custom: The text of `custom.cfg` (Debian's and EL's 41_custom).

    Raises:
        GrubScriptError: `custom.cfg` is not understood.
    """
    if statement.name not in {"source", "."} or len(statement.words) < 2:  # noqa: PLR2004 - the command and a path
        return None
    file = statement.words[1].text.rsplit("/", 1)[-1]
    # EL's 01_users: `user.cfg` has the password of the menu and nothing else, and is not read.
    return {"custom.cfg": parse(custom), "user.cfg": ()}.get(file)


def reads_more(statement: Simple) -> bool:
    """Return whether a command may run further commands that are not known.

    Args:
        statement: The command.
    """
    name = statement.words[0]
    if "=" in name.text:
        return False  # an assignment
    return (
        not name.is_literal
        or name.text in {".", "eval", "normal"}
        or name.text.endswith(("source", "configfile"))
    )


def _commands(
    statements: Iterable[Statement], custom: str, *, always: bool = True
) -> Iterator[tuple[Simple, bool]]:
    """Yield all commands with whether they run under all conditions; those of functions are left out."""
    for statement in statements:
        if isinstance(statement, Simple):
            more = included(statement, custom)
            if more is None:
                yield statement, always
            else:
                yield from _commands(more, "", always=False)
        elif isinstance(statement, Condition):
            for deciding, block in statement.branches:
                yield from _commands((*deciding, *block), custom, always=False)
            yield from _commands(statement.otherwise, custom, always=False)
        elif isinstance(statement, Loop):
            yield from _commands(statement.block, custom, always=False)
        elif any(command.block is not None for command, _ in _commands(statement.block, custom)):
            raise GrubScriptError(f"the function {statement.name} has entries")


def _items(
    statements: Iterable[Statement], custom: str, parent: str = "", path: str = "", *, always: bool = True
) -> list[_Item]:
    found: list[_Item] = []
    number = 0
    for command, is_always in _commands(statements, custom):
        place = f"{parent}>{number}".removeprefix(">")
        if command.name in {_ENTRY, _SUBMENU} and command.block is not None:
            title, identifier = _named(command.words[1:])
            known = title is not None and identifier is not None
            own = (identifier or "").replace(">", ">>") if known else str(number)
            full = f"{path}>{own}" if parent else own
            is_entry = command.name == _ENTRY
            entry = BootEntry(full, place, title or "", _release(command.block)) if is_entry else None
            names = frozenset({title or "", identifier or ""}) if known else frozenset()
            found.append(_Item(place, names, always and is_always, entry))
            if not is_entry:
                found += _items(command.block, custom, place, full)
            number += 1
        elif reads_more(command):
            found.append(_Item(place, frozenset(), always=False, entry=None))
            number += 1
    return found


def _named(words: tuple[Word, ...]) -> tuple[str | None, str | None]:
    """Return the title and the id of an entry; None: not known."""
    title, identifier = None, None
    rest = list(words)
    while rest:
        word = rest.pop(0)
        option = "--id" if word.text == _ID_OPTION else word.text.partition("=")[0]
        if option == "--unrestricted":
            continue
        if option in _WITH_VALUE:
            value = (
                Word(word.text.partition("=")[2], word.is_literal)
                if "=" in word.text
                else rest.pop(0)
                if rest
                else Word("", is_literal=False)
            )
            if option == "--id":
                identifier = value
        elif option.startswith("-"):
            return None, None
        elif title is None:
            title = word
    identifier = identifier or title
    return (
        title.text if title and title.is_literal else None,
        identifier.text if identifier and identifier.is_literal else None,
    )


def _release(block: tuple[Statement, ...]) -> str | None:
    """Return the kernel that an entry boots; None: another system, or it depends on a condition."""
    commands = [command for command, _ in _commands(block, "")]
    if any(command.name in _OTHER_SYSTEMS or reads_more(command) for command in commands):
        return None
    images = {command.words[1].text for command in commands if command.name in _LINUX and command.words[1:]}
    image = _IMAGE.fullmatch(images.pop()) if len(images) == 1 else None
    return image[1] if image else None


def _resolve(items: list[_Item], wanted: str) -> tuple[BootEntry | None, bool]:
    """Return the entry that GRUB boots, and whether it is the named one."""
    names = [name.replace("\0", ">") for name in wanted.replace(">>", "\0").split(">")] if wanted else []
    parent, is_named = "", True
    while True:
        level = [item for item in items if item.position.rpartition(">")[0] == parent]
        chosen = _choose(level, names.pop(0)) if names else _at(level, 0)
        if chosen is None:
            chosen, names, is_named = _at(level, 0), [], False
        if chosen is None or chosen.entry:
            return (chosen.entry if chosen else None), is_named
        parent = chosen.position


def _choose(level: list[_Item], name: str) -> _Item | None:
    number = number_in(name)
    if number is not None:
        return _at(level, number)
    for item in level:
        if not item.names or (name in item.names and not item.always):
            raise GrubScriptError(f"whether the menu has {name!r} depends on a condition or another file")
        if name in item.names:
            return item
    return None


def _at(level: list[_Item], number: int) -> _Item | None:
    if not all(item.always for item in level[: number + 1]):
        raise GrubScriptError(f"which entry has number {number} depends on a condition or another file")
    return level[number] if number < len(level) else None
