"""`runbook audit verify`: what the evidence of runs is worth."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from runbook_lib.attestation.trust import Trust
from runbook_lib.audit.verify.approved_source import Approval
from runbook_lib.audit.verify.findings import Kind
from runbook_lib.audit.verify.verdict import Word
from runbook_lib.audit.verify.verify import exit_code, verify_runs
from runbook_lib.cli.audit.archive_options import runs_directory, trust_option
from runbook_lib.cli.completed_names import complete_runs
from runbook_lib.evidence.lookup import find_run
from runbook_lib.printing.standard_streams import print_document
from runbook_lib.printing.visible_text import in_json
from runbook_lib.project import expanded
from runbook_lib.readable_time import local_time_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from runbook_lib.audit.verify.findings import Finding
    from runbook_lib.audit.verify.verdict import Verdict

__all__ = ["VerificationSettings", "print_verdict", "source_options", "verify_command"]

_SIGNS = {
    Word.VERIFIED: "✓",
    Word.UNSIGNED: "○",
    Word.ALTERED: "✗",
    Word.INCOMPLETE: "?",
    Word.FOREIGN: "~",
}
_ALLOWABLE = [word.value for word in Word if word not in {Word.VERIFIED, Word.ALTERED}]


def source_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options for trusted keys and approved sources."""
    for option in reversed(
        (
            trust_option,
            click.option(
                "--approved",
                metavar="DIR",
                help="Compare the code with the notebooks in this folder instead of git.",
            ),
            click.option(
                "--repository",
                metavar="DIR",
                help="A git clone of the project. Default: the current project.",
            ),
            click.option(
                "--ref", metavar="REF", help="Only commits that this branch or tag contains are approved."
            ),
            click.option(
                "--without-source", is_flag=True, help="Do not compare the code with an approved source."
            ),
        )
    ):
        command = option(command)
    return command


@dataclass(frozen=True)
class VerificationSettings:
    """The trusted keys and approved sources that the options of `source_options` name."""

    trust: Trust
    approval: Approval

    @classmethod
    def of(cls, options: dict[str, Any]) -> VerificationSettings:
        """Read and check what the options name.

        Raises:
            InputError: Something that they name does not exist or cannot be used.
        """
        given = [expanded(name) for name in options["trust"]]
        approval = Approval(
            directory=expanded(options["approved"]) if options["approved"] else None,
            repository=expanded(options["repository"]) if options["repository"] else None,
            ref=options["ref"] or "",
            wanted=not options["without_source"],
        )
        approval.check()
        return cls(Trust.load(*given) if given else Trust.of_project(), approval)


@click.command("verify")
@click.argument("paths", nargs=-1, metavar="[PATH]...", shell_complete=complete_runs)
@source_options
@click.option(
    "--signers",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="How many trusted signatures are required.",
)
@click.option(
    "--allow",
    multiple=True,
    type=click.Choice(_ALLOWABLE),
    help="A verdict that is not an error; can be repeated.",
)
@click.option(
    "--archive",
    "--runs",
    "archive",
    metavar="DIR",
    help="The directory to verify, or with PATH the one to look up run ids in. Default: runs.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the verdicts as JSON.")
def verify_command(
    paths: tuple[str, ...],
    signers: int,
    allow: tuple[str, ...],
    archive: str | None,
    as_json: bool,  # noqa: FBT001 - click
    **options: Any,  # noqa: ANN401 - click
) -> int:
    """Verify the evidence of runs: verified, unsigned, altered, incomplete or foreign.

    PATH is an archive (a directory tree of runs and notebooks), a run directory, an executed notebook, a run's id or id
    prefix, or `last`. The verdict is about the evidence, not about how the run ended: a failed run can be verified.

    Exit codes: 0 all verified (or allowed), 1 altered, unsigned or foreign, 2 bad input, 4 incomplete.
    """
    settings = VerificationSettings.of(options)
    runs = runs_directory(archive)
    verdicts: list[Verdict] = []
    for verdict in verify_runs(
        [find_run(path, runs) for path in paths or [str(runs)]],
        trust=settings.trust,
        approved=settings.approval,
        signers=signers,
    ):
        verdicts.append(verdict)
        if not as_json:
            print_verdict(verdict)
    if as_json:
        print_document(
            in_json(json.dumps([verdict.model_dump(mode="json") for verdict in verdicts], indent=1)) + "\n"
        )
    elif len(verdicts) > 1:
        counts = Counter(verdict.verdict for verdict in verdicts)
        click.echo(", ".join(f"{counts[word]} {word}" for word in Word if counts[word]))
    if not as_json:
        _print_basis(verdicts)
    return exit_code(verdicts, allow)


def print_verdict(verdict: Verdict) -> None:
    """Print a verdict and its findings."""
    word = verdict.verdict.value
    if verdict.verdict is Word.UNSIGNED and verdict.signers:
        word += " by enough trusted keys"  # it has signatures, and they are listed below
    _line(f"{_SIGNS[verdict.verdict]} {word}: {verdict.run or verdict.path}")
    if verdict.run:
        _line(
            f"    {verdict.runbook} {verdict.mode} on {', '.join(verdict.hosts)}: {verdict.status}; "
            f"by {verdict.operator} on {verdict.machine}, {local_time_of(verdict.started, seconds=True)} to "
            f"{local_time_of(verdict.ended, seconds=True) or '?'}"
        )
    for signer in verdict.signers:
        if signer.trusted:
            _line(f"    signed by {signer.name} (key {signer.key_id[:12]}…)")
    if verdict.not_covered:
        _line(f"    not covered by the seal: {', '.join(verdict.not_covered)}")
    for finding in verdict.findings:
        _finding(finding)


def _print_basis(verdicts: list[Verdict]) -> None:
    """Print which keys and which source the verdicts rest on: both may depend on the current directory."""
    for name, values in (
        ("trusted keys", {verdict.keys_from for verdict in verdicts}),
        ("approved source", {verdict.source_from for verdict in verdicts}),
    ):
        for value in sorted(filter(None, values)):
            _line(f"{name}: {value}")


def _finding(finding: Finding) -> None:
    sign = {Kind.WARNING: "!", Kind.NOTE: "·"}.get(finding.kind, "✗")
    _line(f"    {sign} {finding.where or finding.part}: {finding.message}")
    for line in finding.diff.splitlines():
        _line(f"        {line}")


def _line(text: str) -> None:
    """Print one line, whatever the text: evidence may contain anything."""
    click.echo("".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in text))
