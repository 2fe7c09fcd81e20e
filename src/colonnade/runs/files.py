"""Files that are either whole or absent."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from pathlib import Path
from typing import Any


def write_atomic(path: Path, data: str | bytes) -> None:
    """Write ``path`` so that a reader, or a crash, sees the old content or the new, never a part.

    The temporary file lies in the same folder, so that the final rename stays on one file system.
    """
    raw = data.encode() if isinstance(data, str) else data
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(raw)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


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
