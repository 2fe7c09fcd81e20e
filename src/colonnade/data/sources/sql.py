"""SQL: the rows of a query."""

from __future__ import annotations

from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit, urlunsplit

import polars as pl

from colonnade.core.errors import DataError
from colonnade.core.optional import optional_import
from colonnade.data.table import frame_digest

Engine = Literal["auto", "sqlalchemy", "adbc", "duckdb"]
_ENGINES = ("auto", "sqlalchemy", "adbc", "duckdb")


class Sql:
    """A query on a database.

    Args:
        uri: as SQLAlchemy writes it: ``sqlite:///shop.db``, ``duckdb:///shop.duckdb``,
            ``postgresql://user:password@host/shop``.
            A password is best taken from the environment: ``${oc.env:SHOP_URI}``.
        query: what to select.
        engine: ``"sqlalchemy"``, ``"adbc"`` (columnar, faster; needs the database's driver) or ``"duckdb"``.
            ``"auto"``: DuckDB for ``duckdb:`` URIs, otherwise SQLAlchemy.

    Raises:
        ValueError: unknown engine, or a URI without a scheme.
    """

    def __init__(self, *, uri: str, query: str, engine: Engine = "auto") -> None:
        if engine not in _ENGINES:
            raise ValueError(f"engine={engine!r}: one of {', '.join(_ENGINES)}")
        if ":" not in uri:
            raise ValueError("uri: expected scheme:..., for example sqlite:///shop.db")
        self.uri = uri
        self.query = query
        self.engine = engine
        if engine == "auto":
            self.engine = "duckdb" if uri.startswith("duckdb:") else "sqlalchemy"
        self._digest = ""

    @property
    def origin(self) -> list[dict[str, str]]:
        """The database without its password and the query, with the digest of the rows."""
        return [{"file": f"{self._shown()}: {self.query}", "sha256": self._digest}]

    def read(self) -> pl.DataFrame:
        """Run the query.

        Raises:
            DataError: the database cannot be opened, the query fails, or its columns share a name.
            MissingExtraError: a package of the extra ``sql`` is absent.
        """
        read = {"sqlalchemy": self._sqlalchemy, "adbc": self._adbc, "duckdb": self._duckdb}[self.engine]
        try:
            frame = read()
        except pl.exceptions.DuplicateError as error:
            raise DataError(
                f"{self._shown()}: duplicate column names in the query: name them with AS ({error})"
            ) from error
        if frame.height == 0:
            raise DataError(f"{self._shown()}: 0 rows from the query: {self.query}")
        self._digest = frame_digest(frame)
        return frame

    def _sqlalchemy(self) -> pl.DataFrame:
        sqlalchemy = optional_import("sqlalchemy", "sql")
        self._check_file("sqlite:///")
        try:
            engine = sqlalchemy.create_engine(self.uri)
            try:
                with engine.connect() as connection:
                    return pl.read_database(sqlalchemy.text(self.query), connection, infer_schema_length=None)
            finally:
                engine.dispose()
        except sqlalchemy.exc.SQLAlchemyError as error:
            raise self._failed(error) from None
        except ModuleNotFoundError as error:
            raise DataError(f"{self._shown()}: the driver {error.name} of this database is not installed") from error

    def _adbc(self) -> pl.DataFrame:
        manager = optional_import("adbc_driver_manager", "sql")
        self._check_file("sqlite:///")
        try:
            return pl.read_database_uri(self.query, self.uri, engine="adbc")
        except (manager.Error, ModuleNotFoundError) as error:
            raise self._failed(error) from None

    def _duckdb(self) -> pl.DataFrame:
        duckdb = optional_import("duckdb", "sql")
        self._check_file("duckdb:///")
        try:
            with duckdb.connect(self.uri.removeprefix("duckdb:///"), read_only=True) as connection:
                return pl.read_database(self.query, connection)
        except duckdb.Error as error:
            raise self._failed(error) from None

    def _check_file(self, scheme: str) -> None:
        """SQLite and DuckDB would create a file that is not there."""
        name = self.uri.removeprefix(scheme)
        if self.uri.startswith(scheme) and name and not Path(name).is_file():
            raise DataError(f"data.sql.uri={self.uri}: no such database file")

    def _failed(self, error: Exception) -> DataError:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        return DataError(f"{self._shown()}: {lines[0]} (query: {self.query})".replace(self.uri, self._shown()))

    def _shown(self) -> str:
        parts = urlsplit(self.uri)
        if parts.password is None:
            return self.uri
        return urlunsplit(parts._replace(netloc=f"{parts.username}:***@{parts.hostname}"))
