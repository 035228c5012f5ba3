"""A policy: which rules apply, with which settings; and a scan by it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from runbook_lib.audit.rules.base import AuditRule, Context, Finding
from runbook_lib.audit.rules.evidence import EVIDENCE_NOT_READABLE, EvidenceNotReadable, runs_read
from runbook_lib.audit.rules.registry import rule_class, rule_names
from runbook_lib.errors import InputError
from runbook_lib.project import usable_path
from runbook_lib.yaml_files import YamlFile, validate

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from runbook_lib.audit.archive.archive import Archive

__all__ = ["Policy", "Scan", "SelectedRule", "scan"]


@dataclass(frozen=True)
class SelectedRule:
    """A rule with its settings.

    Args:
        name: As in the policy.
        rule: The rule.
    """

    name: str
    rule: AuditRule

    def find(self, context: Context) -> Iterator[Finding]:
        """Yield the rule's findings."""
        for violation in self.rule.find(context):
            yield Finding(self.name, self.rule.level, **vars(violation))


_ALWAYS = SelectedRule(EVIDENCE_NOT_READABLE, EvidenceNotReadable())


@dataclass(frozen=True)
class Policy:
    """Rules with their settings.

    Args:
        rules: In the order of the file.
        since: Only runs started since then are examined; None: all.
    """

    rules: list[SelectedRule]
    since: datetime | None = None

    @classmethod
    def load(cls, path: str | Path) -> Policy:
        """Read a policy.

        Args:
            path: Its file.

        Raises:
            InputError: The file is missing or malformed, or names a rule or a setting that does not exist.
        """
        file = YamlFile(usable_path(path))
        unknown = set(file.data) - {"rules", "since"}
        if unknown:
            raise InputError(
                f"unknown name {min(unknown)!r}",
                where=_at(file, min(unknown)),
                hint="a policy has `rules` and optionally `since`",
            )
        rules = file.data.get("rules")
        if not isinstance(rules, dict) or not rules:
            raise InputError(
                "no rules",
                where=str(path),
                hint=f"under `rules:`, name some of {', '.join(rule_names())}",
            )
        return cls([_select(file, str(name), given) for name, given in rules.items()], _since(file))


@dataclass(frozen=True)
class Scan:
    """The result of a scan.

    Args:
        policy: The policy that was applied.
        findings: In the order of the rules.
        runs: How many runs were examined: those whose evidence was read in full.
    """

    policy: Policy
    findings: list[Finding]
    runs: int

    @property
    def rules(self) -> list[SelectedRule]:
        """The rules that were applied: the one about unreadable evidence, then those of the policy."""
        return [_ALWAYS, *self.policy.rules]


def scan(archive: Archive, policy: Policy, trust: Sequence[str | Path] = ()) -> Scan:
    """Apply a policy's rules to an archive, and report the evidence that none of them could examine.

    Args:
        archive: The runs.
        policy: The rules to apply.
        trust: Trusted public keys, or folders of them; none: the project's `trusted_keys`.

    Raises:
        InputError: A setting names a file that cannot be used.
    """
    context = Context(archive, datetime.now(UTC), policy.since, trust)
    findings = [finding for selected in (_ALWAYS, *policy.rules) for finding in selected.find(context)]
    return Scan(policy, findings, runs_read(context))


def _select(file: YamlFile, name: str, given: Any) -> SelectedRule:  # noqa: ANN401 - YAML
    place = _at(file, "rules", name)
    try:
        found = rule_class(name)
    except InputError as problem:
        raise InputError(problem.message, where=problem.where or place, hint=problem.hint) from problem
    if given is not None and not isinstance(given, dict):
        raise InputError(
            f"the settings of {name!r} are not a mapping",
            where=place,
            hint="write them as `within_hours: 24` on lines of their own; {} for none",
        )
    return SelectedRule(name, validate(found, given or {}, InputError, f"rule {name!r} in {place}"))


def _since(file: YamlFile) -> datetime | None:
    given = file.data.get("since")
    if given is None:
        return None
    try:
        moment = datetime.fromisoformat(str(given))
    except ValueError as problem:
        raise InputError(
            f"{given!r} is not a date", where=_at(file, "since"), hint="write it as 2026-11-01"
        ) from problem
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _at(file: YamlFile, *location: str) -> str:
    line = file.line(location)
    return f"{file.path}, line {line}" if line else str(file.path)
