"""Rules about how runs came about: planned before, from committed source, signed, validated, on known hosts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson
from pydantic import Field

from runbook_lib.audit.archive.run_verdict import verdict_of_run
from runbook_lib.audit.rules.base import Context, Finding, Settings, rule
from runbook_lib.inventory import Inventory

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "apply_without_plan",
    "host_outside_inventory",
    "uncommitted_source",
    "unsigned_apply",
    "validate_too_old",
]

_UNPLANNED = """
SELECT r.run, r.runbook, r.hosts FROM judged r
WHERE r.mode = 'apply' AND NOT EXISTS (
  SELECT 1 FROM runs p WHERE p.mode = 'plan' AND p.runbook = r.runbook AND p.status IN ('ok', 'planned')
  AND list_has_all(string_split(p.hosts, ','), string_split(r.hosts, ','))
  AND p.started < r.started AND p.started >= r.started - to_hours(?))
ORDER BY r.started
"""
_APPLIED = """
SELECT arg_max(r.run, r.started) AS run, r.runbook, h.host FROM judged r, unnest(string_split(r.hosts, ',')) AS h(host)
WHERE r.mode = 'apply' AND r.status IN ('ok', 'changed') GROUP BY r.runbook, h.host ORDER BY h.host, r.runbook
"""
_VALIDATED = """
SELECT h.host, max(r.started) AS at FROM runs r, unnest(string_split(r.hosts, ',')) AS h(host)
WHERE r.mode = 'validate' AND r.status = 'ok' AND list_contains(?, r.runbook) GROUP BY h.host
"""


class WithinHours(Settings):
    """For `apply-without-plan`."""

    within_hours: int = Field(default=24 * 7, ge=1, description="How old a plan may be.")


@rule("apply-without-plan", WithinHours)
def apply_without_plan(context: Context, settings: WithinHours) -> Iterator[Finding]:
    """An apply that no good plan of the same runbook came before, on the same hosts."""
    for row in context.rows(_UNPLANNED, settings.within_hours):
        message = f"{row['runbook']} was applied to {row['hosts']} with no plan in the {settings.within_hours} h before"
        yield Finding("apply-without-plan", settings.level, row["run"], message)


class Uncommitted(Settings):
    """For `uncommitted-source`."""

    modes: list[str] = Field(default=["apply"], description="Modes in which it matters.")


@rule("uncommitted-source", Uncommitted)
def uncommitted_source(context: Context, settings: Uncommitted) -> Iterator[Finding]:
    """A run from source that was not committed, or from no git repository."""
    found = context.rows(
        "SELECT run, runbook, source FROM judged WHERE list_contains(?, mode) ORDER BY started",
        settings.modes,
    )
    for row in found:
        told = orjson.loads(row["source"])
        if not told.get("commit"):
            message = f"{row['runbook']} was run from source of no known commit"
        elif told.get("uncommitted"):
            message = (
                f"{row['runbook']} was run from uncommitted changes on commit {str(told['commit'])[:12]}"
            )
        else:
            continue
        yield Finding("uncommitted-source", settings.level, row["run"], message)


@rule("unsigned-apply", Settings)
def unsigned_apply(context: Context, settings: Settings) -> Iterator[Finding]:
    """An apply whose evidence nobody signed, or does not verify."""
    applied = "SELECT run, runbook FROM judged WHERE mode = 'apply' ORDER BY started"
    for row in context.rows(applied):
        verdict = verdict_of_run(context.archive, row["run"], context.trust)
        if verdict.word != "verified":
            message = f"the evidence of {row['runbook']} is {verdict.word}: {verdict.reason}"
            yield Finding("unsigned-apply", settings.level, row["run"], message)


class WithInventory(Settings):
    """For `host-outside-inventory`."""

    inventory: str = Field(description="The inventory file that names all hosts.")


@rule("host-outside-inventory", WithInventory)
def host_outside_inventory(context: Context, settings: WithInventory) -> Iterator[Finding]:
    """A host that the inventory does not name, or names with another address."""
    known = {host.name: host.target for host in Inventory.load(settings.inventory).select("all")}
    found = context.rows(
        "SELECT s.run, min(s.step) AS step, s.host, s.address FROM steps s JOIN judged r ON r.run = s.run "
        "GROUP BY ALL ORDER BY s.run, s.host"
    )
    for row in found:
        host, address = row["host"], row["address"]
        if host not in known:
            message = f"{host} is not in {settings.inventory}"
        elif address and address != known[host]:
            message = f"{host} was reached at {address}, in {settings.inventory} it is {known[host]}"
        else:
            continue
        yield Finding("host-outside-inventory", settings.level, row["run"], message, row["step"], host)


class Age(Settings):
    """For `validate-too-old`."""

    days: int = Field(ge=1, description="How old the last good validation of a host may be.")
    runbooks: list[str] = Field(default=["90_validate"], description="Runbooks that validate hosts.")


@rule("validate-too-old", Age)
def validate_too_old(context: Context, settings: Age) -> Iterator[Finding]:
    """A host that something was applied to and that was last found well too long ago, or never."""
    last = {row["host"]: row["at"] for row in context.rows(_VALIDATED, settings.runbooks)}
    told: set[str] = set()
    for row in context.rows(_APPLIED):
        host = row["host"]
        if host in told:
            continue
        at = last.get(host)
        if at is None:
            message = f"{host} was never validated with success"
        elif (context.now - at).days >= settings.days:
            message = (
                f"{host} was last validated with success {(context.now - at).days} days ago, on {at:%Y-%m-%d}"
            )
        else:
            continue
        told.add(host)
        yield Finding("validate-too-old", settings.level, row["run"], message, host=host)
