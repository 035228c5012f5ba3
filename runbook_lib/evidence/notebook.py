"""A notebook as the JSON that it is: its cells, and what its outputs hold."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from runbook_lib.errors import EvidenceError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["INJECTED", "Cell", "Notebook"]

INJECTED = "injected-parameters"
"""Tag of the cell in which papermill puts the parameters that it was given."""
_ERROR = "papermill-error-cell-tag"
Data = dict[str, Any]


@dataclass(frozen=True)
class Cell:
    """One cell.

    Args:
        position: From 1, as a reader counts.
        kind: `code`, `markdown` or `raw`.
        marks: Its metadata that is ours, as JSON; empty if there is none.
    """

    position: int
    kind: str
    source: str
    tags: tuple[str, ...] = ()
    executed: bool = False
    marks: str = ""

    @property
    def is_injected(self) -> bool:
        """Whether its tag says that it holds the parameters that papermill was given."""
        return self.kind == "code" and INJECTED in self.tags

    @property
    def is_added(self) -> bool:
        """Whether the author did not write it: papermill's parameters or note of an error, or an empty cell.

        Jupyter adds an empty cell after the last one when that is run.
        """
        if self.is_injected:
            return True
        if self.kind == "markdown" and _ERROR in self.tags:
            return True
        return not (self.source.strip() or self.tags or self.marks or self.executed)

    @property
    def key(self) -> tuple[str, str, tuple[str, ...], str]:
        """What of a cell is approved: all but its outputs, its id, and how an editor shows it."""
        return (self.kind, self.source, self.tags, self.marks)


@dataclass(frozen=True)
class Notebook:
    """A notebook of format 4.

    Args:
        name: What to call it in findings.
        sha256: Of the file; empty if it is not known.
    """

    name: str
    cells: list[Data]
    metadata: Data
    sha256: str = ""

    @classmethod
    def parse(cls, data: bytes, name: str) -> Notebook:
        """Read a notebook.

        The file is read as the JSON that it is: nbformat would convert it, and takes a second to import.

        Raises:
            EvidenceError: It is not a notebook of format 4, or is nested too deeply to be one.
        """
        try:
            content = orjson.loads(data)
        except orjson.JSONDecodeError:
            content = _parse_leniently(data, name)
        cells = content.get("cells") if isinstance(content, dict) else None
        if not isinstance(cells, list) or not all(isinstance(cell, dict) for cell in cells):
            raise EvidenceError("not a notebook of format 4", where=name)
        metadata = content.get("metadata")
        return cls(name, cells, metadata if isinstance(metadata, dict) else {})

    def bundles(self) -> Iterator[Data]:
        """Yield the MIME bundles of the outputs, in the order of the cells.

        Raises:
            EvidenceError: The outputs of a cell are not those of a notebook.
        """
        for cell in self.cells:
            outputs = cell.get("outputs") or ()
            try:
                bundles = [bundle for output in outputs if (bundle := output.get("data"))]
            except (TypeError, AttributeError) as problem:
                raise EvidenceError("has a cell with malformed outputs", where=self.name) from problem
            for bundle in bundles:
                if not isinstance(bundle, dict):
                    raise EvidenceError("has an output whose data is not a mapping", where=self.name)
                yield bundle

    def sources(self) -> list[Cell]:
        """Return the cells without what they show."""
        return [_cell(position, cell) for position, cell in enumerate(self.cells, start=1)]

    def authored(self) -> list[Cell]:
        """Return the cells that are the author's."""
        return [cell for cell in self.sources() if not cell.is_added]

    @property
    def kernel(self) -> object:
        """The kernel's name; how it is displayed, and its language, Jupyter writes again each time."""
        spec = self.metadata.get("kernelspec")
        return spec.get("name") if isinstance(spec, dict) else spec

    def source_sha256(self, *, with_injected: bool = True) -> str:
        """Return a SHA-256 of everything that is approved: the same for two files that differ in nothing else.

        Args:
            with_injected: Whether injected parameters count: a file that has them before it is executed differs.
        """
        cells = [
            cell.key for cell in self.sources() if not cell.is_added or (with_injected and cell.is_injected)
        ]
        source = [cells, self.kernel, self.metadata.get("runbook")]
        return hashlib.sha256(json.dumps(source, sort_keys=True).encode()).hexdigest()


def _cell(position: int, cell: Data) -> Cell:
    source = cell.get("source", "")
    metadata = cell.get("metadata") or {}
    own = metadata.get("runbook")
    return Cell(
        position,
        str(cell.get("cell_type")),
        source if isinstance(source, str) else "".join(source),
        tuple(map(str, metadata.get("tags") or [])),
        bool(cell.get("outputs") or cell.get("execution_count")),
        json.dumps(own, sort_keys=True) if own is not None else "",
    )


def _parse_leniently(data: bytes, name: str) -> Any:  # noqa: ANN401 - JSON
    """Read what Python writes and JSON does not define: NaN and its like."""
    try:
        return json.loads(data)
    except RecursionError as problem:
        raise EvidenceError("nested too deeply to be a notebook", where=name) from problem
    except ValueError as problem:
        raise EvidenceError("not a notebook: the JSON is cut off or malformed", where=name) from problem
