"""Parsers of GRUB's files: grub.conf (legacy), grub.cfg, BLS entries and the environment block. Pure.

Sources: grub manual (legacy) "Configuration"; GRUB 2 manual 16 and 18.3; The Boot Loader Specification, type #1.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from univers.rpm import vercmp

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = [
    "BootEntry",
    "bls_entries",
    "environment",
    "find",
    "legacy_default",
    "legacy_entries",
    "menu",
    "menu_default",
]

_MENU = re.compile(r"""^\s*(menuentry|submenu)\s+(?:'([^']*)'|"([^"]*)"|(\S+))(.*)$""")
_IDENTIFIER = re.compile(r"""(?:\$\{?menuentry_id_option\}?|--id)\s+['"]?([^'"\s{]+)""")
_IMAGE = re.compile(r"^\s*(?:linux|linux16|linuxefi|kernel)\s+(\S*/)?vmlinuz-(\S+)")
_DEFAULT = re.compile(r"""^\s*set\s+default=(?:"([^"]*)"|'([^']*)'|(\S*))\s*$""")
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


def menu(text: str) -> tuple[BootEntry, ...]:
    """Return the entries of a grub.cfg in order, including those in submenus."""
    found: list[BootEntry] = []
    above: list[
        tuple[str, str, int]
    ] = []  # for each open submenu: path, position, brace depth where it began
    counts = [0]
    depth = 0
    for line in text.splitlines():
        begins = _MENU.match(line)
        if begins:
            kind, *titles, rest = begins.groups()
            title = next(item for item in titles if item is not None)
            identifier = _IDENTIFIER.search(rest)
            path = ">".join([*[item[0] for item in above[-1:]], identifier[1] if identifier else title])
            position = ">".join([*[item[1] for item in above[-1:]], str(counts[-1])])
            counts[-1] += 1
            if kind == "submenu":
                above.append((path, position, depth))
                counts.append(0)
            else:
                found.append(BootEntry(path, position, title, None))
        image = _IMAGE.match(line)
        if image and found and found[-1].release is None:
            found[-1] = replace(found[-1], release=image[2])
        depth += _braces(line)
        while above and depth <= above[-1][2] and not begins:
            above.pop()
            counts.pop()
    return tuple(found)


def _braces(line: str) -> int:
    """Return how many braces a line leaves open; `${name}` is a variable and does not count."""
    bare = re.sub(r"""\$\{[^}]*\}|'[^']*'|"[^"]*"|#.*$""", "", line)
    return bare.count("{") - bare.count("}")


def menu_default(text: str) -> str | None:
    """Return the default of a grub.cfg without a one-shot entry: `0`, an id, `${saved_entry}`."""
    defaults = [
        next(item for item in found.groups() if item is not None)
        for found in map(_DEFAULT.match, text.splitlines())
        if found
    ]
    lasting = [item for item in defaults if item != "${next_entry}"]
    return lasting[0] if lasting else None


def environment(text: str) -> dict[str, str]:
    """Return the variables of a GRUB environment block."""
    lines = (line.partition("=") for line in text.splitlines() if not line.startswith("#"))
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
        values = dict(_settings(files[name].splitlines()))
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
    for line in text.splitlines():
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
    defaults = [found[1] for found in map(_LEGACY_DEFAULT.match, text.splitlines()) if found]
    return defaults[-1] if defaults else "0"


def find(entries: tuple[BootEntry, ...], wanted: str) -> BootEntry | None:
    """Return the entry that `wanted` names for GRUB: by position, id, title, or a submenu's path.

    For an unknown name GRUB boots the first entry; this returns None, so that the first entry is never a mere fallback.
    """
    last = wanted.rsplit(">", 1)[-1]
    for entry in entries:
        if wanted in {entry.path, entry.position, entry.title}:
            return entry
    inside = [
        entry for entry in entries if ">" in wanted and last in {entry.path.rsplit(">", 1)[-1], entry.title}
    ]
    return inside[0] if inside else None
