"""Write the site: an overview, one page per run and per host, and a comparison of each run with the one before."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import orjson
from markupsafe import Markup

from runbook_lib import __version__
from runbook_lib.audit.archive.location import LocalLocation
from runbook_lib.audit.archive.records import records
from runbook_lib.audit.archive.run_verdict import NOT_VERIFIED, RunVerdict, verdict_of_run
from runbook_lib.audit.run_diff import compare, source_cells
from runbook_lib.audit.site import history
from runbook_lib.audit.site.diff_page import diff_page
from runbook_lib.audit.site.site_index import read_index, remove_pages, write_index
from runbook_lib.audit.site.templating import file_name, render
from runbook_lib.errors import InputError
from runbook_lib.evidence.layout import NOTEBOOK
from runbook_lib.evidence.path_text import path_from_text
from runbook_lib.masking import excerpt
from runbook_lib.printing.utf8 import utf8_bytes
from runbook_lib.printing.visible_text import visible
from runbook_lib.project import expanded
from runbook_lib.report import summary
from runbook_lib.report.html import RunView
from runbook_lib.report.report_file import as_evidence_error, write_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from runbook_lib.audit.archive.archive import Archive
    from runbook_lib.model.records import RunRecord

__all__ = ["WrittenSite", "write_site"]

Row = dict[str, Any]
_SHOWN = ("run", "kind", "path", "sha256", "problem", "status", "duration", "previous")
_BATCH = 200  # runs whose records are in memory at the same time
_FIRST = 50  # rows of the overview that are shown without its script


@dataclass(frozen=True)
class WrittenSite:
    """A site that was written.

    Args:
        index: The page to open.
        pages: How many pages were written now.
        kept: How many were up to date.
    """

    index: Path
    pages: int
    kept: int


def write_site(  # noqa: PLR0913 - a site has that many options
    archive: Archive,
    out: Path,
    *,
    title: str = "Runs",
    verify: bool = True,
    trust: Sequence[Path] = (),
    report: Callable[[int, int], None] | None = None,
) -> WrittenSite:
    """Write or bring up to date the site of an archive.

    Args:
        archive: The runs.
        out: The site's directory: new, empty, or an earlier site.
        title: The overview's heading.
        verify: Verify each run's evidence: some hundredths of a second per run, each time.
        trust: Trusted public keys, or folders of them; none: the project's `trusted_keys`.
        report: Called with runs done and runs in total.

    Raises:
        InputError: `out` is inside the archive, or contains something else.
        EvidenceError: A page cannot be written.
    """
    before = _prepared(archive, out)
    return _Site(archive, out, before, report, verify=verify, trust=trust).write(title)


def _prepared(archive: Archive, out: Path) -> dict[str, str]:
    where = expanded(out).resolve()
    if isinstance(archive.location, LocalLocation) and where.is_relative_to(archive.location.top):
        raise InputError(
            "inside the archive: nothing is ever written next to evidence",
            where=str(out),
            hint="name another directory",
        )
    with as_evidence_error(where):
        where.mkdir(mode=0o700, parents=True, exist_ok=True)
        return read_index(where, str(out))


class _Site:
    def __init__(  # noqa: PLR0913 - as above
        self,
        archive: Archive,
        out: Path,
        before: Mapping[str, str],
        report: Callable[[int, int], None] | None,
        *,
        verify: bool,
        trust: Sequence[Path],
    ) -> None:
        self.verify = verify
        self.trust = trust
        self.archive = archive
        self.out = out
        self.before = before
        self.report = report
        self.keys: dict[str, str] = {}
        self.written = 0
        self.kept = 0
        self.marks: dict[str, str] = {}

    def write(self, title: str) -> WrittenSite:
        with as_evidence_error(self.out):
            for name in ("runs", "hosts"):
                (self.out / name).mkdir(mode=0o700, exist_ok=True)
        # A site whose writing was interrupted is still recognized as one.
        write_index(self.out, self.before)
        rows = history.runs(self.archive)
        self.marks = {row["run"]: self._mark(row) for row in rows}
        verdicts = {row["run"]: self._verdict(row) for row in rows}
        found = history.hosts(self.archive, rows)
        self._runs(rows, verdicts)
        for host in found:
            key = _key_of(host.runs)
            self._put(f"hosts/{file_name(host.name)}.html", key, lambda host=host: render("host", host=host))  # type: ignore[misc] # mypy and default arguments
        self._put("index.html", "", lambda: _overview(title, rows, found, verdicts))
        write_index(self.out, self.keys)
        remove_pages(self.out, set(self.before) - set(self.keys))
        return WrittenSite(self.out / "index.html", self.written, self.kept)

    def _verdict(self, row: Row) -> RunVerdict:
        if row["kind"] in {"foreign", "damaged"}:
            return RunVerdict(row["kind"], row["problem"])
        if not self.verify:
            return RunVerdict(NOT_VERIFIED, "its evidence was not verified for this page")
        return verdict_of_run(self.archive, row["run"], self.trust)

    def _runs(self, rows: list[Row], verdicts: Mapping[str, RunVerdict]) -> None:
        known_rows = {row["run"]: row for row in rows}
        done = 0
        for group in _batched(rows):
            stale = [row for row in group if not self._same(row, known_rows, verdicts)]
            wanted = {name for row in stale for name in (row["run"], row["previous"]) if name}
            known = records(self.archive.database, sorted(wanted)) if wanted else {}
            for row in group:
                self._run(row, known, known_rows, verdicts[row["run"]])
            done += len(group)
            if self.report:
                self.report(done, len(rows))

    def _mark(self, row: Row) -> str:
        """Return what changes with a run's notebook, which decides the run's status and is shown in comparisons."""
        if row["kind"] != "run" or not isinstance(self.archive.location, LocalLocation):
            return ""
        try:
            status = (self.archive.location.top / path_from_text(row["path"]) / NOTEBOOK).stat()
        except OSError as problem:
            return type(problem).__name__
        return f"{status.st_size}.{status.st_mtime_ns}.{status.st_ctime_ns}.{status.st_ino}"

    def _key(self, row: Row, rows: Mapping[str, Row], verdict: RunVerdict) -> str:
        shown = [row, rows[row["previous"]]] if row["previous"] else [row]
        marks = [self.marks[one["run"]] for one in shown]
        return "|".join([_key_of(shown), *marks, verdict.word, verdict.reason])

    def _same(self, row: Row, rows: Mapping[str, Row], verdicts: Mapping[str, RunVerdict]) -> bool:
        key = self._key(row, rows, verdicts[row["run"]])
        return self.before.get(f"runs/{file_name(row['run'])}.html") == key

    def _run(
        self, row: Row, known: Mapping[str, RunRecord], rows: Mapping[str, Row], verdict: RunVerdict
    ) -> None:
        name, key = file_name(row["run"]), self._key(row, rows, verdict)

        def page() -> str:
            record = known.get(row["run"])
            shown = RunView("run", record, summary.outcome_of_run(record)) if record else None
            return render("run", row=row, run=shown, verdict=verdict)

        self._put(f"runs/{name}.html", key, page)
        if row["previous"]:
            self._put(f"runs/{name}.diff.html", key, lambda: self._diff(row, known))

    def _diff(self, row: Row, known: Mapping[str, RunRecord]) -> str:
        before, after = known[row["previous"]], known[row["run"]]
        cells: tuple[dict[str, str] | None, dict[str, str] | None] = (None, None)
        if isinstance(self.archive.location, LocalLocation):
            cells = (
                source_cells(self.archive.locate(before.run)),
                source_cells(self.archive.locate(after.run)),
            )
        return diff_page(compare(before, after, cells), before, after, of_site=True)

    def _put(self, name: str, key: str, page: Callable[[], str]) -> None:
        self.keys[name] = key
        if key and self.before.get(name) == key and (self.out / name).exists():
            self.kept += 1
            return
        write_file(self.out / name, utf8_bytes(page()))
        self.written += 1


def _key_of(rows: Sequence[Row]) -> str:
    """Return a key that changes with anything that pages show of some runs.

    The hash of a journal is not enough: the notebook next to it decides a run's status, too.
    """
    content = [[str(row[name]) for name in _SHOWN] for row in rows]
    return f"{__version__}|{sha256(orjson.dumps(content)).hexdigest()}"


def _batched(rows: list[Row]) -> Iterator[list[Row]]:
    for start in range(0, len(rows), _BATCH):
        yield rows[start : start + _BATCH]


def _overview(
    title: str, rows: list[Row], found: list[history.HostHistory], verdicts: Mapping[str, RunVerdict]
) -> str:
    books: dict[str, list[Row]] = {}
    for row in rows:
        if row["mode"]:
            books.setdefault(row["runbook"], []).append(row)
    return render(
        "overview",
        title=title,
        rows=rows[:_FIRST],
        count=len(rows),
        verdicts=verdicts,
        runbooks=sorted(books.items()),
        hosts=found,
        bars=history.periods(rows),
        statuses=sorted({_outcome(row) for row in rows}),
        words=sorted({verdict.word for verdict in verdicts.values()}),
        data=_data(rows, verdicts),
    )


def _outcome(row: Row) -> str:
    return str(row["kind"] if row["kind"] in {"foreign", "damaged"} else row["status"])


def _data(rows: list[Row], verdicts: Mapping[str, RunVerdict]) -> Markup:
    """Return the runs for the page's script; repeated texts are numbers, and `<` cannot end the element."""
    tables: dict[str, dict[str, int]] = {
        name: {} for name in ("runbooks", "hosts", "outcomes", "modes", "words")
    }

    def number(table: str, value: str) -> int:
        return tables[table].setdefault(visible(value), len(tables[table]))

    entries = []
    for row in rows:
        file = file_name(row["run"])
        entries.append(
            [
                visible(row["run"]),
                0 if file == row["run"] else file,
                number("runbooks", row["runbook"]),
                [number("hosts", host) for host in row["hosts"].split(",") if host],
                number("outcomes", _outcome(row)),
                number("modes", row["mode"]),
                row["started"].strftime("%Y-%m-%d %H:%M:%S") if row["started"] else "",
                None if row["duration"] is None else round(row["duration"], 1),
                number("words", verdicts[row["run"]].word),
                visible(excerpt(row["problem"], 200)),
                1 if row["previous"] else 0,
            ]
        )
    data = orjson.dumps({**{name: list(table) for name, table in tables.items()}, "rows": entries}).decode()
    return Markup(data.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))  # noqa: S704 - escaped here
