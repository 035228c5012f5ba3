"""`runbook audit`: read runs later; one file a verb."""

from __future__ import annotations

import click

from runbook_lib.cli.lazy_group import LazyGroup

__all__ = ["audit_command"]

_SUMMARIES: dict[str, str] = {
    "verify": "Is the evidence whole, unchanged, signed, and the code the approved one?",
    "keygen": "Make a key pair to sign runs with.",
    "seal": "Seal a run that was not sealed at its end, as what it is.",
    "countersign": "Add a signature to a sealed run, after a look at it.",
    "list": "The runs of an archive, newest first, with what is wrong with any file.",
    "show": "One run: steps by hosts, commands, broken checks.",
    "query": "SQL over the tables runs, steps, commands, checks, files.",
    "diff": "Two runs compared: parameters, source, commands, checks, durations, facts.",
    "scan": "Rules over an archive, chosen in a policy; as table, JUnit or SARIF.",
    "html": "An archive as a site of static pages.",
}


@click.command("audit", cls=LazyGroup, package="runbook_lib.cli.audit", summaries=_SUMMARIES)
def audit_command() -> None:
    """Read runs later: verify, list, compare, search and show them."""
