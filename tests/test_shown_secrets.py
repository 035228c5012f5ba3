"""A secret that a host shows during a run: masked before it is recorded, and usable by its reference."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from runbook_lib import Runbook
from runbook_lib.errors import SecretError, StepFailed
from runbook_lib.secrets import Secrets
from tests.runbook.practice import Does, Token, parameters

if TYPE_CHECKING:
    from pathlib import Path

TOKEN = "SWMTKN-1-5f2e9c/1a7'q"  # noqa: S105 - a made-up one


def test_a_token_is_nowhere_in_the_evidence_and_the_next_step_gets_it_by_its_reference(
    tmp_path: Path,
) -> None:
    shown, got = tmp_path / "token", tmp_path / "got"
    shown.write_text(f"{TOKEN}\n", encoding="utf-8")
    book = Runbook.open(parameters(tmp_path))
    step = book.facts("Read it", Token(str(shown)), hosts="host-a")
    reference = step.hosts[0].facts[Token(str(shown)).label]
    assert reference == "${shown:token}"
    assert book.secret(reference) == TOKEN
    book.step("Use it", Does(("sh", "-c", 'cat > "$1"', "sh", str(got)), stdin=book.secret(reference)))
    assert got.read_text(encoding="utf-8") == TOKEN
    with pytest.raises(StepFailed):  # as with every other secret
        book.step("Show it", Does(("echo", TOKEN)))
    everything = b"".join(path.read_bytes() for path in book.directory.rglob("*") if path.is_file())
    assert TOKEN.encode() not in everything
    assert b"5f2e9c" not in everything
    assert everything.count(b"${shown:token}") >= 3


def test_the_reference_means_nothing_in_another_run(tmp_path: Path) -> None:
    book = Runbook.open(parameters(tmp_path))
    with pytest.raises(SecretError, match="no host has shown this secret in this run"):
        book.secret("${shown:token}")
    book.facts("Something", Token("/dev/null"), hosts="host-a")  # nothing was shown, so nothing is masked
    with pytest.raises(SecretError, match="no host has shown"):
        book.secret("${shown:token}")


def test_each_value_has_a_reference_of_its_own_and_the_same_value_keeps_it() -> None:
    secrets = Secrets()
    assert secrets.protect("first-value", "token") == "${shown:token}"
    assert secrets.protect("second-value", "token") == "${shown:token 2}"
    assert secrets.protect("first-value", "token") == "${shown:token}"
    assert secrets.resolve("${shown:token 2}") == "second-value"
    assert secrets.mask("first-value second-value") == "${shown:token} ${shown:token 2}"
    assert secrets.protect("abc", "token") == ""  # too short to be masked
