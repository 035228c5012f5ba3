"""Rules about how runs came about: planned before, from committed source, signed, validated, on known hosts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
from pydantic import Field

from runbook_lib.audit.archive.run_verdict import verdict_of_run
from runbook_lib.audit.rules.base import AuditRule, Context, Violation
from runbook_lib.audit.rules.reached_hosts import Reached, differences, read_reached
from runbook_lib.errors import EvidenceError
from runbook_lib.inventory import Inventory
from runbook_lib.model.status import Status

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "ApplyWithoutPlan",
    "HostOutsideInventory",
    "UncommittedSource",
    "UnsignedApply",
    "ValidateTooOld",
]

_SUCCESSES = [status.value for status in Status if status.is_success]
_UNPLANNED = """
SELECT r.run, r.runbook, r.hosts FROM examined r
WHERE r.mode = 'apply' AND NOT EXISTS (
  SELECT 1 FROM runs p WHERE p.mode = 'plan' AND p.runbook = r.runbook AND list_contains(?, p.status)
  AND list_has_all(
    (SELECT coalesce(list(DISTINCT s.host), []) FROM steps s WHERE s.run = p.run AND list_contains(?, s.status)),
    (SELECT coalesce(list(DISTINCT s.host), []) FROM steps s WHERE s.run = r.run))
  AND p.started < r.started AND p.started >= r.started - to_hours(?))
ORDER BY r.started
"""
_IN_MODES = "SELECT run, runbook, source FROM examined WHERE list_contains(?, mode) ORDER BY started"
_APPLIES = "SELECT run, runbook FROM examined WHERE mode = 'apply' ORDER BY started"
_FILES = "SELECT f.run, f.path, f.kind FROM files f JOIN examined r ON r.run = f.run WHERE f.kind <> 'copy'"
_REACHED = """
SELECT s.run, min(s.step) AS step, s.host, s.address,
  (SELECT count(*) FROM commands c WHERE c.run = s.run AND c.host = s.host AND c.exit_code IS NOT NULL) AS answered
FROM steps s JOIN examined r ON r.run = s.run GROUP BY s.run, s.host, s.address ORDER BY s.run, s.host
"""
# However an apply ended, a host that it sent a command to may have been changed; commands of facts only read. Of a
# run that was killed, the last command is the end that is known.
_LAST_APPLIES = """
SELECT arg_max(r.run, r.started) AS run,
  max(greatest(coalesce(r.ended, r.started), coalesce(c.ended, c.started, r.started))) AS at, c.host
FROM examined r JOIN commands c ON c.run = r.run
WHERE r.mode = 'apply' AND c.sent AND c.kind <> 'fact' GROUP BY c.host ORDER BY c.host
"""
_LAST_VALIDATIONS = """
SELECT s.host, max(r.started) AS at FROM runs r JOIN steps s ON s.run = r.run
WHERE r.mode = 'validate' AND list_contains(?, r.status) AND list_contains(?, s.status)
  AND list_contains(?, r.runbook) AND r.started <= ?
