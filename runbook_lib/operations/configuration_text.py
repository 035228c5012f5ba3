"""What every editor of a network configuration needs, whatever the format of the file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runbook_lib.errors import PlanRefused

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["ended", "refuse_unmovable"]


def ended(text: str) -> str:
    """Return text whose last line ends with a line feed; empty text stays empty."""
    return text if text.endswith("\n") or not text else text + "\n"


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
