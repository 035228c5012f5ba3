"""An archive of runs as pandas tables."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runbook_lib.audit.archive.cache import Store
from runbook_lib.audit.archive.ingest import ingest
from runbook_lib.audit.archive.location import LocalPlace, place_of
from runbook_lib.audit.archive.sql import Database
from runbook_lib.errors import InputError
from runbook_lib.model.records import SCHEMA_VERSION
from runbook_lib.report.columns import TABLES
from runbook_lib.report.tables import Tables

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor

    import pandas as pd
    import pyarrow as pa

    from runbook_lib.audit.archive.ingest import Ingestion, Processes

__all__ = ["Archive"]


class Archive:
    """Run directories and executed notebooks below a directory, or at any address that fsspec knows.

    What is new there is read when this is made; the tables are then as they were at that moment.

    Args:
        address: As `runs`, or `s3://bucket/runs`.
        cache: Directory for the Parquet files; by default in the user's cache directory.
        executor: Where to read: any `concurrent.futures.Executor`, Dask's `Client.get_executor()` too; or
            `processes`, of our own, which are started where there is much to read. By default: here.
        refresh: Read what is new; otherwise answer from what was read before.
        tell: Called with bytes read and bytes to read.

    Raises:
        InputError: There is no such archive.
        EvidenceError: The cache cannot be written.
    """

    def __init__(
        self,
        address: str | Path,
        *,
        cache: str | Path | None = None,
        executor: Executor | Processes | None = None,
        refresh: bool = True,
        tell: Callable[[int, int], None] | None = None,
    ) -> None:
        self.place = place_of(address)
        self.store = Store(self.place, Path(cache) if cache else None)
        self.ingestion: Ingestion | None = ingest(self.place, self.store, executor, tell) if refresh else None

    @functools.cached_property
    def database(self) -> Database:
        """What SQL is asked of; opened when it is first needed."""
        return Database(self.store)

    @property
    def runs(self) -> pd.DataFrame:
        """One row a run, a foreign notebook or a damaged file."""
        return self._frame("runs")

    @property
    def steps(self) -> pd.DataFrame:
        """One row a run, step and host."""
        return self._frame("steps")

    @property
    def commands(self) -> pd.DataFrame:
        """One row a command, planned ones included."""
        return self._frame("commands")

    @property
    def checks(self) -> pd.DataFrame:
        """One row a check."""
        return self._frame("checks")

    @property
    def files(self) -> pd.DataFrame:
        """One row a file found: what it is, which run it tells of, what is wrong with it."""
        frame: pd.DataFrame = self.query("SELECT * FROM files ORDER BY path").to_pandas()
        return frame

    def query(self, sql: str, parameters: list[Any] | None = None) -> pa.Table:
        """Return what one SELECT gives, as an Arrow table; `to_pandas()` makes a DataFrame of it.

        Args:
            sql: Over the tables `runs`, `steps`, `commands`, `checks`, `files`, in DuckDB's SQL.
            parameters: For its question marks.

        Raises:
            InputError: It is no SELECT, or wrong.
        """
        return self.database.query(sql, parameters)

    def tables(self) -> Tables:
        """Return the four tables as `report.tables` makes them for a few runs."""
        return Tables(self.runs, self.steps, self.commands, self.checks)

    def locate(self, run: str) -> Path:
        """Return where a run lies on this machine: its directory, or its notebook.

        Raises:
            InputError: There is no such run, or the archive is on another machine.
        """
        found = self.query("SELECT path FROM files WHERE run = ? AND kind <> 'copy'", [run]).to_pylist()
        if not found:
            raise InputError("there is no such run in the archive", where=run)
        if not isinstance(self.place, LocalPlace):
            raise InputError("its files are not on this machine", where=self.place.name)
        return self.place.top / str(found[0]["path"])

    def find(self, name: str) -> str:
        """Return the id of the run that a user means.

        Args:
            name: An id, its unique beginning, a path in the archive, or `last`.

        Raises:
            InputError: It is none, or more than one.
        """
        if name == "last":
            found = self.query("SELECT run FROM runs WHERE started IS NOT NULL ORDER BY started DESC LIMIT 1")
        else:
            exact = "SELECT run FROM files WHERE run = ? OR path = ? LIMIT 1"
            found = self.query(exact, [name, name.rstrip("/")])
            if not found.num_rows:
                found = self.query(
                    "SELECT run FROM runs WHERE starts_with(run, ?) ORDER BY run LIMIT 6", [name]
                )
        ids = found.column("run").to_pylist()
        if len(ids) == 1:
            return str(ids[0])
        if ids:
            raise InputError(f"is the beginning of several runs: {', '.join(ids)}", where=name)
        last = self.query("SELECT run FROM runs ORDER BY started DESC NULLS LAST LIMIT 3").column("run")
        raise InputError(
            "is no run of the archive",
            where=name,
            hint=f"there are, for example: {', '.join(map(str, last.to_pylist())) or 'no runs'}",
        )

    def _frame(self, name: str) -> pd.DataFrame:
        types: dict[str, Any] = {column.name: column.dtype for column in TABLES[name]}
        frame: pd.DataFrame = self.database.table(name).to_pandas().astype(types)
        frame.attrs["schema_version"] = SCHEMA_VERSION
        return frame
