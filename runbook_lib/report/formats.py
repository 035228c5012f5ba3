"""The formats of `runbook report`, by name.

Other packages add formats through the entry-point group `runbook_lib.report_formats`: the name is what `--format`
takes, the object a class derived from `ReportFormat` or `FileFormat` that is made without arguments. The built-in
formats are declared and loaded in the same way.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

from runbook_lib.errors import InputError
from runbook_lib.evidence.layout import DERIVED, REPORTS
from runbook_lib.known_names import did_you_mean
from runbook_lib.plugins import find_plugins, load_class
from runbook_lib.report.report_file import make_directory, write_file

if TYPE_CHECKING:
    from pathlib import Path

    from runbook_lib.model.records import RunRecord

__all__ = [
    "BUILT_IN",
    "GROUP",
    "FileFormat",
    "ReportFormat",
    "default_target",
    "format_names",
    "load_format",
]

GROUP = "runbook_lib.report_formats"
BUILT_IN = {
    "html": "runbook_lib.report.html:HtmlFormat",
    "junit": "runbook_lib.report.junit:JUnitFormat",
    "markdown": "runbook_lib.report.markdown:MarkdownFormat",
    "csv": "runbook_lib.report.table_files:CsvFormat",
    "parquet": "runbook_lib.report.table_files:ParquetFormat",
}
"""The formats that this package provides, as `pyproject.toml` declares them."""


class ReportFormat(ABC):
    """A report format that writes one or more files; derive from `FileFormat` if it is always one.

    Attributes:
        default_name: Name of the file or directory to write where the user names none.
    """

    default_name: ClassVar[str]

    @abstractmethod
    def write(self, records: list[RunRecord], title: str, target: Path) -> list[Path]:
        """Write the report; return the files written.

        Args:
            records: The runs, in the order in which they are to be listed.
            title: The report's heading.
            target: The file or directory to write. The directory that it is in exists.

        Raises:
            EvidenceError: The files cannot be written.
        """


class FileFormat(ReportFormat):
    """A format whose report is one file, which can also go to standard output."""

    @abstractmethod
    def render(self, records: list[RunRecord], title: str) -> bytes:
        """Return the report.

        Args:
            records: The runs, in the order in which they are to be listed.
            title: The report's heading.
        """

    def write(self, records: list[RunRecord], title: str, target: Path) -> list[Path]:
        """Write the report; see `ReportFormat.write`."""
        write_file(target, self.render(records, title))
        return [target]


def format_names() -> list[str]:
    """Return the names of all formats, without importing any of them."""
    return list(find_plugins(GROUP, BUILT_IN))


def load_format(name: str) -> ReportFormat:
    """Return a format.

    Args:
        name: As `--format` takes it, such as `html`.

    Raises:
        InputError: No installed package provides the format, or its class cannot be loaded.
    """
    known = find_plugins(GROUP, BUILT_IN)
    if name not in known:
        raise InputError(
            f"unknown report format {name!r}",
            where="--format",
            hint=f"{did_you_mean(name, known)}formats are: {', '.join(known)}; a package adds one with an entry point "
            f"in {GROUP}",
        )
    loaded = load_class(known[name], ReportFormat)  # type: ignore[type-abstract] # its subclasses are not
    missing = ", ".join(sorted(loaded.__abstractmethods__))
    if missing:
        raise InputError(
            f"{known[name].value} does not define {missing}", where=f"entry point {name!r} of {GROUP}"
        )
    return loaded()


def default_target(report_format: ReportFormat, directory: Path) -> Path:
    """Return the file or directory that a run's report is written to by default.

    Verification knows the names of the built-in formats; those of other packages write to `reports/`, which it
    knows too.

    Args:
        report_format: The format.
        directory: The run's directory.

    Raises:
        EvidenceError: `reports/` cannot be created.
    """
    if report_format.default_name in DERIVED:
        return directory / report_format.default_name
    make_directory(directory / REPORTS)
    return directory / REPORTS / report_format.default_name
