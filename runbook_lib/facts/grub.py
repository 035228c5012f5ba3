"""Parsers of GRUB's files: grub.conf (legacy), grub.cfg, BLS entries and the environment block. Pure.

Sources: grub manual (legacy) "Configuration"; GRUB 2 manual 16 and 18.3; The Boot Loader Specification, type #1.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from univers.rpm import vercmp

from runbook_lib.facts.base import lines_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = [
    "BootEntry",
    "bls_entries",
    "environment",
    "find",
    "find_in_menu",
    "legacy_default",
    "legacy_entries",
    "menu",
    "menu_defaults",
]

_MENU = re.compile(r"""^\s*(menuentry|submenu)\s+(?:'([^']*)'|"([^"]*)"|(\S+))(.*)$""")
_IDENTIFIER = re.compile(r"""(?:\$\{?menuentry_id_option\}?|--id)\s+['"]?([^'"\s{]+)""")
_IMAGE = re.compile(r"^\s*(?:linux|linux16|linuxefi|kernel)\s+(\S*/)?vmlinuz-(\S+)")
_DEFAULT = re.compile(r"""^\s*set\s+default=(?:"([^"]*)"|'([^']*)'|(\S*))\s*$""")
_MOST_DIGITS = 20  # of an entry's number; Python refuses to read thousands of them
_LEGACY_DEFAULT = re.compile(r"^\s*default(?:\s*=\s*|\s+)(\S+)\s*$")


@dataclass(frozen=True)
class BootEntry:
    """One entry of the boot menu.

    Args:
        path: How the boot loader names it: an id or title, with `>` between a submenu and its entry.
        position: Its number, from 0; in a submenu as `1>0`.
        title: As shown.
        release: The kernel it boots; None if it boots something else.
    """

    path: str
    position: str
    title: str
    release: str | None


@dataclass(frozen=True)
class _Item:
    """One line of a menu: an entry, or a submenu (without an entry)."""

    position: str
    title: str
    identifier: str
    entry: BootEntry | None


def menu(text: str) -> tuple[BootEntry, ...]:
    """Return the entries of a grub.cfg in order, including those in submenus."""
    return tuple(item.entry for item in _items(text) if item.entry)


def _items(text: str) -> list[_Item]:
    found: list[_Item] = []
    above: list[tuple[str, str, int]] = []  # per open submenu: path, position, brace depth where it began
    counts = [0]
    depth = 0
    for line in lines_of(text):
        begins = _MENU.match(line)
        if begins:
            kind, *titles, rest = begins.groups()
            title = next(item for item in titles if item is not None)
            named = _IDENTIFIER.search(rest)
            identifier = named[1] if named else title
            path = ">".join([*[item[0] for item in above[-1:]], identifier])
            position = ">".join([*[item[1] for item in above[-1:]], str(counts[-1])])
            counts[-1] += 1
            entry = BootEntry(path, position, title, None)
            found.append(_Item(position, title, identifier, None if kind == "submenu" else entry))
            if kind == "submenu":
                above.append((path, position, depth))
                counts.append(0)
        image = _IMAGE.match(line)
        last = found[-1].entry if found else None
        if image and last and last.release is None:
            found[-1] = replace(found[-1], entry=replace(last, release=image[2]))
        depth += _braces(line)
        while above and depth <= above[-1][2] and not begins:
            above.pop()
            counts.pop()
    return found


def _braces(line: str) -> int:
    """Return how many braces a line leaves open; `${name}` is a variable and does not count."""
    bare = re.sub(r"""\$\{[^}]*\}|'[^']*'|"[^"]*"|#.*$""", "", line)
    return bare.count("{") - bare.count("}")


def menu_defaults(text: str) -> tuple[str, ...]:
    """Return what a grub.cfg may set as the default without a one-shot entry: `0`, an id, `${saved_entry}`.

    GRUB runs the file from its beginning: the last unconditional line wins. Several values: it depends on conditions
    that only GRUB can evaluate.
    """
    defaults: list[str] = []
    conditions = 0
    for line in lines_of(text):
        conditions += len(re.findall(r"^\s*if\b", line)) - len(re.findall(r"(?:^|;)\s*fi\b", line))
        found = _DEFAULT.match(line)
        value = next((item for item in found.groups() if item is not None), "") if found else ""
        if not found or value in {"${next_entry}", "$next_entry"}:
            continue
        defaults = [*(defaults if conditions > 0 else []), value]
    return tuple(dict.fromkeys(defaults))


