"""One self-contained page for any number of runs: it loads nothing, and foreign text stays text."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass
from functools import cached_property
from importlib import resources
from typing import TYPE_CHECKING

from markupsafe import Markup

from runbook_lib.evidence.layout import HTML_REPORT
from runbook_lib.model.status import BAD
from runbook_lib.printing.utf8 import utf8_bytes
from runbook_lib.report import summary
from runbook_lib.report.formats import FileFormat
from runbook_lib.report.jinja_environment import templates
from runbook_lib.report.report_file import write_file_by_pieces
from runbook_lib.report.topology import topology_of
from runbook_lib.report.topology_svg import draw
from runbook_lib.report.topology_text import describe, describe_path

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from runbook_lib.model.records import HostRecord, RunRecord, StepRecord

__all__ = ["HtmlFormat", "RunView", "page", "policy_hash", "read_asset", "write_html"]

_EXPRESSIONS = 500  # of a template that are put together to a piece: a few KiB


@dataclass(frozen=True)
class _Bar:
    """A step on a host in the timeline; start and length are in thousandths of the run."""

    step: StepRecord
    host: HostRecord
    start: float
    length: float


@dataclass(frozen=True)
class RunView:
    """A run as the templates need it.

    Args:
        anchor: Id of the element; links point to it.
        record: The run.
        outcome: The outcome in words.
    """

    anchor: str
    record: RunRecord
    outcome: summary.Outcome

    @cached_property  # the matrix asks at every row
    def hosts(self) -> list[str]:
        """The hosts that are columns: those the run was for, and those that have a record."""
        recorded = [host.host for step in self.record.steps for host in step.hosts]
        return list(dict.fromkeys([*self.record.hosts, *recorded]))

    @property
    def steps(self) -> list[StepRecord]:
        """The steps, those that need attention first."""
        return sorted(self.record.steps, key=lambda step: step.status not in BAD)

    @property
    def bars(self) -> list[_Bar]:
        """The bars of the timeline; a host whose times were not recorded has none."""
        timed = [
            (step, host, host.started, host.ended)
            for step in self.record.steps
            for host in step.hosts
            if host.started and host.ended
        ]
        total = max((ended - self.record.started).total_seconds() for *_, ended in timed) if timed else 0.0
        scale = 1000 / total if total > 0 else 0.0
        return [
            _Bar(
                step,
                host,
                (started - self.record.started).total_seconds() * scale,
                max((ended - started).total_seconds() * scale, 4.0),
            )
            for step, host, started, ended in timed
        ]

    def anchor_of(self, step: StepRecord, host: str | None = None) -> str:
        """Return the anchor of a step, or of a step on a host."""
        anchor = f"{self.anchor}-s{step.number}"
        return anchor if host is None else f"{anchor}-{re.sub(r'[^A-Za-z0-9._-]', '_', host)}"


class HtmlFormat(FileFormat):
    """`--format html`."""

    default_name = HTML_REPORT

    def render(self, records: list[RunRecord], title: str) -> bytes:
        """Return the page; see `page`."""
        return utf8_bytes(page(records, title))


def page(records: list[RunRecord], title: str) -> str:
    """Return the HTML of a page.

    Args:
        records: The runs, in the order in which they are to be listed.
        title: The page's heading.
    """
    return "".join(_pieces(records, title))


def _pieces(records: list[RunRecord], title: str) -> Iterator[str]:
    """Return the HTML of a page piece by piece: as a whole it may take more memory than the records."""
    runs = [
        RunView(f"r{number}", run, summary.outcome_of_run(run)) for number, run in enumerate(records, start=1)
    ]
    topology = topology_of(records)
    style, script = read_asset("style.css"), read_asset("script.js")
    stream = templates.get_template("page.html.j2").stream(
        title=title,
        runs=runs,
        # Runs that need attention come first; the table of runs keeps the order given.
        ordered=sorted(runs, key=lambda run: run.record.status not in BAD),
        outcome=summary.outcome_of_runs(records),
        labs=list(dict.fromkeys(f"{run.lab} on {run.machine}" for run in records if run.lab)),
        style=Markup(style),  # noqa: S704 - our own file
        script=Markup(script),  # noqa: S704 - our own file
        style_hash=policy_hash(style),
        script_hash=policy_hash(script),
        diagram=draw(topology) if topology else None,
        path=describe_path(topology) if topology else "",
        description=describe(topology) if topology else [],
    )
    stream.enable_buffering(_EXPRESSIONS)
    return stream


def write_html(records: list[RunRecord], path: Path, title: str) -> None:
    """Write the page.

    Raises:
        EvidenceError: The file cannot be written.
    """
    write_file_by_pieces(path, (utf8_bytes(piece) for piece in _pieces(records, title)))


def read_asset(name: str) -> str:
    """Return a file that is embedded in pages: the style sheet or the script."""
    return resources.files("runbook_lib.report").joinpath("templates", name).read_text(encoding="utf-8")


def policy_hash(source: str) -> str:
    """Return a source's hash for the page's content security policy: nothing else may run."""
    digest = hashlib.sha256(source.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"
