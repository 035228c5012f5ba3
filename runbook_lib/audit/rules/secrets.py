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
from detect_secrets.plugins.keyword import DENYLIST, KeywordDetector
from detect_secrets.plugins.npm import NpmDetector
from detect_secrets.plugins.private_key import PrivateKeyDetector
from detect_secrets.plugins.slack import SlackDetector
from detect_secrets.plugins.stripe import StripeDetector
from pydantic import Field, field_validator

from runbook_lib.audit.rules.base import AuditRule, Context, Violation
from runbook_lib.audit.rules.patterns import check_pattern, search

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
_EXPOSED = "SELECT run, exposed_secrets FROM examined WHERE exposed_secrets <> '' ORDER BY started"
_LONGEST = 20_000  # characters of a line that are scanned
_WORD_END = 32  # characters of a long word that are scanned, at each end
_LONG_WORD = re.compile(rf"\w{{{2 * _WORD_END + 1},}}")
# `KeywordDetector` finds no value that begins with a dollar: only one that is not the name of a variable is a value.
_LITERAL_DOLLAR = re.compile(r"(?<![\w$])\$(?=[A-Za-z])(?!(?:[A-Z_][A-Z0-9_]*|[a-z_]+)(?:[^\w.]|$))")
_KEYWORD = re.compile("|".join(DENYLIST), re.IGNORECASE)


class S3KeyDetector(RegexBasedDetector):
    """A literal access or secret key of S3 storage, in the form of a registry's settings (book S1)."""

    secret_type = "S3 storage key"  # noqa: S105 - the name of a kind
    denylist = (
        re.compile(
            r"(?i)\b(?:s3|aws|registry)?[_.-]?(?:storage[_.-])?(?:s3[_.-])?(?:access|secret)[_-]?(?:access[_-]?)?key"
            r"(?:[_-]?id)?[\"']?(?:\s*[:=]\s*|\s+)[\"']?([A-Za-z0-9/+]{16,64}={0,2})(?![A-Za-z0-9/+])"
        ),
    )


def _shorten(word: re.Match[str]) -> str:
    text = word[0]
    keyword = _KEYWORD.search(text)
    inner = f"_{keyword[0]}_" if keyword else ""
    return f"{text[:_WORD_END]}{inner}{text[-_WORD_END:]}"


def _analyze(detector: RegexBasedDetector | KeywordDetector, line: str) -> list[str]:
    """Return the values in a line that a detector takes for secrets and that are not plainly something else.

    The expressions of `KeywordDetector` begin with any characters of a word, at each of its characters: their time
    grows with the square of the word's length. It is given only the ends of a long word, and the keyword in it.
    """
    if detector is _KEYWORDS:
        line = _LITERAL_DOLLAR.sub("", _LONG_WORD.sub(_shorten, line))
    return [value for value in detector.analyze_string(line) if not _harmless(value)]


_KEYWORDS = KeywordDetector()
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
    _KEYWORDS,
)


def find_secrets(text: str) -> list[tuple[int, str, str]]:
    """Return line, kind and value of what looks like a secret; of each line only the first.

    Values that are plainly references, such as `env:NAME` or `${NAME}`, do not count.
    """
    found = []
    for number, line in enumerate(text.splitlines(), start=1):
        for detector in _DETECTORS:
            values = _analyze(detector, line[:_LONGEST])
            if values:
                found.append((number, detector.secret_type, values[0]))
                break
    return found


class SecretInOutput(AuditRule):
    """Text that looks like a secret, in a command, its standard input or its output; and secrets that a run exposed."""

    ignore: list[str] = Field(default=[], description="Regular expressions of lines that are not secrets.")

    @field_validator("ignore")
    @classmethod
    def _check(cls, patterns: list[str]) -> list[str]:
        return [check_pattern(pattern) for pattern in patterns]

    def find(self, context: Context) -> Iterator[Violation]:
        """Yield line and kind of each, never the text itself."""
        for row in context.rows(_EXPOSED):
            yield Violation(row["run"], row["exposed_secrets"], detail="exposed")
        matches = " OR ".join(f"regexp_matches(coalesce(c.{name}, ''), '{_HINT}')" for name in _TEXTS)
        sql = (
            f"SELECT c.run, c.step, c.host, c.number, c.position, {', '.join(f'c.{name}' for name in _TEXTS)} "  # noqa: S608 - our own
            f"FROM commands c JOIN examined r ON r.run = c.run WHERE {matches} "
            "ORDER BY c.run, c.number, c.position"
        )
        for row in context.rows(sql):
            for name in _TEXTS:
                yield from _violations(row, name, self.ignore)


def _violations(row: dict[str, Any], name: str, ignored: list[str]) -> Iterator[Violation]:
    text = row[name] or ""
    lines = text.splitlines()
    for number, kind, _ in find_secrets(text):
        if any(search(pattern, [lines[number - 1]]) == [True] for pattern in ignored):
            continue
        detail = f"{kind} in line {number} of {_PLACES[name]}"
        if not row["number"]:
            detail = f"planned command {row['position']}: {detail}"
        what = f"command {row['number']}" if row["number"] else "a planned command"
        message = f"{what} shows what looks like a secret ({kind}) in line {number} of {_PLACES[name]}"
        yield Violation(row["run"], message, row["step"], row["host"], row["number"], detail=detail)


def _harmless(value: str) -> bool:
    return bool(
        re.match(
            r"(env:|file:|keyring:|\$\{[A-Za-z_][^}]*\}$|(?-i:\$(?:[A-Z_][A-Z0-9_]*|[a-z_]+)$)|<[^>]*>$|\*+$|x+$|\[.*\]$|none$|null$)",
            value,
            re.IGNORECASE,
        )
    )
