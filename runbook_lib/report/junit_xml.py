"""JUnit XML as Jenkins' xUnit plugin, GitLab and pytest's readers accept it: one place for what they agree on.

Jenkins' xUnit plugin validates against its schema `junit-10.xsd`, which knows fewer attributes than most writers use.
GitLab and Jenkins' own reader take two cases, or two suites, of one name for one.
"""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING
from xml.etree.ElementTree import indent

from junitparser import JUnitXml, TestCase, TestSuite

from runbook_lib.printing.visible_text import visible

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["UniqueNames", "junit_bytes", "new_case"]

_LONGEST_NAME = 2000  # characters


class UniqueNames:
    """Names for the cases or suites of one document, each given out once."""

    def __init__(self) -> None:
        self._used: set[tuple[str, str]] = set()

    def claim(self, name: str, scope: str = "") -> str:
        """Return a name as one line of visible text, with a number where it is used already.

        Args:
            name: The wanted name.
            scope: The class of a case: names in different classes do not collide.
        """
        wanted = " ".join(visible(name).split())[:_LONGEST_NAME] or "?"
        unique, number = wanted, 1
        while (scope, unique) in self._used:
            number += 1
            unique = f"{wanted} ({number})"
        self._used.add((scope, unique))
        return unique


def new_case(names: UniqueNames, name: str, classname: str, seconds: float = 0.0) -> TestCase:
    """Return a case with a name of its own.

    Args:
        names: The names in the document so far.
        name: The wanted name.
        classname: The case's class.
        seconds: Its duration; a host's clock that was set back must not make it negative.
    """
    shown = " ".join(visible(classname).split())
    # Without an exponent, which readers of times do not expect.
    return TestCase(names.claim(name, shown), shown, max(0.0, round(seconds, 3)))


def junit_bytes(name: str, suites: Sequence[TestSuite]) -> bytes:
    """Return a JUnit document.

    Args:
        name: Its name.
        suites: Its suites, with the cases in them.
    """
    return _Document(name).render(suites)


class _Document(JUnitXml):
    def render(self, suites: Sequence[TestSuite]) -> bytes:
        for suite in suites:
            self.add_testsuite(suite)
        self.update_statistics()  # type: ignore[no-untyped-call] # junitparser's own gap
        self._elem.attrib.pop("skipped", None)  # each suite has its count; the schema has none for the whole
        # junitparser's own `pretty` parses the document again, into objects that take 40 times as much memory.
        indent(self._elem, "\t")
        buffer = BytesIO()
        self.write(buffer)
        return buffer.getvalue()
