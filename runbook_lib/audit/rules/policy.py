"""A policy: which rules, with which settings; and a scan by it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from runbook_lib.audit.rules import RULES
from runbook_lib.audit.rules.base import Context, Finding, Rule, Settings
from runbook_lib.errors import InputError
from runbook_lib.yaml_files import YamlFile, validate

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from runbook_lib.audit.archive.archive import Archive

__all__ = ["Policy", "Scan", "scan"]


@dataclass(frozen=True)
class Policy:
    """Rules with their settings.

    Args:
        chosen: In the order of the file.
        since: Only runs begun since then are judged; None: all.
    """

    chosen: list[tuple[Rule, Settings]]
    since: datetime | None = None

    @classmethod
    def load(cls, path: Path) -> Policy:
        """Read a policy.

        Raises:
            InputError: It is missing or malformed, or names a rule or a setting that does not exist.
        """
        file = YamlFile(path)
        unknown = set(file.data) - {"rules", "since"}
        if unknown:
            raise InputError(
                f"unknown name {min(unknown)!r}",
                where=_at(file, min(unknown)),
                hint="a policy has `rules` and, if wanted, `since`",
            )
        rules = file.data.get("rules")
        if not isinstance(rules, dict) or not rules:
            raise InputError(
                "has no rules",
                where=str(path),
                hint=f"under `rules:`, name some of {', '.join(sorted(RULES))}",
            )
        return cls([_chosen(file, name, given) for name, given in rules.items()], _since(file))


@dataclass(frozen=True)
class Scan:
    """What a scan by a policy gave.

    Args:
        policy: As it was applied.
        findings: In the order of the rules.
        runs: How many runs were judged.
    """

    policy: Policy
    findings: list[Finding]
    runs: int


def scan(archive: Archive, policy: Policy, trust: Sequence[Path] = ()) -> Scan:
    """Apply a policy's rules to an archive.

    Args:
        archive: The runs.
        policy: The rules chosen.
        trust: Public keys that count, or folders of them; none: the project's `trusted_keys`.

    Raises:
        InputError: A setting names a file that cannot be used.
    """
    context = Context(archive, datetime.now(UTC), policy.since, trust)
    findings = [finding for chosen, settings in policy.chosen for finding in chosen.find(context, settings)]
    (judged,) = context.rows("SELECT count(*) AS runs FROM judged")
    return Scan(policy, findings, judged["runs"])


def _chosen(file: YamlFile, name: str, given: Any) -> tuple[Rule, Settings]:  # noqa: ANN401 - YAML
    if name not in RULES:
        raise InputError(
            f"there is no rule {name!r}",
            where=_at(file, "rules", name),
            hint=f"rules are: {', '.join(sorted(RULES))}",
        )
    if given is not None and not isinstance(given, dict):
        raise InputError(
            f"the settings of {name!r} are no mapping",
            where=_at(file, "rules", name),
            hint="as `within_hours: 24` on lines of their own; {} for none",
        )
    where = f"rule {name!r} in {_at(file, 'rules', name)}"
    return RULES[name], validate(RULES[name].settings, given or {}, InputError, where)


def _since(file: YamlFile) -> datetime | None:
    given = file.data.get("since")
    if given is None:
        return None
    try:
        moment = datetime.fromisoformat(str(given))
    except ValueError as problem:
        raise InputError(
            f"{given!r} is no date", where=_at(file, "since"), hint="write it as 2026-11-01"
        ) from problem
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _at(file: YamlFile, *location: str) -> str:
    line = file.line(location)
    return f"{file.path}, line {line}" if line else str(file.path)
