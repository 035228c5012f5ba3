"""What a finding is called in files for other programs: the same in every scan of the same evidence."""

from __future__ import annotations

import hashlib
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from runbook_lib.audit.rules.base import Finding

__all__ = ["fingerprints", "name_of", "place_of"]


def fingerprints(findings: Iterable[Finding]) -> Iterator[str]:
    """Yield what identifies each finding, in their order: the same in every scan of the same evidence.

    The level is left out, as a policy may change it, and so is the message, unless nothing else distinguishes two
    violations of a rule at one place.
    """
    counts: Counter[str] = Counter()
    for finding in findings:
        identity = (finding.rule, finding.run, finding.step, finding.host, finding.command, _detail(finding))
        text = "\0".join(map(str, identity))
        counts[text] += 1
        yield hashlib.sha256(f"{text}\0{counts[text]}".encode("utf-8", "surrogatepass")).hexdigest()


def place_of(finding: Finding) -> str:
    """Return where a finding is: run, step, host and command, as far as it is about them."""
    parts = [finding.run]
    if finding.step:
        parts.append(f"step {finding.step}")
    if finding.host:
        parts.append(finding.host)
    if finding.command:
        parts.append(f"command {finding.command}")
    return " / ".join(filter(None, parts))


def name_of(finding: Finding) -> str:
    """Return a name for a finding: its place, and what distinguishes it from others there."""
    return ": ".join(filter(None, (place_of(finding), _detail(finding))))


def _detail(finding: Finding) -> str:
    return finding.message if finding.detail is None else finding.detail
