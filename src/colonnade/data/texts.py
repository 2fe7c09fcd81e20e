"""Texts: columns of text as vectors, by an encoder that stands outside of torch, as the look-up of codes does."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import polars as pl

from colonnade.core.errors import ConfigError, RunFolderError, closest
from colonnade.core.schema import Kind, Schema
from colonnade.data.stored import stored_class

# Texts whose vectors are kept at most: of 384 numbers each they take 300 MB.
REMEMBERED = 200_000
# A text that every encoder gives a vector, of which a stored column holds the first numbers.
PROBE = "A colonnade is a sequence of columns."
_PROBED = 8
# How far they may be apart on another processor.
_APART = 1e-3


class TextEncoder(ABC):
    """Gives each text a vector, whatever other texts it is given with. Equal ones are of one class and equal options.

    Its constructor takes what :meth:`options` gives as keyword arguments, and is quick: what is large is loaded by the
    first :meth:`encode`.
    """

    @abstractmethod
    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Vectors of texts, ``(N, width)`` float32, finite; ``N`` is at least 1."""

    @abstractmethod
    def options(self) -> dict[str, Any]:
        """Constructor arguments, as plain JSON data."""

    def to_dict(self) -> dict[str, Any]:
        """Class and options, from which :func:`encoder_from` makes an equal one."""
        return {"class": f"{type(self).__module__}:{type(self).__qualname__}", "options": self.options()}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TextEncoder) and self.to_dict() == other.to_dict()

    def __hash__(self) -> int:
        return hash(json.dumps(self.to_dict(), sort_keys=True))


class Memory:
    """An encoder that encodes each text once.

    Args:
        encoder: encodes.
        limit: texts whose vectors are kept, the last ones.
    """

    def __init__(self, encoder: TextEncoder, limit: int = REMEMBERED) -> None:
        self.encoder = encoder
        self.limit = limit
        self._vectors: dict[str, np.ndarray] = {}

    def __call__(self, texts: Sequence[str]) -> np.ndarray:
        """Vectors of different texts, ``(N, width)`` float32; ``N`` is at least 1."""
        new = [text for text in texts if text not in self._vectors]
        if new:
            self._vectors.update(zip(new, self.encoder.encode(new), strict=True))
        found = np.stack([self._vectors[text] for text in texts])
        if len(self._vectors) > self.limit:
            self._vectors = dict(list(self._vectors.items())[-self.limit :])
        return found


@lru_cache(maxsize=4)
def memory_of(encoder: TextEncoder) -> Memory:
    """The memory that equal encoders of this process share: folds and members of an ensemble read the same texts."""
    return Memory(encoder)


@dataclass(frozen=True)
class TextColumn:
    """A column of text that becomes a vector.

    Args:
        name: of the column.
        encoder: gives the vectors.
        probe: first numbers of the vector of :data:`PROBE`, by which another encoder of the same name is known.
        width: numbers of a vector.
    """

    name: str
    encoder: TextEncoder
    probe: tuple[float, ...]
    width: int

    @classmethod
    def of(cls, name: str, encoder: TextEncoder) -> TextColumn:
        """A column, asking its encoder."""
        (vector,) = memory_of(encoder)([PROBE])
        return cls(name, encoder, tuple(vector[:_PROBED].tolist()), len(vector))

    @property
    def names(self) -> tuple[str, ...]:
        """Of the numbers of a vector."""
        return tuple(f"{self.name}[{i}]" for i in range(self.width))

    def code(self, frame: pl.DataFrame) -> tuple[pl.Series, np.ndarray]:
        """Positions ``(rows,)`` Int32 among the vectors of the different texts, and these, ``(1 + texts, width)``.

        The first vector is that of a missing text, NaN.

        Raises:
            RunFolderError: the encoder gives other vectors than the one that the column was fitted with.
        """
        memory = memory_of(self.encoder)
        (vector,) = memory([PROBE])
        if len(vector) != self.width or not np.allclose(vector[:_PROBED], self.probe, rtol=0, atol=_APART):
            raise RunFolderError(
                f"column '{self.name}': {json.dumps(self.encoder.options())} gives other vectors than the model that "
                "the run was trained with: put that one in its place, or train again"
            )
        texts = frame[self.name].cast(pl.String)
        different = texts.drop_nulls().unique().sort()
        nothing = np.full((1, self.width), np.nan, dtype=np.float32)
        vectors = np.concatenate([nothing, memory(different.to_list())]) if len(different) else nothing
        place = texts.cast(pl.Enum(different)).to_physical().cast(pl.Int32) + 1
        return place.fill_null(0), vectors

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON data; ``from_dict`` restores an equal column."""
        return {"name": self.name, "encoder": self.encoder.to_dict(), "probe": self.probe, "width": self.width}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> TextColumn:
        """Restore a column from :meth:`to_dict`."""
        return cls(data["name"], encoder_from(data["encoder"]), tuple(data["probe"]), data["width"])


def encoder_from(data: Mapping[str, Any]) -> TextEncoder:
    """An encoder from :meth:`TextEncoder.to_dict`.

    Raises:
        RunFolderError: see :func:`~colonnade.data.stored.stored_class`.
    """
    found: type[TextEncoder] = stored_class(str(data["class"]), TextEncoder, own="colonnade.data.", what="text encoder")
    return found(**data["options"])


class Texts:
    """Which columns of a table are embedded.

    Args:
        encoder: gives each text a vector.
        columns: of kind text or categorical; None: all of kind text. They are no categories then.
        n_components: principal components that are kept of the vectors of a column; None: all.

    Raises:
        ValueError: ``n_components`` below 1.
    """

    def __init__(
        self, *, encoder: TextEncoder, columns: Sequence[str] | None = None, n_components: int | None = 16
    ) -> None:
        if n_components is not None and n_components < 1:
            raise ValueError(f"n_components must be at least 1, or null, got {n_components!r}")
        self.encoder = encoder
        self.columns = columns
        self.n_components = n_components

    def find(self, schema: Schema) -> list[TextColumn]:
        """The columns of a table.

        Raises:
            ConfigError: one that is named is not there or holds no text, or there is none.
        """
        kinds = {name: schema.columns[name].kind for name in schema.features}
        able = [name for name, kind in kinds.items() if kind in (Kind.TEXT, Kind.CATEGORICAL)]
        wrong = [name for name in self.columns or () if name not in able]
        if wrong:
            raise ConfigError(
                "\n".join(
                    f"pipeline.texts.columns: there is no text '{name}' here{closest(name, able)}" for name in wrong
                )
            )
        names = [name for name in able if kinds[name] is Kind.TEXT] if self.columns is None else self.columns
        if not names:
            raise ConfigError(
                "pipeline.texts: no column is free text: data.columns.<name>=text, or pipeline.texts.columns=[<name>]"
            )
        return [TextColumn.of(name, self.encoder) for name in names]
