"""Files that are either whole or absent, and their digests."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

log = logging.getLogger(__name__)

TEMPORARY = ".tmp"


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A file to write that becomes ``path`` only when all of it is on the disk.

    The temporary file lies in the same folder: elsewhere the replacement would be a copy, which a kill cuts short.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}{TEMPORARY}")
    try:
        with temporary.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync(path.parent)


def write_atomic(path: Path, data: str | bytes) -> None:
    """Write ``path`` so that a reader, or a crash, sees the old content or the new, never a part."""
    with replacing(path) as file:
        file.write(data.encode() if isinstance(data, str) else data)


def write_json(path: Path, data: Any) -> None:
    """Write JSON atomically; NaN and infinities become null, which JSON can hold."""
    write_atomic(path, json.dumps(finite(data), indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def finite(data: Any) -> Any:
    """The same nested data with non-finite floats as None.

    >>> finite({"auroc": float("nan"), "loss": [0.5]})
    {'auroc': None, 'loss': [0.5]}
    """
    if isinstance(data, dict):
        return {k: finite(v) for k, v in data.items()}
    if isinstance(data, list | tuple):
        return [finite(v) for v in data]
    if isinstance(data, float) and not (float("-inf") < data < float("inf")):
        return None
    return data


def sha256(path: Path) -> str:
    """Hexadecimal SHA-256 of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sync(path: Path) -> None:
    """Bring a file, or the names in a folder, to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sweep(folder: Path) -> None:
    """Remove what a killed process left half written."""
    for stray in folder.glob(f".*{TEMPORARY}"):
        log.warning("removing '%s', left by a process that was killed", stray.name)
        stray.unlink(missing_ok=True)
