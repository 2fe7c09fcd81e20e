"""Catalogue files: found in ``$COLONNADE_DATA``, else in the cache, else downloaded; the checksum is always checked."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from colonnade.core import files
from colonnade.core.errors import DataError, closest

PARTS = ("train", "val", "test")


@dataclass(frozen=True)
class CatalogFile:
    """One file of a data set, as a line under ``files:`` says.

    Args:
        file: its name in ``$COLONNADE_DATA`` and in the cache.
        sha256: of its bytes.
        url: where it can be downloaded with these bytes; None: nowhere that is known.
        part: ``"train"``, ``"val"`` or ``"test"`` in the official split, or None.
        add: constant columns, by name.
        rows: how many of its first rows belong to the set; None: all.
        original: the file as its publisher gives it, when ``file`` is a compressed or converted copy of it.

    Raises:
        ValueError: unknown part, or a checksum that is none.
    """

    file: str
    sha256: str
    url: str | None = None
    part: str | None = None
    add: Mapping[str, str] | None = None
    rows: int | None = None
    original: CatalogFile | None = None

    def __post_init__(self) -> None:
        if len(self.sha256) != 64:
            raise ValueError(f"files: the sha256 of {self.file} has {len(self.sha256)} digits, not 64")
        if self.part is not None and self.part not in PARTS:
            raise ValueError(f"files: part={self.part!r} of {self.file}: one of {', '.join(PARTS)}")

    @classmethod
    def from_dict(cls, entry: Mapping[str, Any]) -> CatalogFile:
        """From a line of YAML.

        Raises:
            ValueError: unknown or missing keys.
        """
        known = [f.name for f in fields(cls)]
        for key in entry:
            if key not in known:
                raise ValueError(f"files: unknown key '{key}'{closest(key, known)}")
        for key in ("file", "sha256"):
            if key not in entry:
                raise ValueError(f"files: an entry lacks '{key}' ({', '.join(f'{k}={v}' for k, v in entry.items())})")
        original = entry.get("original")
        return cls(**{**entry, "original": None if original is None else cls.from_dict(original)})


def locate(entry: CatalogFile, *, homepage: str | None = None) -> tuple[Path, CatalogFile]:
    """Find a file of the catalogue, or its original.

    Args:
        entry: what is wanted.
        homepage: where a person finds the data set, for the error.

    Returns:
        The path, and which of ``entry`` and ``entry.original`` lies there.

    Raises:
        DataError: see :func:`resolve`.
    """
    for candidate in (entry, entry.original):
        if candidate is not None and (path := _local(candidate.file, candidate.sha256)) is not None:
            return path, candidate
    chosen = entry if entry.url is not None or entry.original is None else entry.original
    return resolve(chosen.file, chosen.sha256, chosen.url, homepage=homepage), chosen


def resolve(file: str, sha256: str, url: str | None, *, homepage: str | None = None) -> Path:
    """Path of a file with the given checksum.

    Args:
        file: its name.
        sha256: of its bytes.
        url: where to download it from; None: it cannot be.
        homepage: where a person finds it, for the error.

    Raises:
        DataError: it is in neither place and cannot be downloaded, or other bytes were found or delivered.
    """
    path = _local(file, sha256)
    if path is not None:
        return path
    set_to = os.environ.get("COLONNADE_DATA")
    places = f"neither in $COLONNADE_DATA ({set_to or 'not set'}) nor in the cache ({cache_folder()})"
    if url is None:
        raise DataError(
            f"{file}: found {places}, and no download with a known checksum exists; "
            f"its source is {homepage or 'unknown'}: put {file} (sha256 {sha256}) into a folder and set "
            "COLONNADE_DATA to it"
        )
    import pooch

    try:
        return Path(pooch.retrieve(url, known_hash=f"sha256:{sha256}", fname=file, path=cache_folder()))
    except OSError as error:
        raise DataError(
            f"{file}: found {places}, and {url} cannot be reached ({type(error).__name__}): go online, or put {file} "
            "into a folder and set COLONNADE_DATA to it"
        ) from error
    except ValueError as error:
        raise DataError(
            f"{file}: {url} delivers other bytes than the catalogue knows (sha256 {sha256}): {error}"
        ) from error


def cache_folder() -> Path:
    """Where downloads are kept: the user's cache folder of the operating system."""
    import pooch

    return Path(pooch.os_cache("colonnade"))


def _local(file: str, sha256: str) -> Path | None:
    folder = os.environ.get("COLONNADE_DATA")
    if folder:
        path = Path(folder).expanduser() / file
        if path.is_file():
            found = files.sha256(path)
            if found != sha256:
                raise DataError(
                    f"{path}: not the file of the catalogue: expected sha256 {sha256}, found {found}: replace or "
                    "remove it"
                )
            return path
    # Other bytes in the cache are a broken download: fetched again.
    path = cache_folder() / file
    return path if path.is_file() and files.sha256(path) == sha256 else None
