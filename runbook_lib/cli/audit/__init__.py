"""`runbook audit`: read runs later; one file per command."""

from __future__ import annotations

import click

from runbook_lib.cli.lazy_group import LazyGroup

__all__ = ["audit_command"]

_SUMMARIES: dict[str, str] = {
    "verify": "Is the evidence complete, unchanged and signed, and the code approved?",
    "keygen": "Make a key pair to sign runs with.",
    "seal": "Seal a run that was not sealed at its end.",
    "countersign": "Verify a sealed run, then add a signature.",
    "list": "The runs of an archive, newest first, and damaged files.",
    "show": "One run: steps per host, commands, failed checks.",
    "query": "SQL over the tables runs, steps, commands, checks, files.",
    "diff": "Two runs compared: parameters, source, commands, checks, durations, facts.",
    "scan": "Check an archive against the rules of a policy; as table, JUnit or SARIF.",
    "html": "An archive as a site of static pages.",
}


@click.command("audit", cls=LazyGroup, package="runbook_lib.cli.audit", summaries=_SUMMARIES)
def audit_command() -> None:
    """Read runs later: verify, list, compare, search and show them."""
