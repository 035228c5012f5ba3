"""No text that a host prints costs the auditor more time than its length explains."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from runbook_lib.audit.rules.patterns import check_pattern, search
from runbook_lib.audit.rules.secrets import find_secrets

if TYPE_CHECKING:
    from collections.abc import Callable

# What the detectors' expressions begin with, repeated: each repetition is a place to begin a search.
UNITS = (
    "pwd", "pwd_", "pwd=", 'password:"', "'pwd'", 'pwd("', "pwd[x]=", "secret_key ", "secret_key =", "key = ", "token_",
    "eyJ", "eyJa.", "https://", "://a:", "AKIA", "sk_live_", "xoxb-1-", "glpat-", "ghp_", "npm_", "AKC", "AccountKey=",
    "-----BEGIN ", "contrase\u00f1a", "PWD\u0130", "api_key", "x",
)  # fmt: skip


def cpu_seconds(call: Callable[[], object]) -> float:
    """Return the processor time of a call in this thread, which another process does not lengthen."""
    began = time.thread_time()
    call()
    return time.thread_time() - began


def grows_with_the_square(run: Callable[[int], object], size: int) -> bool:
    """Return whether 8 times the size takes far more than 8 times the time; a call that is quick anyway does not."""
    large = min(cpu_seconds(lambda: run(8 * size)) for _ in range(2))
    return large > 0.5 and large > 24 * cpu_seconds(lambda: run(size))


@pytest.mark.parametrize("unit", UNITS)
def test_a_line_that_repeats_what_a_secret_begins_with_is_scanned_in_linear_time(unit: str) -> None:
    assert not grows_with_the_square(lambda size: find_secrets((unit * size)[:size]), 2_500)


def test_blanks_after_a_key_are_scanned_in_linear_time() -> None:
    assert not grows_with_the_square(lambda size: find_secrets("s3_secret_key" + " " * size), 2_500)


def test_a_secret_in_a_long_word_is_still_found() -> None:
    word = "x" * 500 + "password" + "y" * 500
    assert [kind for _, kind, _ in find_secrets(f'{word} = "hunter2hunter2"')] == ["Secret Keyword"]
    assert [kind for _, kind, _ in find_secrets(f'password = "{"5eCr3T" * 100}"')] == ["Secret Keyword"]


@pytest.mark.parametrize(
    "pattern", [r"curl .*\| *sh", r"(a+)+$", r"(a|a)*b", r"(\w+\s?)*!", r"^(([a-z])+.)+[A-Z]$"]
)
def test_a_pattern_of_the_policy_is_searched_for_in_linear_time(pattern: str) -> None:
    text = "curl " if "curl" in pattern else "a"
    assert check_pattern(pattern) == pattern
    assert not grows_with_the_square(lambda size: search(pattern, [(text * size)[:size]]), 100_000)


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        (r"rm -rf /$", "rm -rf /\n", True),
        (r"rm -rf /$", "rm -rf /\n\n", False),
        (r"^a{,2}$", "aa", True),
        (r"^a{,2}$", "aaa", False),
        (r"^a\{,2}$", "a{,2}", True),
        (r"(?i)CHMOD\s+777", "chmod\t777 x", True),
        (r"a.b", "a\nb", False),
        (r"(?P<word>x)", "", False),
        (r"\bmkfs\b", "é mkfs.ext4", True),
    ],
)
def test_a_pattern_means_what_it_means_to_python(pattern: str, text: str, *, found: bool) -> None:
    assert search(check_pattern(pattern), [text, None]) == [found, False]


@pytest.mark.parametrize("pattern", [r"(?=a)", r"(?<!a)b", r"(a)\1", r"a\Z"])
def test_a_pattern_without_bounded_time_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match="cannot be searched for in bounded time"):
        check_pattern(pattern)
