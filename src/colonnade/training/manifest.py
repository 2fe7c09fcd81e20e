"""The manifest of a checkpoint folder: which files there are, and the digest that each must have."""

from __future__ import annotations

import hashlib
import json
import logging
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO

from colonnade.core.errors import RunFolderError
from colonnade.core.files import sha256, write_atomic

log = logging.getLogger(__name__)

MANIFEST = "manifest.json"
BEST = "best"
RECOVERY = "recovery"


@dataclass
class Entry:
    """One checkpoint.

    Args:
        file: name within the folder.
        kind: ``"best"``, ``"recovery"`` or ``"other"``.
        sha256: digest of the file.
        size: in bytes.
        epoch: epoch number, from 0.
        step: optimizer steps that were taken.
    """

    file: str
    kind: str
    sha256: str
    size: int
    epoch: int
    step: int


class HashingFile:
    """What ``torch.save`` writes to: passes bytes on and digests them, so that no file is read to be hashed."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._digest = hashlib.sha256()
        self.size = 0

    def write(self, data: bytes) -> int:
        """Write and digest."""
        self._digest.update(data)
        written = self._file.write(data)
        self.size += written
        return written

    def flush(self) -> None:
        """Flush the file beneath."""
        self._file.flush()

    def hexdigest(self) -> str:
        """SHA-256 of all that was written."""
        return self._digest.hexdigest()


def read(folder: Path) -> list[Entry]:
    """Entries in the order of writing; none if there is no manifest.

    Raises:
        RunFolderError: the manifest cannot be read.
    """
    path = folder / MANIFEST
    if not path.exists():
        return []
    try:
        return [Entry(**entry) for entry in json.loads(path.read_text(encoding="utf-8"))["checkpoints"]]
    except (ValueError, KeyError, TypeError) as error:
        raise RunFolderError(
            f"'{path}' is damaged ({error}): restore it, or remove the folder '{folder}' to train anew"
        ) from error


def write(folder: Path, entries: list[Entry]) -> None:
    """Replace the manifest."""
    write_atomic(folder / MANIFEST, json.dumps({"checkpoints": [asdict(entry) for entry in entries]}, indent=1))


def newest_intact(folder: Path, kind: str) -> Path | None:
    """The newest checkpoint of a kind whose digest holds; damaged ones are named and passed over."""
    for entry in reversed(read(folder)):
        if entry.kind != kind:
            continue
        path = folder / entry.file
        fault = damage(path, entry)
        if fault is None:
            return path
        log.warning("%s; the one before it is used", fault)
    return None


def damage(path: Path, entry: Entry) -> str | None:
    """What is wrong with a file, or None."""
    if not path.exists():
        return f"checkpoint '{path.name}' is missing"
    found = sha256(path)
    if found != entry.sha256:
        expected = entry.sha256
        return f"checkpoint '{path.name}' is damaged: its SHA-256 is {found[:12]}..., not {expected[:12]}... as listed"
    return None
