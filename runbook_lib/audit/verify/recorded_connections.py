"""Results of commands that no recorded connection accounts for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runbook_lib.connections.registry import installed_class

if TYPE_CHECKING:
    from runbook_lib.audit.verify.findings import Findings
    from runbook_lib.evidence.journal_view import JournalView

__all__ = ["check_connections"]


def check_connections(journal: JournalView, findings: Findings) -> None:
    """Add each host whose commands have results although the journal has no connection to it.

    Runs from before endpoints were recorded do not say which hosts need one.

    Args:
        journal: The run's journal.
        findings: Gets what is found.
    """
    endpoints = journal.started.get("endpoints")
    if not isinstance(endpoints, dict):
        return
    answered = {
        name
        for step in journal.steps.values()
        for name, host in step.hosts.items()
        if any(command.get("exit_code") is not None for command in host.commands.values())
    }
    for name in sorted(answered):
        endpoint = endpoints.get(name)
        if not isinstance(endpoint, dict):
            findings.altered(
                "commands have results, but the run does not say how the host was reached", where=name
            )
            continue
        kind = installed_class(endpoint.get("connection"))
        if kind and kind.always_established and name not in journal.connected:
            findings.altered("commands have results, but no connection to the host was recorded", where=name)
        elif kind and kind.on_this_machine and endpoint.get("address"):
            address = endpoint["address"]
            findings.warning(f"{address} was not contacted: commands ran on the runner's machine", where=name)
