"""SQL over an archive's cache, with DuckDB: read only, without access to any other file or setting."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import duckdb

from runbook_lib.errors import EvidenceError, InputError
from runbook_lib.report.arrow_rows import SCHEMAS
from runbook_lib.report.table_columns import TABLES

if TYPE_CHECKING:
    import pyarrow as pa

    from runbook_lib.audit.archive.cache import Cache

__all__ = ["Database"]

_SAFE = """
SET allowed_directories = [{directory}];
SET autoinstall_known_extensions = false;
SET autoload_known_extensions = false;
SET python_enable_replacements = false;
SET TimeZone = 'UTC';
SET memory_limit = '{memory}MiB';
SET temp_directory = '';
SET preserve_insertion_order = false;
SET enable_external_access = false;
"""
_MEMORY = 384


class Database:
    """The tables `runs`, `steps`, `commands`, `checks` and `files` of an archive, as they are now.

    Args:
        cache: The archive's cache.
    """

    def __init__(self, cache: Cache) -> None:
        # The index is replaced when somebody reads the archive again: this one is kept as it is now.
        entries, parts = cache.files()
        self._connection = duckdb.connect(":memory:")
        run = self._connection.execute
        run(_SAFE.format(directory=_quoted(f"{cache.directory}/"), memory=_MEMORY))
        for name, columns in TABLES.items():
            wanted = ", ".join(f'"{column.name}"' for column in columns)
            files = ", ".join(_quoted(str(cache.file(name, part))) for part in parts)
            if files:
                run(f"CREATE VIEW {name} AS SELECT {wanted} FROM read_parquet([{files}])")  # noqa: S608 - our own names
            else:
                empty = SCHEMAS[name].empty_table()
                self._connection.register(f"no_{name}", empty)
                run(f"CREATE VIEW {name} AS SELECT {wanted} FROM no_{name}")  # noqa: S608 - our own names
        self._connection.register("entries", entries)
        run("CREATE VIEW files AS SELECT path, kind, size, sha256, run, problem FROM entries")
        self._parts = [cache.file(name, part) for part in parts for name in TABLES]
        run("SET lock_configuration = true")

    def query(self, sql: str, parameters: list[Any] | None = None) -> pa.Table:
        """Return the result of one SELECT.

        Raises:
            InputError: The SQL is not one SELECT, a text is not UTF-8, or DuckDB refuses it.
            EvidenceError: The rows that this database was opened with have been replaced since.
        """
        try:  # DuckDB 1 raises a RuntimeError for such a text
            for text in (sql, *(value for value in parameters or () if isinstance(value, str))):
                text.encode()
        except UnicodeEncodeError as problem:
            raise InputError("the query is not UTF-8", where="query", hint=_HINT) from problem
        try:
            statements = self._connection.extract_statements(sql)
            if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
                raise InputError("not a single SELECT", where="query", hint="an archive can only be read")
            return self._connection.sql(statements[0], params=parameters or []).to_arrow_table()
        except duckdb.Error as problem:
            if isinstance(problem, duckdb.IOException) and not all(part.exists() for part in self._parts):
                raise EvidenceError(
                    "another process has read the archive again, and replaced the cache of this query",
                    where="query",
                    hint="open the archive again, or run the command again",
                ) from problem
            raise InputError(str(problem).strip(), where="query", hint=_HINT) from problem

    def table(self, name: str) -> pa.Table:
        """Return one of the four tables."""
        return self.query(f"SELECT * FROM {name}")  # noqa: S608 - our own names


_HINT = f"tables are {', '.join(TABLES)} and files; docs/tables.md lists their columns"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
