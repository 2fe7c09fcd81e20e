"""Auto: ``model=auto``, the model for a table that nobody has named one for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from omegaconf import DictConfig

from colonnade.config.build import build
from colonnade.config.pretraining import pretrains
from colonnade.core.errors import ConfigError

if TYPE_CHECKING:
    from colonnade.data.table import Table

WORD = "model=auto"
# Groups that say what the data are and what is asked of them; what belongs to a model is not known yet.
ABOUT_DATA = ("data", "task", "experiment")


DEFAULT = "tabm"
# A category of more levels is an identifier of sorts: of airports, of customers.
MANY_LEVELS = 100
# Rows from which on neighbours in a learned space are near enough, and up to which their part of train fits the context
# of tabr (50,000), all of which each step encodes.
NEIGHBOURS, MOST = 10_000, 75_000
# Columns beyond which the distances of all rows are alike.
WIDE = 100


@dataclass(frozen=True)
class Shape:
    """What the choice goes by.

    Args:
        rows: of the table.
        levels: of the category that has most among the features; 2 where there is none.
        dated: a feature is a date.
        columns: features.
    """

    rows: int
    levels: int
    dated: bool
    columns: int


def with_model(words: Sequence[str], compose: Callable[[Sequence[str]], DictConfig]) -> list[str]:
    """The words, with ``model=auto`` replaced by a model.

    The data are read for it, as nothing else tells their size; a pre-training takes ``tabm`` whatever they are.

    Args:
        words: overrides, as on the command line.
        compose: composes a configuration of words.

    Raises:
        ConfigError: the data are no table.
        DataError: they cannot be read, or have no target.
    """
    if WORD not in words:
        return list(words)
    cfg = compose([word for word in words if _group(word) in ABOUT_DATA])
    # Trees and retrieval take no pre-training.
    model = DEFAULT if pretrains(cfg) else choose(shape(cfg))
    return [f"model={model}" if word == WORD else word for word in words]


def choose(shape: Shape) -> str:
    """The model for a table.

    The thresholds are read off ``docs/benchmarks/shelf.md``, where eleven tables say what comes of them; ``MOST`` and
    ``WIDE``, which none of them reaches, are limits of looking things up.

    >>> choose(Shape(rows=50_000, levels=40, dated=False, columns=15))
    'tabm'
    """
    if shape.levels > MANY_LEVELS:
        # Statistics of the target by level, taken in order, learn from few rows of each.
        return "catboost"
    near = NEIGHBOURS <= shape.rows <= MOST and shape.columns <= WIDE
    if near and shape.levels <= 2 and not shape.dated:
        return "tabr"
    return DEFAULT


def shape(cfg: DictConfig) -> Shape:
    """Read the data of a configuration, and say what the choice goes by.

    Raises:
        ConfigError: the data are no table.
    """
    from colonnade.core.schema import Kind
    from colonnade.data.dataset import TableDataset

    dataset = build(cfg.data)
    if type(dataset) is not TableDataset:
        raise ConfigError(f"{WORD}: chooses for tables, and data={cfg.choices.data} holds sequences: name a model")
    table: Table = dataset.read()
    kinds = {name: table.schema.columns[name].kind for name in table.schema.features}
    levels = [table.frame[name].n_unique() for name, kind in kinds.items() if kind in (Kind.CATEGORICAL, Kind.ORDINAL)]
    return Shape(table.frame.height, max(levels, default=2), Kind.DATETIME in kinds.values(), len(kinds))


def _group(word: str) -> str:
    """The group, or the node, that a word is about."""
    return word.lstrip("+~").partition("=")[0].partition(".")[0].partition("@")[0]
