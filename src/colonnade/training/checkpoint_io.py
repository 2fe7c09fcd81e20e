"""AtomicCheckpointIO: checkpoints that are whole or not there, verified when they are loaded."""

from __future__ import annotations

import errno
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.plugins.io import CheckpointIO

from colonnade.core.errors import RunFolderError, TrainingError
from colonnade.core.files import replacing, write_atomic
from colonnade.training import manifest

_URL = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]+://")


class AtomicCheckpointIO(CheckpointIO):
    """Writes through a temporary file in the same folder, notes the digest in its manifest, and loads plain data
    only."""

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Mapping[str, str] | None = None
    ) -> None:
        """Write a checkpoint, then list it.

        Args:
            checkpoint: plain data and tensors.
            path: where to.
            storage_options: ``{"kind": "best"}`` or ``{"kind": "recovery"}``, for the manifest.

        Raises:
            TrainingError: the disk is full or the folder cannot be written; what stood there before is kept.
        """
        path = local(path)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            entries = [entry for entry in manifest.read(path.parent) if entry.file != path.name]
            if path.exists():
                # Unlisted first: between two writes the digest would be that of the other file.
                manifest.write(path.parent, entries)
            with replacing(path) as file:
                hashing = manifest.HashingFile(file)
                torch.save(without_surroundings(checkpoint), hashing)  # type: ignore[arg-type]
            entries.append(
                manifest.Entry(
                    file=path.name,
                    kind=(storage_options or {}).get("kind", "other"),
                    sha256=hashing.hexdigest(),
                    size=hashing.size,
                    epoch=checkpoint.get("epoch", 0),
                    step=checkpoint.get("global_step", 0),
                )
            )
            manifest.write(path.parent, entries)
        except (OSError, RuntimeError) as error:
            raise TrainingError(_cannot_write(path, error)) from error

    def load_checkpoint(
        self, path: str | Path, map_location: Any = "cpu", weights_only: bool | None = None
    ) -> dict[str, Any]:
        """Read a checkpoint after comparing it with its digest; never unpickles code, whatever is asked for.

        Raises:
            RunFolderError: the file is missing, damaged, no checkpoint, or a URL.
        """
        path = local(path)
        entry = next((e for e in manifest.read(path.parent) if e.file == path.name), None)
        fault = manifest.damage(path, entry) if entry is not None else None
        if fault is None and not path.exists():
            fault = f"checkpoint '{path}' does not exist"
        if fault is not None:
            raise RunFolderError(f"{fault}; run the same training again, and it resumes from an intact one")
        try:
            checkpoint: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        except Exception as error:  # torch.load raises as many types as its file formats have readers
            raise RunFolderError(f"'{path}' is no checkpoint of plain data: {error}") from error
        return checkpoint

    def remove_checkpoint(self, path: str | Path) -> None:
        """Unlist a checkpoint, then remove it."""
        path = local(path)
        entries = manifest.read(path.parent)
        kept = [entry for entry in entries if entry.file != path.name]
        if len(kept) < len(entries):
            manifest.write(path.parent, kept)
        path.unlink(missing_ok=True)


def without_surroundings(node: Any) -> Any:
    """Plain data whose tensors hold no more than themselves: torch writes with a view all that it is a view of."""
    if isinstance(node, torch.Tensor):
        return node.clone() if node.untyped_storage().nbytes() > node.nbytes else node
    if isinstance(node, dict):
        return type(node)((key, without_surroundings(value)) for key, value in node.items())
    if isinstance(node, list):
        return [without_surroundings(value) for value in node]
    return node


def latest_recovery(checkpoints: Path) -> Path | None:
    """The newest intact recovery checkpoint of a folder, by its manifest; None if there is none."""
    return manifest.newest_intact(checkpoints, manifest.RECOVERY)


def best_checkpoint(checkpoints: Path) -> Path | None:
    """The intact best checkpoint of a folder, by its manifest; None if there is none."""
    return manifest.newest_intact(checkpoints, manifest.BEST)


def preflight(folder: Path, size: int) -> None:
    """Write a little and compare the room with what a training will need, before it has cost anything.

    Args:
        folder: where checkpoints will be.
        size: bytes of all checkpoints together.

    Raises:
        TrainingError: the folder cannot be written, or the disk has too little room.
    """
    probe = folder / ".probe"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_atomic(probe, b"0" * 4096)
        probe.unlink()
    except OSError as error:
        raise TrainingError(_cannot_write(probe, error)) from error
    free = shutil.disk_usage(folder).free
    if free < size:
        raise TrainingError(
            f"checkpoints need about {size / 1e6:,.0f} MB in '{folder}', where {free / 1e6:,.0f} MB are free: make "
            "room, or write the run elsewhere"
        )


def local(path: str | Path) -> Path:
    """``path`` as a local path.

    Raises:
        RunFolderError: it is a URL, which Lightning would load by pickle.
    """
    if _URL.match(str(path)):
        raise RunFolderError(f"'{path}' is a URL: checkpoints are loaded from local files only; download it first")
    return Path(path)


def _cannot_write(path: Path, error: OSError | RuntimeError) -> str:
    """Text for a checkpoint that cannot be written; torch hides the cause of a failed write in a RuntimeError."""
    cause = error.__context__ if isinstance(error, RuntimeError) and isinstance(error.__context__, OSError) else error
    full = isinstance(cause, OSError) and cause.errno in (errno.ENOSPC, errno.EDQUOT)
    free = shutil.disk_usage(path.parent).free if path.parent.exists() else 0
    why = f"the disk is full ({free / 1e6:,.0f} MB free)" if full else str(cause)
    return (
        f"cannot write checkpoint '{path}': {why}. The checkpoint before it is kept; make room and run the same "
        "command again"
    )
