"""What every editor of a configuration needs, whatever the format of the file."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from runbook_lib.errors import PlanRefused

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["ended", "names_interface", "physical_lines", "refuse_unmovable"]


def ended(text: str) -> str:
    """Return text whose last line ends with a line feed; empty text stays empty."""
    return text if text.endswith("\n") or not text else text + "\n"


def names_interface(text: str, name: str) -> bool:
    """Return whether a text names an interface, as `iif eth0` does; not one whose name only begins like it.

    Args:
        text: A value of a configuration.
        name: The interface's name.
    """
    return re.search(rf"(?<![\w.-]){re.escape(name)}(?![\w-])", text) is not None


def physical_lines(text: str) -> list[str]:
    r"""Return the lines of a file with their line feeds, which alone end a line for the programs on a host.

    `str.splitlines` also splits inside a comment that has a form feed or U+2028, and would make its rest effective.

    >>> physical_lines("# a\u2028b\r\nc")
    ['# a\u2028b\r\n', 'c']
    """
    return re.findall(r"[^\n]*\n|[^\n]+", text)


def refuse_unmovable(obstacles: Sequence[str], where: str, target: str) -> None:
    """Refuse settings of a port that are not understood, and so can be neither kept nor moved.

    Args:
        obstacles: The settings, as the file has them; empty: there are none, and nothing is refused.
        where: The file and what it has, as `/etc/network/interfaces has lines about em1`.
        target: The bridge that would get them.

    Raises:
        PlanRefused: With the settings.
    """
    if obstacles:
        raise PlanRefused(
            f"{where} that can be neither kept nor moved to {target} "
            f"without knowing what they are for: {'; '.join(map(repr, obstacles))}",
            hint=f"move them to {target} by hand, or remove them, then run this again",
        )
