"""Claims: who works on what, so that several commands share one search and nothing is done twice.

A claim is a file that names machine and process. It ends when the work is done, when the process is gone (told at once
on the same machine), or when it was not renewed for a while (told by the file's time on another machine). Every change
is made while the lock of the search is held; the system frees that lock when its holder dies, however it dies.

A machine that was suspended may come back when its claims were taken over: it then finds them in other hands.
"""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
from filelock import FileLock, Timeout

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
        self._me = identity()
        self._mine: set[str] = set()
        self._every = min(RENEWED_EVERY, lease / 4)
        self._renewed = 0.0

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other workers from claiming meanwhile. May be nested.

        Our claims are renewed while we wait, and before others have their turn: sampling a point may take a while.
        """
        while True:
            try:
                self._lock.acquire(timeout=self._every)
                break
            except Timeout:
                self.renew()
        try:
            yield
        finally:
            try:
                self.renew()
            finally:
                self._lock.release()

    def take(self, key: str) -> bool:
        """Claim a key, if nobody living holds it. To be called while :meth:`locked`."""
        path = self._path(key)
        if key in self._mine or self._lives(path):
            return False
        write_json(path, {"key": key, **self._me})
        self._mine.add(key)
        return True

    def held(self, key: str) -> bool:
        """Whether a living worker, this one included, holds a key."""
        return key in self._mine or self._lives(self._path(key))

    def mine(self, key: str) -> bool:
        """Whether this worker held a key when it was last renewed."""
        return key in self._mine

    def living(self) -> list[str]:
        """The keys that living workers hold."""
        return sorted(path.stem.replace("%2F", "/") for path in self.folder.glob("*.json") if self._lives(path))

    def release(self, key: str) -> None:
        """Give a key of ours back; one that was taken over stays with its holder. To be called while locked."""
        self._mine.discard(key)
        if self._is_ours(self._path(key)):
            self._path(key).unlink(missing_ok=True)

    def renew(self, *, now: bool = False) -> None:
        """Show that this worker lives, and forget what was taken over; to be called often.

        Args:
            now: otherwise nothing is done for some seconds after the last time.
        """
        if not now and time.monotonic() - self._renewed < self._every:
            return
        self._renewed = time.monotonic()
        for key in list(self._mine):
            if self._is_ours(self._path(key)):
                with suppress(FileNotFoundError):
                    os.utime(self._path(key))
            else:
                self._mine.discard(key)

    def _path(self, key: str) -> Path:
        return self.folder / f"{key.replace('/', '%2F')}.json"

    def _is_ours(self, path: Path) -> bool:
        return {key: value for key, value in _read(path).items() if key != "key"} == self._me

    def _lives(self, path: Path) -> bool:
        holder = _read(path)
        try:
            if holder["host"] == self._me["host"]:
                return _runs(holder["pid"], holder["started"])
            # Asked for after the file was opened: a shared disk may remember an older time until then.
            return self._now() - path.stat().st_mtime < self.lease
        except (FileNotFoundError, KeyError):
            return False

    def _now(self) -> float:
        """The time of the shared disk: clocks of machines differ."""
        probe = self.folder / f".now-{socket.gethostname()}-{os.getpid()}"
        probe.touch()
        now = probe.stat().st_mtime
        probe.unlink(missing_ok=True)
        return now


def identity() -> dict[str, str | int | float]:
    """This process, told apart from a later one with the same number, and from those of other machines.

    Machines may share a name, and containers of one machine may not see each other's processes.
    """
    boot, processes = Path("/proc/sys/kernel/random/boot_id"), Path("/proc/self/ns/pid")
    host = [socket.gethostname()]
    with suppress(OSError):
        host += [boot.read_text(encoding="ascii").strip(), os.readlink(processes)]
    return {"host": " ".join(host), "pid": os.getpid(), "started": _started(os.getpid())}


def _started(pid: int) -> float:
    """When a process began: where the system tells it, in ticks since its own start, which no clock that is set moves.

    Raises:
        psutil.NoSuchProcess: there is none.
    """
    try:
        # The name in brackets may hold blanks; the 22nd field is the twentieth after it.
        told = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        return float(told.rpartition(")")[2].split()[19])
    except (OSError, IndexError):
        return psutil.Process(pid).create_time()


def _runs(pid: int, started: float) -> bool:
    try:
        return _started(pid) == started and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _read(path: Path) -> dict[str, Any]:
    """A claim; empty where there is none, or one torn by a machine that went down."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, json.JSONDecodeError):
        return {}
    return content if isinstance(content, dict) else {}
