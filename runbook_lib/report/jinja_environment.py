"""The templates' environment: foreign text is escaped and made visible wherever a template prints it."""

from __future__ import annotations

import json
from typing import Any

import jinja2

from runbook_lib.connections.shown_command import shown_command
from runbook_lib.model.status import BAD, SYMBOLS
from runbook_lib.printing.visible_text import visible
from runbook_lib.report import safe_text, summary

__all__ = ["MAX_OPEN_LINES", "templates"]

MAX_OPEN_LINES = 40
"""Number of lines above which a diff is collapsed."""


def _visible(value: Any) -> Any:  # noqa: ANN401 - whatever a template prints
    """Make every text that a template prints visible; markup went through here before."""
    return visible(value) if type(value) is str else value


def _duration(record: Any) -> str:  # noqa: ANN401 - a run, step, host or command record
    known = record.started and record.ended
    return summary.seconds((record.ended - record.started).total_seconds() if known else None)


def _pretty(value: Any) -> str:  # noqa: ANN401 - JSON
    return json.dumps(value, indent=2, ensure_ascii=False)


def _is_bad(status: str) -> bool:
    return status in BAD


templates = jinja2.Environment(
    loader=jinja2.PackageLoader("runbook_lib.report"),
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
    undefined=jinja2.StrictUndefined,
    finalize=_visible,
)
"""Autoescape is on for every template, since all of them make markup."""
templates.filters |= {
    "diff": lambda change: list(safe_text.unified(change)),
    "exit_summary": safe_text.exit_summary,
    "duration": _duration,
    "moment": summary.moment,
    "pretty": _pretty,
    "shown_command": shown_command,
    "seconds": summary.seconds,
    "stream": safe_text.stream,
}
templates.globals |= {
    "counted": summary.counted,
    "max_open_lines": MAX_OPEN_LINES,
    "meanings": summary.MEANINGS,
    "symbols": SYMBOLS,
    "own_reason": summary.own_reason,
    "problems_of": summary.problems,
}
templates.tests["bad"] = _is_bad
