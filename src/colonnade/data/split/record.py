"""Split: the rows of each part, and their compact, checked record."""

from __future__ import annotations

import base64
import hashlib
import json
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from colonnade.core.errors import RunFolderError

PARTS = ("train", "val", "test")


class Division(Protocol):
    """What a training learns from, chooses by and is measured on.

    Args:
        how: what was done, in words.
    """

    @property
    def how(self) -> str:
        """See the class."""

    def counts(self) -> dict[str, int]:
        """Rows of each part; of series that are forecast, steps."""


@dataclass
class Split:
    """Row positions in the frame of a table, ascending and disjoint.

    Args:
        train, val, test: int64 positions; rows in none of them are not used.
        how: what was done, in words.

    Raises:
        ValueError: a row is in two parts, or twice in one.
    """

    train: np.ndarray
    val: np.ndarray
    test: np.ndarray
    how: str

    def __post_init__(self) -> None:
        self.train, self.val, self.test = (
            _ascending(np.asarray(p, dtype=np.int64)) for p in (self.train, self.val, self.test)
        )
        if np.bincount(np.concatenate([self.train, self.val, self.test])).max(initial=0) > 1:
            raise ValueError("a row stands in two parts of the split, or twice in one")

    @classmethod
    def from_labels(cls, labels: np.ndarray, how: str) -> Split:
        """From one label per row: 0 train, 1 val, 2 test, anything else unused."""
        train, val, test = (np.flatnonzero(labels == k) for k in range(3))
        return cls(train, val, test, how)

    def parts(self) -> dict[str, np.ndarray]:
        """``{"train": ..., "val": ..., "test": ...}``."""
        return {"train": self.train, "val": self.val, "test": self.test}

    def counts(self) -> dict[str, int]:
        """Rows of each part."""
        return {name: len(rows) for name, rows in self.parts().items()}

    def save(self, path: Path) -> None:
        """Write ``split.json``: counts, a SHA-256 of each part, and one compressed label per row."""
        parts = self.parts()
        n_rows = max((int(p[-1]) + 1 for p in parts.values() if len(p)), default=0)
        labels = np.full(n_rows, len(PARTS), dtype=np.uint8)
        for code, rows in enumerate(parts.values()):
            labels[rows] = code
        record = {
            "how": self.how,
            "counts": self.counts(),
            "sha256": {name: digest(rows) for name, rows in parts.items()},
            "coding": "base64 of zlib of one byte a row: 0 train, 1 val, 2 test, 3 unused",
            "labels": base64.b64encode(zlib.compress(labels.tobytes(), 6)).decode(),
        }
        path.write_text(json.dumps(record, indent=1, ensure_ascii=False), encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> Split:
        """Read ``split.json``.

        Raises:
            RunFolderError: the file is damaged, or a part is not what its checksum says.
        """
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
            labels = np.frombuffer(zlib.decompress(base64.b64decode(record["labels"])), dtype=np.uint8)
            split = cls.from_labels(labels, record["how"])
            sums = record["sha256"]
        except (ValueError, KeyError, zlib.error) as error:
            raise RunFolderError(f"{path} is damaged: {error}") from error
        for name, rows in split.parts().items():
            if sums.get(name) != digest(rows):
                raise RunFolderError(f"{path} is damaged: the {name} rows do not match their SHA-256")
        return split


def _ascending(rows: np.ndarray) -> np.ndarray:
    return rows if (rows[1:] >= rows[:-1]).all() else np.sort(rows)


def digest(rows: np.ndarray) -> str:
    """SHA-256 of row positions."""
    return hashlib.sha256(rows.astype("<i8").tobytes()).hexdigest()
