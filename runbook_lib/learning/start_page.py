"""The learner's first page: what there is, and what to do first."""

from __future__ import annotations

from typing import TYPE_CHECKING

import jinja2

from runbook_lib.lab.command_lines import DEFAULT_NAME, name_option
from runbook_lib.printing.visible_text import visible

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runbook_lib.learning.lessons import Lesson

__all__ = ["start_page"]

_templates = jinja2.Environment(
    loader=jinja2.PackageLoader("runbook_lib.learning"),
    autoescape=False,  # noqa: S701 - it is Markdown; the texts are those of the project's own notebooks
    trim_blocks=True,
    lstrip_blocks=True,
    finalize=lambda value: _in_a_line(value) if isinstance(value, str) else value,
)
_ENDS = "The practice hosts end too; next time the earlier lessons are run for you."
_STAYS = "The practice hosts stay up: `runbook lab down{}` ends them."


def start_page(
    lessons: Sequence[Lesson], running: Sequence[str], reason: str, *, lab: str, hosts_end: bool
) -> str:
    """Return the first page as Markdown.

    Args:
        lessons: All lessons, in order.
        running: Names of the practice hosts that are up.
        reason: Why there are none, if there are none.
        lab: The name of their lab.
        hosts_end: Whether the practice hosts end when the learner ends.
    """
    return _templates.get_template("start.md.j2").render(
        lessons=lessons,
        first=lessons[0],
        missing=next((lesson.name for lesson in lessons if set(lesson.hosts) - set(running)), ""),
        hosts=[f"`{name}`" for name in running],
        running=running,
        lab="" if lab == DEFAULT_NAME else lab,
        reason=reason,
        ending=(_ENDS if hosts_end else _STAYS.format(name_option(lab))) if running else "",
    )


def _in_a_line(text: str) -> str:
    """Return a text that stays in its place: without lines of its own, and without a table's delimiter."""
    return visible(" ".join(text.split())).replace("|", "\\|")
