"""rich's console, with the filter in the one place that all its text passes."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.segment import Segment

from runbook_lib.printing.standard_streams import styled
from runbook_lib.printing.visible_text import visible

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import ConsoleOptions, RenderableType

__all__ = ["FilteredConsole"]


class FilteredConsole(Console):
    """Prints to standard output or standard error; text is made visible, and only rich's own styles reach a terminal.

    Args:
        stderr: Print to standard error.
        options: rich's own.
    """

    def __init__(self, *, stderr: bool = False, **options: Any) -> None:  # noqa: ANN401 - rich's
        stream = sys.stderr if stderr else sys.stdout
        super().__init__(**{"highlight": False, "file": styled(stream) if stream else None, **options})

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Render as rich does; text has passed the filter."""
        for segment in super().render(renderable, options):
            shown = segment.text if segment.control else visible(segment.text)
            yield segment if shown is segment.text else Segment(shown, segment.style)

    def write_line(self, text: str) -> None:
        """Write a line without styles, as rich would, at less cost."""
        self.file.write(f"{visible(text)}\n")
