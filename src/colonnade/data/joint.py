"""Joint lookup: what several models look up in a frame, looked up once; and what each of them takes of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from colonnade.core.errors import ConfigError
from colonnade.data.columns import FIRST_LEVEL, MISSING, UNKNOWN
from colonnade.data.lookup import Category, Lookup
from colonnade.data.texts import TextColumn


@dataclass(frozen=True)
class Share:
    """What one model takes of the joint columns.

    Args:
        num, cat, time: positions of its columns among the joint ones, int64.
        codes: its code of each joint code, category after category, int64; levels that it does not know are unknown.
        offset: where each of its categories begins in ``codes``, int64.
    """

    num: Tensor
    cat: Tensor
    time: Tensor
    codes: Tensor
    offset: Tensor


def join(lookups: Sequence[Lookup]) -> tuple[Lookup, list[Share]]:
    """One lookup for several models, which were fitted on other rows and so know other levels, or other columns.

    Raises:
        ConfigError: a column is a Boolean to one model and text to another.
    """
    num = tuple(dict.fromkeys(name for lookup in lookups for name in lookup.num))
    time = tuple(dict.fromkeys(name for lookup in lookups for name in lookup.time))
    categories: dict[str, Category] = {}
    for category in (category for lookup in lookups for category in lookup.cat):
        known = categories.get(category.name, category)
        if known.boolean != category.boolean:
            raise ConfigError(f"column '{category.name}' is boolean to one member and categorical to another")
        levels = tuple(dict.fromkeys((*known.levels, *category.levels)))
        categories[category.name] = Category(category.name, category.boolean, levels)
    texts = tuple(dict.fromkeys(text for lookup in lookups for text in lookup.texts))
    joint = Lookup(num=num, cat=tuple(categories.values()), time=time, texts=texts)
    return joint, [_share(lookup, joint) for lookup in lookups]


def _share(lookup: Lookup, joint: Lookup) -> Share:
    places = {category.name: i for i, category in enumerate(joint.cat)}
    codes: list[int] = []
    offset: list[int] = []
    for category in lookup.cat:
        own = {level: code for code, level in enumerate(category.levels, FIRST_LEVEL)}
        offset.append(len(codes))
        codes += [MISSING, UNKNOWN, *(own.get(level, UNKNOWN) for level in joint.cat[places[category.name]].levels)]
    return Share(
        num=_positions([joint.num.index(name) for name in lookup.num] + _vectors(lookup, joint)),
        cat=_positions([places[category.name] for category in lookup.cat]),
        time=_positions([joint.time.index(name) for name in lookup.time]),
        codes=_positions(codes),
        offset=_positions(offset),
    )


def _vectors(lookup: Lookup, joint: Lookup) -> list[int]:
    """Where the numbers of its vectors are; two encoders may read one column."""
    start: dict[TextColumn, int] = {}
    end = len(joint.num)
    for text in joint.texts:
        start[text], end = end, end + text.width
    return [start[text] + i for text in lookup.texts for i in range(text.width)]


def _positions(values: Sequence[int]) -> Tensor:
    return torch.tensor(values, dtype=torch.int64)
