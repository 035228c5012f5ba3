"""An archive of runs as pandas tables."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runbook_lib.audit.archive.cache import Cache
from runbook_lib.audit.archive.ingest import ingest
from runbook_lib.audit.archive.location import LocalLocation, location_of
from runbook_lib.audit.archive.sql import Database
from runbook_lib.errors import InputError
from runbook_lib.evidence.path_text import path_from_text
from runbook_lib.known_names import did_you_mean
from runbook_lib.report.data_frames import Tables, data_frame

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor

    import pandas as pd
    import pyarrow as pa

    from runbook_lib.audit.archive.ingest import Ingestion, Processes

__all__ = ["Archive"]


class Archive:
    """Run directories and executed notebooks below a directory, or at any address that fsspec knows.

    New files are read when the archive is opened; the tables then stay as they were at the first query. If another
    process reads the archive again often enough to replace its cache, queries fail and say so.

    Args:
        address: For example `runs`, or `s3://bucket/runs`.
        cache: Directory for the Parquet files; by default in the user's cache directory.
        executor: Where to read: any `concurrent.futures.Executor`, including Dask's `Client.get_executor()`; or
            `processes`: in worker processes, started if there is much to read. By default in this process.
        refresh: Read new files; otherwise answer from the cache alone.
        report: Called with bytes read and bytes to read.

    Raises:
        InputError: No such archive, or the cache directory cannot be used.
        EvidenceError: The cache cannot be written.
    """

    def __init__(
        self,
        address: str | Path,
        *,
        cache: str | Path | None = None,
        executor: Executor | Processes | None = None,
        refresh: bool = True,
        report: Callable[[int, int], None] | None = None,
    ) -> None:
        self.location = location_of(address)
        self.cache = Cache(self.location, Path(cache) if cache else None)
        self.ingestion: Ingestion | None = (
            ingest(self.location, self.cache, executor, report) if refresh else None
        )

    @functools.cached_property
    def database(self) -> Database:
        """The tables as an SQL database; opened on first use."""
        return Database(self.cache)

    @property
    def runs(self) -> pd.DataFrame:
        """One row per run, foreign notebook or damaged file."""
        return self._frame("runs")

    @property
    def steps(self) -> pd.DataFrame:
        """One row per run, step and host."""
        return self._frame("steps")

    @property
    def commands(self) -> pd.DataFrame:
        """One row per command, planned ones included."""
        return self._frame("commands")

    @property
    def checks(self) -> pd.DataFrame:
        """One row per check."""
        return self._frame("checks")

    @property
    def files(self) -> pd.DataFrame:
        """One row per file found: its kind, the run it belongs to, what is wrong with it."""
        frame: pd.DataFrame = self.query("SELECT * FROM files ORDER BY path").to_pandas()
        return frame

    def query(self, sql: str, parameters: list[Any] | None = None) -> pa.Table:
        """Return the result of one SELECT as an Arrow table; `to_pandas()` makes a DataFrame of it.

        Args:
            sql: Over the tables `runs`, `steps`, `commands`, `checks`, `files`, in DuckDB's SQL.
            parameters: Values for its question marks.

        Raises:
            InputError: The SQL is not one SELECT, or DuckDB refuses it.
        """
        return self.database.query(sql, parameters)

    def tables(self) -> Tables:
        """Return the four tables as `report.data_frames` makes them for a few runs."""
        return Tables(self.runs, self.steps, self.commands, self.checks)

    def locate(self, run: str) -> Path:
        """Return the path of a run on this machine: its directory, or its notebook.

        Raises:
            InputError: No such run, or the archive is on another machine.
        """
        found = self.query("SELECT path FROM files WHERE run = ? AND kind <> 'copy'", [run]).to_pylist()
        if not found:
            raise InputError("no such run in the archive", where=run)
        if not isinstance(self.location, LocalLocation):
            raise InputError("the archive's files are not on this machine", where=self.location.name)
        return self.location.top / path_from_text(str(found[0]["path"]))

    def find(self, name: str) -> str:
        """Return the id of the run that a user means.

        Args:
            name: An id, a unique id prefix, a path in the archive, or `last`.

        Raises:
            InputError: No run matches, or more than one.
        """
        if name == "last":
            found = self.query("SELECT run FROM runs WHERE started IS NOT NULL ORDER BY started DESC LIMIT 1")
        else:
            exact = "SELECT run FROM files WHERE run = ? OR path = ? ORDER BY run <> ?, kind = 'copy' LIMIT 1"
            found = self.query(exact, [name, name.rstrip("/"), name])
            if not found.num_rows:
                found = self.query(
                    "SELECT run FROM runs WHERE starts_with(run, ?) ORDER BY run LIMIT 6", [name]
                )
        ids = found.column("run").to_pylist()
        if len(ids) == 1:
            return str(ids[0])
        if ids:
            raise InputError(
                "several runs in the archive have an id that begins like this",
                where=name,
                hint=f"type more of the id, one of: {', '.join(ids)}",
            )
        known = [
            str(run)
            for run in self.query("SELECT run FROM runs ORDER BY started DESC NULLS LAST")
            .column("run")
            .to_pylist()
        ]
        raise InputError(
            "no such run in the archive",
            where=name,
            hint=f"{did_you_mean(name, known)}the latest runs: {', '.join(known[:3]) or 'none'}",
        )

    def _frame(self, name: str) -> pd.DataFrame:
        return data_frame(name, self.database.table(name))
