"""A short report in Markdown, for a ticket, a pull request or a CI summary."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pandas as pd

from runbook_lib.connections.shown_command import shown_command
from runbook_lib.evidence.layout import MARKDOWN_REPORT
from runbook_lib.model.status import SYMBOLS
from runbook_lib.printing.utf8 import utf8_bytes
from runbook_lib.printing.visible_text import visible
from runbook_lib.report import summary
from runbook_lib.report.formats import FileFormat
from runbook_lib.report.safe_text import exit_summary
from runbook_lib.report.topology import topology_of
from runbook_lib.report.topology_text import describe, describe_path

if TYPE_CHECKING:
    from runbook_lib.model.records import HostRecord, RunRecord, StepRecord
    from runbook_lib.model.status import Status

__all__ = ["MarkdownFormat", "markdown"]

_MARKUP = re.compile(r"([\\`*_{}\[\]<>()#+!|~&$])")


class MarkdownFormat(FileFormat):
    """`--format markdown`."""

    default_name = MARKDOWN_REPORT

    def render(self, records: list[RunRecord], title: str) -> bytes:
        """Return the report; see `markdown`."""
        return utf8_bytes(markdown(records, title))


def markdown(records: list[RunRecord], title: str) -> str:
    """Return the report: the outcome, what went wrong, the runs, and each run's steps by host.

    Args:
        records: The runs, in the order in which they are to be listed.
        title: The heading.
    """
    outcome = summary.outcome_of_runs(records)
    parts = [
        f"# {plain(title)}",
        f"**{outcome.sign} {outcome.headline}.** {plain(outcome.sentence)}",
        plain(outcome.circumstances),
        *_problems(records),
        *_exposed_secrets(records),
    ]
    if len(records) > 1:
        parts += ["## Runs", _runs(records)]
    for run in records:
        parts += _run(run)
    topology = topology_of(records)
    if topology:
        lines = [f"{'  ' * depth}- {plain(line)}" for depth, line in describe(topology)]
        parts += ["## How the hosts are connected", "\n".join(lines), plain(describe_path(topology))]
    return "\n\n".join(part for part in parts if part) + "\n"


def plain(text: str) -> str:
    """Return foreign text escaped, so that Markdown shows it as it is, on one line."""
    return _MARKUP.sub(r"\\\1", " ".join(visible(text).split()))


def _problems(records: list[RunRecord]) -> list[str]:
    lines = [_problem(run, *place) for run in records for place in summary.problems(run)]
    lines += [
        f"- **{plain(run.runbook)}** {_badge(run.status)}: {plain(reason)}"
        for run in records
        for reason in (summary.own_reason(run), run.incomplete)
        if reason
    ]
    return ["## What went wrong", "\n".join(lines)] if lines else []


def _exposed_secrets(records: list[RunRecord]) -> list[str]:
    lines = [
        f"- **{plain(run.runbook)}**: {plain(run.exposed_secrets)}" for run in records if run.exposed_secrets
    ]
    return ["## Secrets in plain text", "\n".join(lines)] if lines else []


def _problem(run: RunRecord, step: StepRecord, host: HostRecord) -> str:
    where = f"{plain(run.runbook)}, step {step.number} “{plain(step.title)}” on {plain(host.host)}"
    lines = [f"- **{where}** {_badge(host.status)}: {plain(host.message)}"]
    lines += [
        f"    - check {plain(check.name)}: expected {plain(check.expected)}, observed {plain(check.observed)}"
        for check in host.checks
        if not check.holds
    ]
    lines += [
        f"    - {_code(str(shown_command(command.text)))}: {plain(exit_summary(command))}"
        for command in host.commands
        if command.number and not command.accepted
    ]
    return "\n".join(lines)


def _runs(records: list[RunRecord]) -> str:
    return _table(
        ["runbook", "outcome", "mode", "steps", "duration", "started"],
        [
            [
                plain(run.runbook),
                _badge(run.status),
                run.mode.value,
                str(len(run.steps)),
                summary.seconds((run.ended - run.started).total_seconds() if run.ended else None),
                summary.moment(run.started),
            ]
            for run in records
        ],
    )


def _run(run: RunRecord) -> list[str]:
    outcome = summary.outcome_of_run(run)
    hosts = list(dict.fromkeys([*run.hosts, *(host.host for step in run.steps for host in step.hosts)]))
    header = ["step", *(plain(name) for name in hosts)]
    rows = [
        [f"{step.number}. {plain(step.title)}", *(_cell(step, name) for name in hosts)] for step in run.steps
    ]
    return [
        f"## {plain(run.runbook)} {_badge(run.status)}",
        f"{plain(outcome.headline)}. {plain(outcome.sentence)}",
        plain(outcome.circumstances),
        f"Run {_code(run.run)}",
        _table(header, rows) if rows else "No step was started.",
    ]


def _cell(step: StepRecord, name: str) -> str:
    return next((_badge(host.status) for host in step.hosts if host.host == name), "")


def _badge(status: Status) -> str:
    return f"{SYMBOLS[status]} {status}"


def _table(header: list[str], rows: list[list[str]]) -> str:
    """Return a table by position: names of hosts may be equal to each other, as shown, or to another column's."""
    return str(pd.DataFrame(rows).to_markdown(headers=header, index=False, disable_numparse=True))


def _code(text: str) -> str:
    """Return an inline code span that no backtick in `text` can end, on one line."""
    shown = " ".join(visible(text).split())
    fence = "`" * (max((len(run) for run in re.findall(r"`+", shown)), default=0) + 1)
    return f"{fence} {shown} {fence}"
