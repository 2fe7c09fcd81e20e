"""The run folder: one configuration, one lock, one record of what was made."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from colonnade.core.errors import FolderBusyError, RunFolderError
from colonnade.core.files import sha256, write_atomic, write_json

CONFIG = "config.yaml"
RESULT = "result.json"
METRICS = "metrics.jsonl"
LOG = "train.log"
MANIFEST = "manifest.json"
STATE = "environment.json"
LOCK = ".lock"
WORKER_LOCK = ".worker.lock"
# A folder, while the processes of the training are Ray's: what they write, and what Ray Train keeps.
RAY = "ray"
# Its presence asks the training to end: the search gives it up.
PRUNE = "prune"
LOCKS = {LOCK, WORKER_LOCK}
# What a run makes before it is recorded; a folder that holds anything else and no record is not ours to empty.
UNRECORDED = {*LOCKS, CONFIG, PRUNE, RAY, "checkpoints", LOG, "job.yaml", "job-error.json"}
# Still written by others while the manifest is taken, or of no consequence for what the folder says.
UNLISTED = {*LOCKS, MANIFEST, RESULT, PRUNE, "job.yaml"}
UNLISTED_FOLDERS = {RAY, "tensorboard", "csv", "wandb", "mlruns"}


class RunFolder:
    """A folder that holds one run.

    Args:
        path: the folder; made when absent.

    Attributes:
        claimed: hash of the configuration that it was taken for; empty: it was not.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self.claimed = ""

    def __truediv__(self, name: str) -> Path:
        return self.path / name

    @property
    def checkpoints(self) -> Path:
        """Where checkpoints lie."""
        return self.path / "checkpoints"

    @property
    def result(self) -> dict[str, Any] | None:
        """Content of ``result.json``, or None when the run has not ended."""
        path = self / RESULT
        return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None

    @property
    def state(self) -> dict[str, Any] | None:
        """Content of ``environment.json``: machine, data and hash of the configuration; None before the run began."""
        path = self / STATE
        return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None

    @property
    def finished(self) -> bool:
        """Whether the run ended well."""
        result = self.result
        return result is not None and result["status"] == "finished"

    @property
    def pruned(self) -> bool:
        """Whether the search that started the run gave it up."""
        result = self.result
        return result is not None and result["status"] == "pruned"

    @contextmanager
    def locked(self, name: str = LOCK) -> Iterator[None]:
        """Hold the folder for this process; the system frees it when the process dies, however it dies.

        Args:
            name: of the file that stands for the hold.

        Raises:
            FolderBusyError: another process holds it.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self / name, timeout=0)
        try:
            lock.acquire()
        except Timeout:
            raise FolderBusyError(
                f"another process is training in '{self.path}'; wait for it, or give another hydra.run.dir="
            ) from None
        try:
            yield
        finally:
            lock.release()

    def wait(self, seconds: float) -> None:
        """Wait until no process holds the folder.

        Raises:
            FolderBusyError: one still does after that time.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        for name in sorted(LOCKS):
            try:
                FileLock(self / name, timeout=seconds).acquire().lock.release()
            except Timeout:
                raise FolderBusyError(f"another process is still training in '{self.path}'") from None

    def claim(self, config_hash: str, *, overwrite: bool) -> None:
        """Take the folder for a configuration, or refuse.

        Args:
            config_hash: hash of what decides the outcome of the run.
            overwrite: empty the folder first, whatever run it holds.

        Raises:
            RunFolderError: the folder holds a run of another configuration, or is to be emptied and holds no run.
        """
        if overwrite:
            self._empty()
        state = self.state
        if state and state["config_hash"] != config_hash:
            raise RunFolderError(
                f"'{self.path}' holds a run of another configuration (see its {CONFIG}); "
                "give another hydra.run.dir=, or overwrite=true to discard that run"
            )
        orphans = [name for name in (CONFIG, "checkpoints/manifest.json") if not state and (self / name).exists()]
        if orphans:
            # Weights of which nobody knows the configuration must not be trained on.
            raise RunFolderError(f"'{self.path}' holds {orphans[0]} but no {STATE}; give overwrite=true to start over")
        self.checkpoints.mkdir(parents=True, exist_ok=True)
        self.claimed = config_hash

    def record(self, config_hash: str, config: str, environment: dict[str, Any]) -> None:
        """Write what the run is made from: ``config.yaml`` and ``environment.json``."""
        # First what tells whose folder it is: killed between the two, the same training goes on.
        write_json(self / STATE, {"config_hash": config_hash, **environment})
        write_atomic(self / CONFIG, config)

    def finish(self, result: dict[str, Any]) -> None:
        """Write the manifest and, last of all and atomically, ``result.json``."""
        if result["status"] == "finished":
            self.write_manifest()
        write_json(self / RESULT, result)

    def write_manifest(self) -> None:
        """Write the SHA-256 of each file of the folder; of the runs within it, that of their own manifest."""
        files = {}
        inner = {path.parent for path in self.path.rglob(MANIFEST)} - {self.path}
        for path in sorted(self.path.rglob("*")):
            name = path.relative_to(self.path)
            if path.is_dir() or name.parts[0] in UNLISTED_FOLDERS or name.as_posix() in UNLISTED:
                continue
            within = inner.intersection(path.parents)
            if len(within) > 1 or (within and path.parent / MANIFEST != path):
                continue
            files[name.as_posix()] = sha256(path)
        write_json(self / MANIFEST, files)

    def list_files(self, *names: str) -> None:
        """Add the SHA-256 of files that came after the others to the manifest, which stays as it is for them.

        Where this is the run of a member, the whole lists its manifest, and follows.
        """
        path = self.path.resolve() / MANIFEST
        before = sha256(path)
        known = json.loads(path.read_text(encoding="utf-8"))
        write_json(path, dict(sorted({**known, **{name: sha256(self / name) for name in names}}.items())))
        for outer in path.parents[1:]:
            inner = path.relative_to(outer).as_posix()
            if not (outer / MANIFEST).exists():
                continue
            # What differed before is damaged, and stays so.
            if json.loads((outer / MANIFEST).read_text(encoding="utf-8")).get(inner) == before:
                RunFolder(outer).list_files(inner)
            break

    def verify(self, *names: str) -> None:
        """Compare files with the manifest.

        Raises:
            RunFolderError: a file is missing, not listed, or differs by a bit.
        """
        path = self / MANIFEST
        if not path.exists():
            raise RunFolderError(f"'{self.path}' is not a finished run: it has no {MANIFEST}")
        known = json.loads(path.read_text(encoding="utf-8"))
        for name in names:
            if not (self / name).exists():
                raise RunFolderError(f"'{self / name}' is missing from the run folder")
            if known.get(name) != sha256(self / name):
                raise RunFolderError(f"'{self / name}' differs from its SHA-256 in {MANIFEST}: the file is damaged")

    def _empty(self) -> None:
        names = {path.name for path in self.path.iterdir()}
        if not names & {STATE, RESULT} and names - UNRECORDED:
            raise RunFolderError(
                f"'{self.path}' is no run folder (it holds {', '.join(sorted(names - UNRECORDED)[:5])}), and "
                "overwrite=true empties nothing else; give another hydra.run.dir="
            )
        for path in self.path.iterdir():
            if path.name in LOCKS:
                continue
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                os.remove(path)
