"""Memory-mapped stores: encoded rows in files, written once and found again by a fingerprint of what made them."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import torch
from filelock import FileLock
from torch import Tensor

from colonnade.core.errors import DataError
from colonnade.core.files import sha256, sync
from colonnade.data.store import CODE_DTYPE, encoded_bytes

log = logging.getLogger(__name__)

MANIFEST = "manifest.json"
# Raise when the layout of the files changes: older folders are then not found.
FORMAT = 1
# Room left on the disk beside the store.
_SPARE = 64 * 2**20


@dataclass(frozen=True)
class Part:
    """Rows to be encoded.

    Args:
        n_rows: how many.
        fill: writes them into ``num (N, F)`` float32 and ``cat (N, K)`` int32.
    """

    n_rows: int
    fill: Callable[[Tensor, Tensor], None]


def fingerprint(pipeline_folder: Path, frame: pl.DataFrame, rows: Mapping[str, np.ndarray], seed: int) -> str:
    """Key of everything that decides the encoded rows.

    Args:
        pipeline_folder: where the fitted pipeline was saved; its configuration and its state are in there.
        frame: all rows, typed by the schema. Their content counts, so that it does not matter where they were read
            from.
        rows: row indices of each part.
        seed: of folds in cross-fitted steps.
    """
    digest = hashlib.sha256(f"{FORMAT} {pl.__version__} {torch.__version__} {seed} {frame.schema}".encode())
    for path in sorted(p for p in pipeline_folder.rglob("*") if p.is_file()):
        digest.update(path.name.encode())
        digest.update(path.read_bytes())
    digest.update(frame.hash_rows().to_numpy().tobytes())
    for name, index in rows.items():
        digest.update(f"{name} {len(index)}".encode())
        digest.update(np.ascontiguousarray(index, dtype=np.int64).tobytes())
    return digest.hexdigest()


def mapped_parts(
    cache_dir: Path, key: str, parts: Mapping[str, Part], *, n_num: int, n_cat: int
) -> dict[str, tuple[Tensor, Tensor]]:
    """Encoded rows as tensors over files.

    A store of the same key is used again if its files are whole; otherwise it is written: into a temporary folder that
    is renamed at the end, so that no other process ever sees half a store. Other processes wait meanwhile.

    Args:
        cache_dir: where stores lie.
        key: see :func:`fingerprint`.
        parts: what to encode, by name.
        n_num, n_cat: encoded columns.

    Returns:
        ``num (N, F)`` float32 and ``cat (N, K)`` int32 of each part. Writing to them does not reach the files.

    Raises:
        DataError: the disk has too little room.
    """
    folder = cache_dir / key
    cache_dir.mkdir(parents=True, exist_ok=True)
    with FileLock(cache_dir / f"{key}.lock"):
        if not _whole(folder):
            _write(folder, parts, n_num, n_cat)
    return {name: _open(folder, name, part.n_rows, n_num, n_cat, write=False) for name, part in parts.items()}


def _write(folder: Path, parts: Mapping[str, Part], n_num: int, n_cat: int) -> None:
    need = encoded_bytes(sum(part.n_rows for part in parts.values()), n_num, n_cat)
    free = shutil.disk_usage(folder.parent).free
    if free < need + _SPARE:
        raise DataError(
            f"the encoded data need {need / 2**30:.2f} GiB in '{folder.parent}', but {free / 2**30:.2f} are free; "
            "name another folder with loader.cache_dir=, or raise loader.memory_limit="
        )
    log.info("writing the encoded data (%.2f GiB) to '%s'", need / 2**30, folder)
    temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name[:12]}."))
    try:
        for name, part in parts.items():
            part.fill(*_open(temporary, name, part.n_rows, n_num, n_cat, write=True))
        sums = {}
        for path in sorted(temporary.iterdir()):
            sync(path)
            sums[path.name] = sha256(path)
        manifest = temporary / MANIFEST
        manifest.write_text(json.dumps(sums, indent=1), encoding="utf-8")
        sync(manifest)
        shutil.rmtree(folder, ignore_errors=True)
        temporary.rename(folder)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def _open(folder: Path, name: str, n_rows: int, n_num: int, n_cat: int, *, write: bool) -> tuple[Tensor, Tensor]:
    num = _map(folder / f"{name}.num", (n_rows, n_num), torch.float32, write=write)
    return num, _map(folder / f"{name}.cat", (n_rows, n_cat), CODE_DTYPE, write=write)


def _map(path: Path, shape: tuple[int, int], dtype: torch.dtype, *, write: bool) -> Tensor:
    size = shape[0] * shape[1]
    if write:
        with path.open("wb") as file:
            # A write into a mapped file on a full disk kills the process: take the room now, where it is an error.
            if size and sys.platform == "linux":
                os.posix_fallocate(file.fileno(), 0, size * dtype.itemsize)
    if size == 0:  # no system maps an empty file
        return torch.empty(shape, dtype=dtype)
    return torch.from_file(str(path), shared=write, size=size, dtype=dtype).view(shape)


def _whole(folder: Path) -> bool:
    """Whether a store is there and every file has the SHA-256 that was written down."""
    manifest = folder / MANIFEST
    if not manifest.exists():
        return False
    sums: dict[str, str] = json.loads(manifest.read_text(encoding="utf-8"))
    for name, digest in sums.items():
        path = folder / name
        if not path.exists() or sha256(path) != digest:
            log.warning("'%s' of the encoded data in '%s' is damaged: encoding anew", name, folder)
            return False
    log.info("using the encoded data in '%s'", folder)
    return True