GROUP BY s.host
"""


class ApplyWithoutPlan(AuditRule):
    """An apply without a successful plan of the same runbook on the same hosts before it."""

    within_hours: int = Field(default=24 * 7, ge=1, description="How old a plan may be.")

    def find(self, context: Context) -> Iterator[Violation]:
        """Yield each such run."""
        for row in context.rows(_UNPLANNED, _SUCCESSES, _SUCCESSES, self.within_hours):
            plan = f"without a plan in the {self.within_hours} h before"
            yield Violation(row["run"], f"{row['runbook']} was applied to {row['hosts']} {plan}", detail="")


class UncommittedSource(AuditRule):
    """A run from source that was not committed, or not in a git repository."""

    modes: list[str] = Field(default=["apply"], description="Modes in which it matters.")

    def find(self, context: Context) -> Iterator[Violation]:
        """Yield each such run."""
        for row in context.rows(_IN_MODES, self.modes):
            source = orjson.loads(row["source"])
            if not source.get("commit"):
                message = f"{row['runbook']} ran from source without a known commit"
                yield Violation(row["run"], message, detail="")
            elif source.get("uncommitted"):
                commit = str(source["commit"])[:12]
                message = f"{row['runbook']} ran from uncommitted changes on commit {commit}"
                yield Violation(row["run"], message, detail="")


class UnsignedApply(AuditRule):
    """An apply whose evidence is unsigned, or does not verify."""

    def find(self, context: Context) -> Iterator[Violation]:
        """Yield each such run."""
        for row in context.rows(_APPLIES):
            verdict = verdict_of_run(context.archive, row["run"], context.trust)
            if verdict.word != "verified":
                message = f"the evidence of {row['runbook']} is {verdict.word}: {verdict.reason}"
                yield Violation(row["run"], message, detail="")


class HostOutsideInventory(AuditRule):
    """A host that is not in the inventory, or was not reached as the inventory says.

    Compared are connection, address, user, port, proxy, network namespace and, if the inventory names the host's
    known_hosts, the host's key. Commands with results need a recorded connection to the host.
    """

    inventory: str = Field(description="The inventory file that names all hosts.")

    def find(self, context: Context) -> Iterator[Violation]:
        """Yield each difference of each host of each run."""
        known = {host.name: host for host in Inventory.load(self.inventory).select("all")}
        runs = {row["run"]: row for row in context.rows(_FILES)}
        reached: Reached | None = None
        read_for = ""
        for row in context.rows(_REACHED):
            run, host, address = row["run"], row["host"], row["address"]
            if host not in known:
                message = f"{host} is not in {self.inventory}"
                yield Violation(run, message, row["step"], host, detail="unknown")
                continue
            if run != read_for:
                read_for = run
                try:
                    reached = read_reached(context.archive.location, **_file(runs[run]))
                except EvidenceError as problem:
                    reached = None
                    message = f"how the run reached its hosts cannot be compared: {problem.message}"
                    yield Violation(run, message, detail="evidence")
            if reached is None:
                continue
            target = known[host].target
            if (
                not reached.endpoints and address and address != target
            ):  # a run from before they were recorded
                message = f"{host} was reached at {address}; its address in {self.inventory} is {target}"
                yield Violation(run, message, row["step"], host, detail="address")
            answered = bool(row["answered"])
            for name, message in differences(known[host], reached, self.inventory, answered=answered):
                yield Violation(run, message, row["step"], host, detail=name)


def _file(row: dict[str, Any]) -> dict[str, str]:
    return {"run": row["run"], "path": row["path"], "kind": row["kind"]}


class ValidateTooOld(AuditRule):
    """A host that an apply sent commands to and that was not validated since, or too long ago.

    How the apply ended does not matter: also a failed or interrupted one may have changed the host. A validation
    counts for the hosts of its steps if it ended well and began after the apply ended; one that claims to begin after
    the scan does not count. An apply without an end is over with its last command, as far as anybody knows.
    """

    days: int = Field(ge=1, description="How old the last successful validation of a host may be.")
    runbooks: list[str] = Field(default=["90_validate"], description="Runbooks that validate hosts.")

    def find(self, context: Context) -> Iterator[Violation]:
        """Yield each such host once."""
        validations = context.rows(_LAST_VALIDATIONS, _SUCCESSES, _SUCCESSES, self.runbooks, context.now)
        last = {row["host"]: row["at"] for row in validations}
        for row in context.rows(_LAST_APPLIES):
            host, at = row["host"], last.get(row["host"])
            days = (context.now - at).days if at else 0
            if at is None:
                message = f"{host} was never validated successfully"
            elif at <= row["at"]:
                applied = f"{row['at']:%Y-%m-%d %H:%M:%S} UTC"
                message = f"{host} was not validated successfully since it was last applied to, at {applied}"
            elif days >= self.days:
                message = f"the last successful validation of {host} is {days} days old, from {at:%Y-%m-%d}"
            else:
                continue
            yield Violation(row["run"], message, host=host, detail="")
