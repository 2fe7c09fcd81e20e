"""SQL: the rows of a query."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote, unquote

import polars as pl

from colonnade.core.errors import DataError
from colonnade.core.optional import optional_import
from colonnade.data.table import frame_digest

Engine = Literal["auto", "sqlalchemy", "adbc", "duckdb"]
_ENGINES = ("auto", "sqlalchemy", "adbc", "duckdb")
# Up to the last @: a password may hold / and @.
_PASSWORD = re.compile(r"^([\w+.-]+://[^/:?]*:)(.*)@", re.DOTALL)
_SECRET = re.compile(r"(?i)[?&;][^=&;]*(?:pass|pwd|token|secret|key)[^=&;]*=([^&;]+)")
_LITERAL = re.compile(r"'([^']{4,})'")


class Sql:
    """A query on a database. SQLite and DuckDB files are opened for reading only.

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
        """The database without its secrets and the SHA-256 of the query, which may hold some, with that of the rows."""
        query = hashlib.sha256(self.query.encode()).hexdigest()
        return [{"file": f"{self._shown()}: query {query}", "sha256": self._digest}]

    def read(self) -> pl.DataFrame:
        """Run the query.

        Raises:
            DataError: the database cannot be opened, the query fails or gives no table, or its columns share a name.
            MissingExtraError: a package of the extra ``sql`` is absent.
        """
        read = {"sqlalchemy": self._sqlalchemy, "adbc": self._adbc, "duckdb": self._duckdb}[self.engine]
        try:
            frame = read()
        except pl.exceptions.DuplicateError as error:
            raise DataError(
                f"{self._shown()}: duplicate column names in the query: name them with AS ({error})"
            ) from error
        except pl.exceptions.UnsuitableSQLError:
            raise self._no_table() from None
        except pl.exceptions.PolarsError as error:
            raise self._failed(error) from None
        if frame.width == 0:
            raise self._no_table()
        if frame.height == 0:
            raise DataError(f"{self._shown()}: 0 rows from data.sql.query")
        self._digest = frame_digest(frame)
        return frame

    def _sqlalchemy(self) -> pl.DataFrame:
        sqlalchemy = optional_import("sqlalchemy", "sql")
        self._check_file()
        try:
            url, file = sqlalchemy.make_url(self.uri), self._read_only()
            if file is not None:
                url = url.set(database=file, query={"mode": "ro", "uri": "true"})
            engine = sqlalchemy.create_engine(url)
            try:
                with engine.connect() as connection:
                    sqlalchemy.event.listen(connection, "after_cursor_execute", self._refuse_command)
                    return pl.read_database(sqlalchemy.text(self.query), connection, infer_schema_length=None)
            finally:
                engine.dispose()
        except sqlalchemy.exc.SQLAlchemyError as error:
            raise self._failed(error) from None
        except ModuleNotFoundError as error:
            raise DataError(f"{self._shown()}: the driver {error.name} of this database is not installed") from error

    def _adbc(self) -> pl.DataFrame:
        manager = optional_import("adbc_driver_manager", "sql")
        self._check_file()
        try:
            file = self._read_only()
            uri = self.uri if file is None else f"sqlite:///{file}?mode=ro"
            return pl.read_database_uri(self.query, uri, engine="adbc")
        except (manager.Error, ModuleNotFoundError) as error:
            raise self._failed(error) from None

    def _duckdb(self) -> pl.DataFrame:
        duckdb = optional_import("duckdb", "sql")
        self._check_file()
        try:
            with duckdb.connect(self.uri.removeprefix("duckdb:///"), read_only=True) as connection:
                return pl.read_database(self.query, connection)
        except duckdb.Error as error:
            raise self._failed(error) from None

    def _check_file(self) -> None:
        """SQLite and DuckDB would create a file that is not there."""
        scheme, _, name = self.uri.partition(":///")
        if scheme.startswith(("sqlite", "duckdb")) and name and not Path(name).is_file():
            raise DataError(f"data.sql.uri={self._shown()}: no such database file")

    def _read_only(self) -> str | None:
        """A SQLite file in the notation that takes ``?mode=ro``; None for other databases."""
        scheme, _, name = self.uri.partition(":///")
        return f"file:{quote(str(Path(name).resolve()))}" if scheme.startswith("sqlite") and name else None

    def _refuse_command(self, _connection: Any, cursor: Any, *_: Any) -> None:
        """Called when the query was run, and before its rows are asked for."""
        if cursor.description is None:
            raise self._no_table()

    def _no_table(self) -> DataError:
        return DataError(f"{self._shown()}: data.sql.query gives no table; it must be a SELECT")

    def _failed(self, error: Exception) -> DataError:
        """What a driver said, without the secrets of the URI, and without the texts in the query, which may be some."""
        text = (str(error).strip().splitlines() or [type(error).__name__])[0]
        password = self._password()
        if "@" in password:
            # Drivers end the password at the first @, and tell the rest of it as a host that they cannot find.
            text = "the password in data.sql.uri holds '@', which must be written %40"
        for secret in filter(None, [self.uri, password, *_SECRET.findall(self.uri), *_LITERAL.findall(self.query)]):
            text = text.replace(secret, "***").replace(unquote(secret), "***")
        return DataError(f"{self._shown()}: {text}")

    def _password(self) -> str:
        found = _PASSWORD.match(self.uri)
        return found[2] if found else ""

    def _shown(self) -> str:
        """The URI without its password, and without the values after its ``?``."""
        return re.sub(r"\?.*", "?***", _PASSWORD.sub(r"\1***@", self.uri), flags=re.DOTALL)
