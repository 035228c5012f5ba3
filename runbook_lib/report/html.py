"""One self-contained page for any number of runs: it fetches nothing, and foreign text stays text."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING

from markupsafe import Markup

from runbook_lib.report import summary
from runbook_lib.report.formats import FileFormat
from runbook_lib.report.jinja_environment import templates
from runbook_lib.report.report_file import write_file
from runbook_lib.report.topology import picture
from runbook_lib.report.topology_svg import draw
from runbook_lib.report.topology_text import picture_in_words, way_in_words

if TYPE_CHECKING:
    from pathlib import Path

    from runbook_lib.model.records import HostRecord, RunRecord, StepRecord

__all__ = ["HtmlFormat", "Shown", "page", "part", "policy_hash", "write_html"]


@dataclass(frozen=True)
class _Bar:
    """A step on a host in the timeline: begin and length in thousandths of the run."""

    step: StepRecord
    host: HostRecord
    begin: float
    length: float


@dataclass(frozen=True)
class Shown:
    """A run with what its template needs.

    Args:
        anchor: By which links find it.
        record: The run.
        outcome: In words.
    """

    anchor: str
    record: RunRecord
    outcome: summary.Outcome

    @property
    def hosts(self) -> list[str]:
        """The hosts that are columns: those asked for and those that have a record."""
        recorded = [host.host for step in self.record.steps for host in step.hosts]
        return list(dict.fromkeys([*self.record.hosts, *recorded]))

    @property
    def steps(self) -> list[StepRecord]:
        """The steps, those that somebody has to look at first."""
        return sorted(self.record.steps, key=lambda step: step.status not in summary.BAD)

    @property
    def bars(self) -> list[_Bar]:
        """The timeline's bars; none for a host whose times were never told."""
        places = [
            (step, host, host.started, host.ended)
            for step in self.record.steps
            for host in step.hosts
            if host.started and host.ended
        ]
        whole = max((ended - self.record.started).total_seconds() for *_, ended in places) if places else 0.0
        scale = 1000 / whole if whole > 0 else 0.0
        return [
            _Bar(
                step,
                host,
                (started - self.record.started).total_seconds() * scale,
                max((ended - started).total_seconds() * scale, 4.0),
            )
            for step, host, started, ended in places
        ]

    def at(self, step: StepRecord, host: str | None = None) -> str:
        """Return the anchor of a step, or of a step on a host."""
        place = f"{self.anchor}-s{step.number}"
        return place if host is None else f"{place}-{re.sub(r'[^A-Za-z0-9._-]', '_', host)}"


class HtmlFormat(FileFormat):
    """`--format html`."""

    default_name = "report.html"

    def render(self, records: list[RunRecord], title: str) -> bytes:
        """Return the page; see `page`."""
        return page(records, title).encode()


def page(records: list[RunRecord], title: str) -> str:
    """Return the page's HTML.

    Args:
        records: The runs, in the order they shall be listed.
        title: The page's heading.
    """
    runs = [
        Shown(f"r{number}", run, summary.outcome_of_run(run)) for number, run in enumerate(records, start=1)
    ]
    drawn = picture(records)
    style, script = part("style.css"), part("script.js")
    return templates.get_template("page.html.j2").render(
        title=title,
        runs=runs,
        # Runs that somebody has to look at come first; the list above them keeps the order given.
        ordered=sorted(runs, key=lambda run: run.record.status not in summary.BAD),
        outcome=summary.outcome_of_runs(records),
        style=Markup(style),  # noqa: S704 - our own file
        script=Markup(script),  # noqa: S704 - our own file
        style_hash=policy_hash(style),
        script_hash=policy_hash(script),
        drawing=draw(drawn) if drawn else None,
        way=way_in_words(drawn) if drawn else "",
        in_words=picture_in_words(drawn) if drawn else [],
    )


def write_html(records: list[RunRecord], path: Path, title: str) -> None:
    """Write the page.

    Raises:
        EvidenceError: The file cannot be written.
    """
    write_file(path, page(records, title).encode())


def part(name: str) -> str:
    """Return a file that a page carries in itself, its style or its script."""
    return resources.files("runbook_lib.report").joinpath("templates", name).read_text(encoding="utf-8")


def policy_hash(source: str) -> str:
    """Return the source's hash for the page's content security policy: nothing else may run."""
    digest = hashlib.sha256(source.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"
