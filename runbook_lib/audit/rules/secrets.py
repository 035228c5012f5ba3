"""The rule that finds secrets that were printed or sent in plain text; a violation never repeats the secret."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from detect_secrets.plugins.artifactory import ArtifactoryDetector
from detect_secrets.plugins.aws import AWSKeyDetector
from detect_secrets.plugins.azure_storage_key import AzureStorageKeyDetector
from detect_secrets.plugins.base import RegexBasedDetector
from detect_secrets.plugins.basic_auth import BasicAuthDetector
from detect_secrets.plugins.github_token import GitHubTokenDetector
from detect_secrets.plugins.gitlab_token import GitLabTokenDetector
from detect_secrets.plugins.jwt import JwtTokenDetector
from detect_secrets.plugins.keyword import KeywordDetector
from detect_secrets.plugins.npm import NpmDetector
from detect_secrets.plugins.private_key import PrivateKeyDetector
from detect_secrets.plugins.slack import SlackDetector
from detect_secrets.plugins.stripe import StripeDetector
from pydantic import Field

from runbook_lib.audit.rules.base import AuditRule, Context, Violation

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["S3KeyDetector", "SecretInOutput", "find_secrets"]

# No detector finds anything in a text that does not match this: such texts are not scanned line by line.
_HINT = (
    r"(?i)akia|asia|a3t|key|secret|passw|pwd|pass|token|-----BEGIN|eyJ|xox|gh[pousr]_|glpat|npm_|"
    r"sk_live|rk_live|://[^/\s:]+:[^@\s]+@|contrase"
)
_TEXTS = ("text", "stdin", "stdout_head", "stdout_tail", "stderr_head", "stderr_tail")
_PLACES = {
    "text": "its text",
    "stdin": "its standard input",
    "stdout_head": "its output",
    "stdout_tail": "the end of its output",
    "stderr_head": "its error output",
    "stderr_tail": "the end of its error output",
}
_LONGEST = 20_000  # characters of a line that are scanned


class S3KeyDetector(RegexBasedDetector):
    """A literal access or secret key of S3 storage, in the form of a registry's settings (book S1)."""

    secret_type = "S3 storage key"  # noqa: S105 - the name of a kind
    denylist = (
        re.compile(
            r"(?i)\b(?:s3|aws|registry)?[_.-]?(?:storage[_.-])?(?:s3[_.-])?(?:access|secret)[_-]?(?:access[_-]?)?key"
            r"(?:[_-]?id)?[\"']?\s*(?:[:=]|\s)\s*[\"']?([A-Za-z0-9/+]{16,64}={0,2})(?![A-Za-z0-9/+])"
        ),
    )


_DETECTORS = (
    S3KeyDetector(),
    AWSKeyDetector(),
    PrivateKeyDetector(),
    BasicAuthDetector(),
    JwtTokenDetector(),
    GitHubTokenDetector(),
    GitLabTokenDetector(),
    NpmDetector(),
    SlackDetector(),
    StripeDetector(),
    ArtifactoryDetector(),
    AzureStorageKeyDetector(),
    KeywordDetector(),
)


def find_secrets(text: str) -> list[tuple[int, str, str]]:
    """Return line, kind and value of what looks like a secret; of each line only the first.

    Values that are plainly references, such as `env:NAME` or `${NAME}`, do not count.
    """
    found = []
    for number, line in enumerate(text.splitlines(), start=1):
        for detector in _DETECTORS:
            values = [value for value in detector.analyze_string(line[:_LONGEST]) if not _harmless(value)]
            if values:
                found.append((number, detector.secret_type, values[0]))
                break
    return found


class SecretInOutput(AuditRule):
    """Text that looks like a secret, in a command, its standard input or its output."""

    ignore: list[str] = Field(default=[], description="Regular expressions of lines that are not secrets.")

    def find(self, context: Context) -> Iterator[Violation]:
        """Yield line and kind of each, never the text itself."""
        ignored = [re.compile(pattern) for pattern in self.ignore]
        matches = " OR ".join(f"regexp_matches(coalesce(c.{name}, ''), '{_HINT}')" for name in _TEXTS)
        sql = (
            f"SELECT c.run, c.step, c.host, c.number, {', '.join(f'c.{name}' for name in _TEXTS)} "  # noqa: S608 - our own
            f"FROM commands c JOIN examined r ON r.run = c.run WHERE {matches} "
            "ORDER BY c.run, c.number, c.position"
        )
        for row in context.rows(sql):
            for name in _TEXTS:
                yield from _violations(row, name, ignored)


def _violations(row: dict[str, Any], name: str, ignored: list[re.Pattern[str]]) -> Iterator[Violation]:
    text = row[name] or ""
    lines = text.splitlines()
    for number, kind, _ in find_secrets(text):
        if any(pattern.search(lines[number - 1]) for pattern in ignored):
            continue
        what = f"command {row['number']}" if row["number"] else "a planned command"
        message = f"{what} shows what looks like a secret ({kind}) in line {number} of {_PLACES[name]}"
        yield Violation(row["run"], message, row["step"], row["host"], row["number"])


def _harmless(value: str) -> bool:
    return bool(
        re.match(
            r"(env:|file:|keyring:|\$\{?[A-Za-z_]|<[^>]*>$|\*+$|x+$|\[.*\]$|none$|null$)",
            value,
            re.IGNORECASE,
        )
    )