def environment(text: str) -> dict[str, str]:
    """Return the variables of a GRUB environment block."""
    lines = (line.partition("=") for line in lines_of(text) if not line.startswith("#"))
    return {name: value for name, sign, value in lines if sign}


def bls_entries(files: Mapping[str, str]) -> tuple[BootEntry, ...]:
    """Return the entries of BLS files in GRUB's order: newest first, by the rules of rpm.

    Args:
        files: Contents by file name, as `…-5.14.0-427.el9.x86_64.conf`.
    """
    newest_first = functools.cmp_to_key(lambda a, b: int(vercmp(b, a)))  # type: ignore[no-untyped-call]
    names = sorted(files, key=newest_first)
    found = []
    for number, name in enumerate(names):
        values = dict(_settings(lines_of(files[name])))
        image = re.search(r"vmlinuz-(\S+)", values.get("linux", ""))
        identifier = name.removesuffix(".conf")
        found.append(
            BootEntry(identifier, str(number), values.get("title", identifier), image[1] if image else None)
        )
    return tuple(found)


def _settings(lines: Iterable[str]) -> Iterable[tuple[str, str]]:
    for line in lines:
        key, _, value = line.strip().partition(" ")
        if key and not key.startswith("#"):
            yield key, value.strip()


def legacy_entries(text: str) -> tuple[BootEntry, ...]:
    """Return the `title`s of a GRUB legacy grub.conf."""
    found: list[BootEntry] = []
    for line in lines_of(text):
        key, _, value = line.strip().partition(" ")
        if key == "title":
            number = str(len(found))
            found.append(BootEntry(number, number, value.strip(), None))
        image = _IMAGE.match(line)
        if image and found and found[-1].release is None:
            found[-1] = replace(found[-1], release=image[2])
    return tuple(found)


def legacy_default(text: str) -> str:
    """Return the number of a grub.conf's default entry; `0` if there is no such line."""
    defaults = [found[1] for found in map(_LEGACY_DEFAULT.match, lines_of(text)) if found]
    return defaults[-1] if defaults else "0"


def find(entries: tuple[BootEntry, ...], wanted: str) -> BootEntry | None:
    """Return the entry that `wanted` names in a menu without submenus: BLS entries, or a grub.conf.

    The EL family's GRUB compares ids and titles before it takes a name for a number (its patch "Fix menu entry
    selection based on ID and title"): a BLS id begins with the machine id, which often begins with a digit.
    """
    exact = next((item for item in entries if wanted in {item.path, item.title}), None)
    if exact:
        return exact
    return _resolve([_Item(item.position, item.title, item.path, item) for item in entries], wanted)


def find_in_menu(text: str, wanted: str) -> BootEntry | None:
    """Return the entry of a grub.cfg that `wanted` names for GRUB (get_entry_number in its normal/menu.c).

    Each level is named by a number, or exactly by a title or id; `>` leads into a submenu, and `>>` is a `>` in a name.
    A submenu alone stands for its first entry. An entry in a submenu is never found without its submenu.

    For an unknown name GRUB boots the first entry; this returns None, so that the first entry is never a mere fallback.
    """
    return _resolve(_items(text), wanted)


def _resolve(items: list[_Item], wanted: str) -> BootEntry | None:
    parent = ""
    names = [name.replace("\0", ">") for name in wanted.replace(">>", "\0").split(">")] if wanted else []
    while True:
        level = [item for item in items if item.position.rpartition(">")[0] == parent]
        chosen = _choose(level, names.pop(0)) if names else next(iter(level), None)
        if chosen is None or chosen.entry:
            return chosen.entry if chosen else None
        parent = chosen.position


def _choose(level: list[_Item], name: str) -> _Item | None:
    number = re.match(r"\s*(?:0x([0-9a-fA-F]+)|(0[0-7]+)|([0-9]+))", name)
    if number:
        # GRUB takes whatever begins with a digit for a number, even a title such as `6.1 (old)`.
        text, base = next(
            (part, base) for part, base in zip(number.groups(), (16, 8, 10), strict=True) if part
        )
        position = int(text, base) if len(text) < _MOST_DIGITS else len(level)
        return level[position] if position < len(level) else None
    return next((item for item in level if name in {item.title, item.identifier}), None)
