"""`runbook audit`: read runs later; one file a verb."""

from __future__ import annotations

import click

from runbook_lib.cli.verbs import Verbs

__all__ = ["audit_command"]

_VERBS: dict[str, str] = {}


@click.command("audit", cls=Verbs, package="runbook_lib.cli.audit", verbs=_VERBS)
def audit_command() -> None:
    """Read runs later: verify, list, compare, search and show them."""
