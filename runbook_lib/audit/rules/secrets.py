"""The rule that looks for secrets that were printed or sent in plain text; a finding never repeats one."""

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

from runbook_lib.audit.rules.base import Context, Finding, Settings, rule

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["S3KeyDetector", "found_in", "secret_in_output"]

# What any of the detectors needs to see in a text; the others are not looked at line by line.
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
_LONGEST = 20_000  # characters of a line that are looked at


class S3KeyDetector(RegexBasedDetector):
    """An access or secret key of S3 storage as a registry's settings hold it, literal (book S1)."""

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


class Ignored(Settings):
    """For `secret-in-output`."""

    ignore: list[str] = Field(default=[], description="Regular expressions of lines that are no secrets.")


def found_in(text: str) -> list[tuple[int, str, str]]:
    """Return line, kind and value of what looks like a secret; of a line only the first.

    Values that are plainly references, as `env:NAME` or `${NAME}`, are none.
    """
    found = []
    for number, line in enumerate(text.splitlines(), start=1):
        for detector in _DETECTORS:
            values = [value for value in detector.analyze_string(line[:_LONGEST]) if not _harmless(value)]
            if values:
                found.append((number, detector.secret_type, values[0]))
                break
    return found


@rule("secret-in-output", Ignored)
def secret_in_output(context: Context, settings: Ignored) -> Iterator[Finding]:
    """Text that looks like a secret, in a command, what was handed to it, or what it printed."""
    ignored = [re.compile(pattern) for pattern in settings.ignore]
    matches = " OR ".join(f"regexp_matches(coalesce(c.{name}, ''), '{_HINT}')" for name in _TEXTS)
    sql = (
        f"SELECT c.run, c.step, c.host, c.number, {', '.join(f'c.{name}' for name in _TEXTS)} "  # noqa: S608 - our own
        f"FROM commands c JOIN judged r ON r.run = c.run WHERE {matches} ORDER BY c.run, c.number, c.position"
    )
    for row in context.rows(sql):
        for name in _TEXTS:
            yield from _of_text(row, name, ignored, settings)


def _of_text(
    row: dict[str, Any], name: str, ignored: list[re.Pattern[str]], settings: Ignored
) -> Iterator[Finding]:
    text = row[name] or ""
    lines = text.splitlines()
    for number, kind, _ in found_in(text):
        if any(pattern.search(lines[number - 1]) for pattern in ignored):
            continue
        what = f"command {row['number']}" if row["number"] else "a planned command"
        message = f"{what} shows what looks like a secret ({kind}) in line {number} of {_PLACES[name]}"
        yield Finding(
            "secret-in-output", settings.level, row["run"], message, row["step"], row["host"], row["number"]
        )


def _harmless(value: str) -> bool:
    return bool(
        re.match(
            r"(env:|file:|keyring:|\$\{?[A-Za-z_]|<[^>]*>$|\*+$|x+$|\[.*\]$|none$|null$)",
            value,
            re.IGNORECASE,
        )
    )
