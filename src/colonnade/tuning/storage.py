"""Storage: where Optuna keeps the trials of a search, a journal in its folder or a database."""

from __future__ import annotations

import os
from pathlib import Path

import optuna
from filelock import FileLock
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

from colonnade.config.record import redact_words
from colonnade.core.errors import ConfigError, MissingExtraError

JOURNAL = "journal.log"
LOCK = ".journal.lock"


def storage(url: str | None, folder: Path) -> BaseStorage:
    """The storage of the studies of a search.

    Args:
        url: of a database; None: a journal in the folder.
        folder: of the search.

    Raises:
        ConfigError: the database cannot be reached, or the URL names no kind of database.
        MissingExtraError: its driver is not installed.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return _journal(folder) if url is None else _database(url)


def _journal(folder: Path) -> JournalStorage:
    path = (folder / JOURNAL).absolute()
    return JournalStorage(JournalFileBackend(str(path), lock_obj=_Lock(path)))


def _database(url: str) -> RDBStorage:
    from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

    # Hours may lie between two questions: a connection that was closed meanwhile is opened again.
    options = {} if url.startswith("sqlite") else {"pool_pre_ping": True}
    try:
        return RDBStorage(url, engine_kwargs=options)
    except ImportError as error:
        if url.startswith("postgresql+psycopg"):
            raise MissingExtraError("psycopg", "postgresql") from error
        raise ConfigError(f"{_shown(url)}: its driver is not installed ({error.__cause__ or error})") from error
    except (ArgumentError, NoSuchModuleError, ValueError) as error:
        raise ConfigError(
            f"{_shown(url)} is no URL of a database, such as sqlite:///study.db or postgresql+psycopg://user@host/name"
        ) from error
    except DBAPIError as error:
        # The driver's own words, without the statement; they name user and host, never the password.
        raise ConfigError(f"{_shown(url)} cannot be opened: {str(error.orig).strip().splitlines()[0]}") from error


def _shown(url: str) -> str:
    return redact_words([f"tune.storage={url}"])[0]


class _Lock(JournalFileOpenLock):
    """Lets one process at a time append to a journal.

    The system frees it when its holder dies, however it dies; for the end of Optuna's own, others wait half a minute.
    What a writer that was killed left half written is cut off: Optuna would append to it, and never read it again.

    Args:
        path: of the journal.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(str(path))
        self._path = path
        self._lock = FileLock(path.with_name(LOCK))

    def acquire(self) -> bool:
        """Wait for it, and mend the journal."""
        self._lock.acquire()
        try:
            _mend(self._path)
        except BaseException:
            self._lock.release()
            raise
        return True

    def release(self) -> None:
        """Let the next one append."""
        self._lock.release()


def _mend(path: Path) -> None:
    """Cut a last line that has no end."""
    with path.open("rb+") as file:
        size = file.seek(0, os.SEEK_END)
        if size == 0:
            return
        file.seek(size - 1)
        if file.read(1) != b"\n":
            file.seek(0)
            file.truncate(file.read().rfind(b"\n") + 1)
