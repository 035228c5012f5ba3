"""Every verb over runs takes the archive in one form: as its last argument and as --archive; old spellings work."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from runbook_lib.cli.main import cli
from runbook_lib.errors import RunbookError

TOP = Path(__file__).parents[2]
EVIDENCE = TOP / "tests" / "evidence" / "old_archive"

# The words of a verb before its archive.
VERBS = {
    "list": ["list", "--format", "json"],
    "show": ["show", "last"],
    "query": ["query", "SELECT count(*) FROM files"],
    "diff": ["diff", "last", "last"],
    "scan": ["scan", "--policy", "params/audit/policy.yml", "--format", "json"],
    "html": ["html", "SITE", "--no-verify"],
    "verify": ["verify", "--without-source"],
    "seal": ["seal", "last"],
    "countersign": ["countersign", "last", "--key", "KEY"],
}
OWN_FILES = {"keygen"}  # makes keys, reads no run


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a directory with `runs`, the default, and `other`, an archive with the same run in it."""
    run = next(path.parent for path in sorted(EVIDENCE.rglob("journal.jsonl")))
    for name in ("runs", "other"):
        shutil.copytree(run, tmp_path / name / run.name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path


def outcome(*words: str) -> tuple[object, str]:
    """Return the exit code or error, and what was printed, with no archive's name in it."""
    ended = CliRunner().invoke(cli, ["audit", *words], standalone_mode=False)
    shown = f"{ended.output}{ended.exception or ''}".replace("other", "runs").replace(f"{Path.cwd()}/", "")
    lines = [line for line in shown.splitlines() if "seconds" not in line]
    code = ended.exception.exit_code if isinstance(ended.exception, RunbookError) else ended.return_value
    return code, "\n".join(lines)


@pytest.mark.parametrize("verb", VERBS)
def test_the_archive_is_an_argument_or_an_option(verb: str, here: Path) -> None:
    words = [word.replace("SITE", str(here / "site")) for word in VERBS[verb]]
    default = outcome(*words)
    site = here / "site"
    shutil.rmtree(site, ignore_errors=True)
    argument = outcome(*words, "other")
    shutil.rmtree(site, ignore_errors=True)
    option = outcome(*words, "--archive", "other")
    assert argument == option
    assert argument == default


@pytest.mark.parametrize("verb", ["verify", "seal", "countersign"])
@pytest.mark.usefixtures("here")
def test_the_old_spelling_works(verb: str) -> None:
    words = [*VERBS[verb], *(["last"] if verb == "verify" else [])]
    assert outcome(*words, "--runs", "other") == outcome(*words, "--archive", "other")


@pytest.mark.parametrize("verb", ["list", "show", "seal"])
@pytest.mark.usefixtures("here")
def test_two_different_archives_are_bad_input(verb: str) -> None:
    ended = CliRunner().invoke(cli, ["audit", *VERBS[verb], "runs", "--archive", "other"])
    assert ended.exit_code == 2
    assert "two archives are given: runs and --archive other" in ended.output


def test_every_verb_has_a_case() -> None:
    from runbook_lib.cli.audit import _SUMMARIES  # noqa: PLC0415 - the list of verbs

    assert set(VERBS) | OWN_FILES == set(_SUMMARIES)
