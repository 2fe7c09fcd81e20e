"""Claims: who works on what, so that several commands share one search and nothing is done twice.

A claim is a file that names machine and process. It ends when the work is done, when the process is gone (told at once
on the same machine), or when it was not renewed for a while (told by the file's time on another machine). Every change
is made while the lock of the search is held; the system frees that lock when its holder dies, however it dies.
"""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
from filelock import FileLock

from colonnade.core.files import write_json

FOLDER = ".claims"
LOCK = ".lock"
RENEWED_EVERY = 5.0


class Claims:
    """The claims of one search.

    Args:
        folder: of the search, on a disk that all its workers share.
        lease: seconds after which a claim of another machine that was not renewed has ended.
    """

    def __init__(self, folder: Path, lease: float = 60.0) -> None:
        self.folder = folder / FOLDER
        self.lease = lease
        self.folder.mkdir(parents=True, exist_ok=True)
        self._lock = FileLock(folder / LOCK)
        self._mine: set[str] = set()
        self._renewed = 0.0

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other workers from claiming meanwhile. May be nested."""
        with self._lock:
            yield

    def take(self, key: str) -> bool:
        """Claim a key, if nobody living holds it. To be called while :meth:`locked`."""
        path = self._path(key)
        if key in self._mine or self._lives(path):
            return False
        write_json(path, {"key": key, **identity()})
        self._mine.add(key)
        return True

    def held(self, key: str) -> bool:
        """Whether a living worker, this one included, holds a key."""
        return key in self._mine or self._lives(self._path(key))

    def release(self, key: str) -> None:
        """Give a key of ours back."""
        self._mine.discard(key)
        self._path(key).unlink(missing_ok=True)

    def renew(self) -> None:
        """Show that this worker lives; to be called often, does something every few seconds."""
        if time.monotonic() - self._renewed < RENEWED_EVERY:
            return
        self._renewed = time.monotonic()
        for key in self._mine:
            # Not touched when somebody took it away: a missing file stays missing.
            if self._path(key).exists():
                os.utime(self._path(key))

    def _path(self, key: str) -> Path:
        return self.folder / f"{key.replace('/', '%2F')}.json"

    def _lives(self, path: Path) -> bool:
        try:
            holder = json.loads(path.read_text(encoding="utf-8"))
            touched = path.stat().st_mtime
        except (FileNotFoundError, json.JSONDecodeError):
            return False
        if holder["host"] == socket.gethostname():
            return _runs(holder["pid"], holder["started"])
        return self._now() - touched < self.lease

    def _now(self) -> float:
        """The time of the shared disk: clocks of machines differ."""
        probe = self.folder / f".now-{socket.gethostname()}-{os.getpid()}"
        probe.touch()
        now = probe.stat().st_mtime
        probe.unlink(missing_ok=True)
        return now


def identity() -> dict[str, str | int | float]:
    """This process, told apart from a later one with the same number."""
    return {"host": socket.gethostname(), "pid": os.getpid(), "started": psutil.Process().create_time()}


def _runs(pid: int, started: float) -> bool:
    try:
        process = psutil.Process(pid)
        return abs(process.create_time() - started) < 1 and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
