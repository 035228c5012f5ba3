"""The pages' templates: those of the report, and those that only a site needs."""

from __future__ import annotations

import re
from hashlib import sha256
from importlib import resources
from typing import Any

import jinja2
from markupsafe import Markup

from runbook_lib.audit.run_diff import unified
from runbook_lib.report.html import policy_hash, read_asset
from runbook_lib.report.jinja_environment import templates

__all__ = ["file_name", "render"]

_OWN = resources.files("runbook_lib.audit.site").joinpath("templates")
_LONG = 80  # characters of a value above which it is shown as a diff

site = templates.overlay(
    loader=jinja2.ChoiceLoader(
        [jinja2.PackageLoader("runbook_lib.audit.site"), jinja2.PackageLoader("runbook_lib.report")]
    )
)


def render(template: str, **values: Any) -> str:  # noqa: ANN401 - what the template needs
    """Return a page.

    Args:
        template: Its name; if there is a script of that name, it is part of the page.
        values: The values that it shows.
    """
    style = read_asset("style.css") + (_OWN / "site.css").read_text(encoding="utf-8")
    own = _OWN / f"{template}.js"
    script = own.read_text(encoding="utf-8") if own.is_file() else read_asset("script.js")
    return site.get_template(f"{template}.html.j2").render(
        **values,
        style=Markup(style),  # noqa: S704 - our own file
        script=Markup(script),  # noqa: S704 - our own file
        style_hash=policy_hash(style),
        script_hash=policy_hash(script),
        is_long=_is_long,
        unified=_unified,
        file_name=file_name,
    )


def file_name(name: str) -> str:
    """Return a safe file name for the page of a run or host, whatever characters the name in the evidence has."""
    plain = re.sub(r"[^A-Za-z0-9_-]+", "_", name)
    if name and plain == name and len(name) < _LONG:
        return name
    return f"{plain[:60]}-{sha256(name.encode()).hexdigest()[:8]}"


def _is_long(*values: str | None) -> bool:
    return any(value is not None and (len(value) > _LONG or "\n" in value) for value in values)


def _unified(before: str | None, after: str | None) -> list[tuple[str, str]]:
    kinds = {"+": "added", "-": "removed", "@": "place"}
    return [(kinds.get(line[:1], "same"), line) for line in unified(before, after)]
