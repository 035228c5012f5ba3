"""What Jenkins' xUnit plugin accepts as JUnit XML, by its schema `junit-10.xsd`: elements, children, attributes.

Written from the schema's rules; nothing that it does not name is allowed.
"""

from __future__ import annotations

import re
from typing import NamedTuple
from xml.etree import ElementTree as ET

__all__ = ["names", "violations"]

_TIME = re.compile(r"(([0-9]{0,3},)*[0-9]{3}|[0-9]{0,3})*(\.[0-9]*)?")
_TEXT = ["failure", "error", "skipped", "system-out", "system-err"]


class _Rule(NamedTuple):
    children: frozenset[str] = frozenset()
    required: frozenset[str] = frozenset()
    optional: frozenset[str] = frozenset()
    timed: bool = False


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_RULES = {
    "testsuites": _Rule(
        _words("testsuite"), frozenset(), _words("name time tests failures errors"), timed=True
    ),
    "testsuite": _Rule(
        _words("testsuite properties testcase system-out system-err"),
        _words("name tests failures errors"),
        _words("group time skipped timestamp hostname id package file log url"),
        timed=True,
    ),
    "testcase": _Rule(_words(" ".join(_TEXT)), _words("name"), _words("time classname group")),
    "properties": _Rule(_words("property")),
    "property": _Rule(required=_words("name value")),
    "system-out": _Rule(),
    "system-err": _Rule(),
    **{name: _Rule(optional=_words("type message")) for name in ("failure", "error", "skipped")},
}


def violations(data: bytes) -> list[str]:
    """Return what the schema does not allow in a document; nothing: it is valid."""
    found = []
    root = ET.fromstring(data)  # noqa: S314 - our own output
    if root.tag not in {"testsuites", "testsuite"}:
        found.append(f"begins with {root.tag}")
    for element in root.iter():
        rule = _RULES.get(element.tag)
        if rule is None:
            found.append(f"unknown element {element.tag}")
            continue
        given = set(element.attrib)
        found += [f"{element.tag} has {name!r}" for name in given - rule.required - rule.optional]
        found += [f"{element.tag} lacks {name!r}" for name in rule.required - given]
        found += [f"{child.tag} in {element.tag}" for child in element if child.tag not in rule.children]
        if rule.timed and not _TIME.fullmatch(element.get("time", "")):
            found.append(f"{element.tag} has time {element.get('time')!r}")
        if element.tag not in _TEXT and (element.text or "").strip():
            found.append(f"{element.tag} has text")
    return found


def names(data: bytes) -> list[tuple[str, str]]:
    """Return class and name of each case, as CI systems identify it."""
    root = ET.fromstring(data)  # noqa: S314 - our own output
    return [(case.get("classname", ""), case.get("name", "")) for case in root.iter("testcase")]
