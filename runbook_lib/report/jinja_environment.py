"""The templates' environment: foreign text is escaped and made visible wherever a template prints it."""

from __future__ import annotations

import json
from typing import Any

import jinja2

from runbook_lib.model.status import SYMBOLS
from runbook_lib.report import safe_text, summary

__all__ = ["FOLDED_LINES", "templates"]

FOLDED_LINES = 40
"""Lines of a diff above which it is folded."""


def _shown(value: Any) -> Any:  # noqa: ANN401 - whatever a template prints
    """Make every text that a template prints visible; what is markup already came through here."""
    return safe_text.visible(value) if type(value) is str else value


def _lasted(thing: Any) -> str:  # noqa: ANN401 - a run, step, host or command record
    ended = thing.started and thing.ended
    return summary.seconds((thing.ended - thing.started).total_seconds() if ended else None)


def _pretty(value: Any) -> str:  # noqa: ANN401 - JSON
    return json.dumps(value, indent=2, ensure_ascii=False)


def _bad(status: str) -> bool:
    return status in summary.BAD


templates = jinja2.Environment(
    loader=jinja2.PackageLoader("runbook_lib.report"),
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
    undefined=jinja2.StrictUndefined,
    finalize=_shown,
)
"""Autoescape is on for every template: each makes markup."""
templates.filters |= {
    "diff": lambda change: list(safe_text.unified(change)),
    "ending": safe_text.ending,
    "lasted": _lasted,
    "moment": summary.moment,
    "pretty": _pretty,
    "seconds": summary.seconds,
    "stream": safe_text.stream,
}
templates.globals |= {
    "counted": summary.counted,
    "folded_lines": FOLDED_LINES,
    "meanings": summary.MEANINGS,
    "symbols": SYMBOLS,
    "troubles": summary.troubles,
}
templates.tests["bad"] = _bad
