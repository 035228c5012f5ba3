"""Parsers of GRUB's files: grub.conf (legacy), BLS entries and the environment block; `grub_menu`: grub.cfg. Pure.

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
    "legacy_default",
    "legacy_entries",
    "number_in",
]

_IMAGE = re.compile(r"^\s*kernel\s+(\S*/)?vmlinuz-(\S+)")
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
    if exact or not wanted:
        return exact or next(iter(entries), None)
    number = number_in(wanted)
    if number is None or number >= len(entries):
        return None
    return entries[number]


def number_in(name: str) -> int | None:
    """Return the number that a name of an entry begins with; None if GRUB does not take the name for a number."""
    digits = re.match(r"\s*(?:0x([0-9a-fA-F]+)|(0[0-7]+)|([0-9]+))", name)
    if digits is None:
        return None
    # GRUB takes whatever begins with a digit for a number, even a title such as `6.1 (old)`.
    text, base = next((part, base) for part, base in zip(digits.groups(), (16, 8, 10), strict=True) if part)
    return int(text, base) if len(text) < _MOST_DIGITS else 10**_MOST_DIGITS
