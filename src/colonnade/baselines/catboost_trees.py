"""Trees of CatBoost, from what the library writes as JSON: oblivious or not, with its statistics of categories."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import prod
from typing import Any

import numpy as np
import torch
from torch import Tensor

from colonnade.baselines.trees import Nodes, Set, Statistic, Trees, grown

MULTIPLIER = 0x4906BA494954CB65
"""Of the library's hash of a combination."""
UNUSED = 2**64 - 1
"""Key of an empty place in its tables."""
LARGEST = 2**15
"""Of combinations that there can be: of more, those that training held are looked up by their hash."""
COUNTERS = ("Counter", "FeatureFreq")
MEANS = ("BinarizedTargetMeanValue", "FloatTargetMeanValue")


@dataclass(frozen=True)
class Split:
    """Right where the feature is above the threshold; ``missing``: left where it is missing."""

    feature: int
    threshold: float
    missing: bool = True


def trees_of(model: Mapping[str, Any], *, n_num: int, cardinalities: Sequence[int]) -> Trees:
    """The trees of a model; what their sums begin at is left at 0.

    Args:
        model: its JSON, written with a pool that holds every code, so that it lists their hashes.
        n_num: numbers of a row.
        cardinalities: of its categorical columns; codes lie below.
    """
    about, n_cat = model["features_info"], len(cardinalities)
    hashes = torch.zeros(max(cardinalities, default=0), dtype=torch.int64)
    for entry in about.get("cat_features_hash", ()):
        hashes[int(entry["value"])] = int(np.uint32(entry["hash"]).astype(np.int32))
    code = {int(value): i for i, value in enumerate(hashes.tolist())}
    splits: list[Split] = []
    for entry in about.get("float_features", ()):
        missing = entry["nan_value_treatment"] != "AsTrue"
        splits += [Split(entry["feature_index"], border, missing) for border in entry["borders"] or ()]
    sets: dict[Set, int] = {}
    for entry in about.get("categorical_features", ()):
        for value in entry.get("values", ()):
            # A value that training held, and no code has: none can be equal to it.
            asked = entry["feature_index"], (code[value],) if value in code else ()
            splits.append(Split(sets.setdefault(asked, n_num + n_cat + len(sets)), 0.5))
    # Several numbers belong to one combination: it is looked up once for all of them.
    entries, alike = about.get("ctrs", ()), defaultdict(list)
    for entry in entries:
        alike[json.dumps(entry["elements"], sort_keys=True)].append(entry)
    statistics = [_statistic(group, model["ctr_data"], hashes, code, cardinalities) for group in alike.values()]
    first = n_num + n_cat + len(sets)
    feature = {id(entry): first + i for i, entry in enumerate(entry for group in alike.values() for entry in group)}
    for entry in entries:
        splits += [Split(feature[id(entry)], border) for border in entry["borders"]]
    scale = float(model["scale_and_bias"][0])
    if "oblivious_trees" in model:
        nodes = [_oblivious(tree, splits, scale) for tree in model["oblivious_trees"]]
    else:
        nodes = [_nested(tree, splits, scale) for tree in model["trees"]]
    n_outputs = nodes[0].value.shape[1]
    return grown(
        nodes,
        [0] * len(nodes),
        n_columns=n_num + n_cat,
        n_outputs=n_outputs,
        sets=sets,
        statistics=statistics,
    )


def _oblivious(tree: Mapping[str, Any], splits: Sequence[Split], scale: float) -> Nodes:
    """A tree that asks the same question on a whole level: bit ``i`` of a leaf's number answers question ``i``."""
    asked = [splits[split["split_index"]] for split in reversed(tree["splits"] or ())]
    n_leaves = 2 ** len(asked)
    value = np.array(tree["leaf_values"], np.float64).reshape(n_leaves, -1) * scale
    level = np.repeat(np.arange(len(asked)), 2 ** np.arange(len(asked)))
    inner, leaves = np.arange(n_leaves - 1), np.arange(n_leaves - 1, 2 * n_leaves - 1)

    def of_nodes(values: list[Any], dtype: type) -> np.ndarray:
        return np.concatenate([np.array(values, dtype)[level], np.zeros(n_leaves, dtype)])

    return Nodes(
        feature=of_nodes([split.feature for split in asked], np.int64),
        threshold=of_nodes([split.threshold for split in asked], np.float32),
        left=np.concatenate([2 * inner + 1, leaves]),
        right=np.concatenate([2 * inner + 2, leaves]),
        missing=of_nodes([split.missing for split in asked], bool),
        value=np.concatenate([np.zeros((n_leaves - 1, value.shape[1])), value]),
    )


def _nested(tree: Mapping[str, Any], splits: Sequence[Split], scale: float) -> Nodes:
    """A tree whose nodes ask each its own question."""
    order = [tree]
    for node in order:
        order += [node[side] for side in ("left", "right") if side in node]
    place = {id(node): i for i, node in enumerate(order)}
    asked = [splits[node["split"]["split_index"]] if "split" in node else None for node in order]
    values = [np.atleast_1d(node["value"]) if "value" in node else None for node in order]
    width = max(len(value) for value in values if value is not None)
    return Nodes(
        feature=np.array([0 if split is None else split.feature for split in asked], np.int64),
        threshold=np.array([0 if split is None else split.threshold for split in asked], np.float32),
        left=np.array([place[id(node.get("left", node))] for node in order], np.int64),
        right=np.array([place[id(node.get("right", node))] for node in order], np.int64),
        missing=np.array([split is not None and split.missing for split in asked], bool),
        value=np.array([np.zeros(width) if value is None else value * scale for value in values], np.float64),
    )


def _statistic(
    entries: Sequence[Mapping[str, Any]],
    data: Mapping[str, Mapping[str, Any]],
    hashes: Tensor,
    code: Mapping[int, int],
    cardinalities: Sequence[int],
) -> Statistic:
    """Ordered target statistics (Prokhorenkova et al., 2018) of a combination, as they stand at the end of training."""
    tables = [_table(entry, data[entry["identifier"]]) for entry in entries]
    keys = np.unique(np.concatenate([known for known, _ in tables]))
    values = np.empty((len(keys) + 1, len(tables)), np.float32)
    for column, (known, found) in enumerate(tables):
        values[:, column] = found[-1]
        values[np.searchsorted(keys, known), column] = found[:-1]
    combination = Combination(entries[0]["elements"], hashes, code, cardinalities)
    if combination.size > LARGEST:
        return Statistic(combination.key, keys, values)
    asked = combination.keys()
    place = np.searchsorted(keys, asked).clip(max=len(keys) - 1)
    return Statistic(combination.place, None, values[np.where(keys[place] == asked, place, len(keys))])


def _table(entry: Mapping[str, Any], data: Mapping[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """Keys ``(n,)`` that training held, and values ``(n + 1,)``, last for others."""
    stride = data["hash_stride"]
    table = np.array(data["hash_map"], dtype=object).reshape(-1, stride)
    used = np.array([int(key) != UNUSED for key in table[:, 0]], bool)
    keys = np.array([int(key) for key in table[used, 0]], np.uint64).astype(np.int64)
    counts = np.append(table[used, 1:].astype(np.float64), np.zeros((1, stride - 1)), axis=0)
    kind, border = entry["ctr_type"], entry["target_border_idx"]
    if kind in COUNTERS:
        good, total = counts[:, 0], np.full(len(counts), float(data["counter_denominator"]))
    elif kind in MEANS:
        good, total = counts[:, 0], counts[:, 1]
    else:
        good = counts[:, border] if kind == "Buckets" else counts[:, border + 1 :].sum(1)
        total = counts.sum(1)
    share = (good + entry["prior_numerator"]) / (total + entry["prior_denomerator"])
    return keys, ((share + entry["shift"]) * entry["scale"]).astype(np.float32)


class Combination:
    """A combination of categories and answers: the library's hash of it, and its place among all that there can be.

    Args:
        elements: of the library.
        hashes: ``(levels,)`` int64, of each code.
        code: of each hash.
        cardinalities: of the categorical columns.
    """

    def __init__(
        self,
        elements: Sequence[Mapping[str, Any]],
        hashes: Tensor,
        code: Mapping[int, int],
        cardinalities: Sequence[int],
    ) -> None:
        self.parts: list[Callable[[Tensor, Tensor], Tensor]] = []
        self.hashes: list[Tensor] = []
        for element in elements:
            match element["combination_element"]:
                case "cat_feature_value":
                    column = element["cat_feature_index"]
                    self.parts.append(partial(_level, column))
                    self.hashes.append(hashes[: cardinalities[column]])
                case "cat_feature_exact_value":
                    self.parts.append(partial(_is, element["cat_feature_index"], code.get(element["value"], -1)))
                    self.hashes.append(torch.arange(2))
                case _:
                    self.parts.append(partial(_above, element["float_feature_index"], element["border"]))
                    self.hashes.append(torch.arange(2))
        self.size = prod(map(len, self.hashes))

    def key(self, num: Tensor, cat: Tensor) -> Tensor:
        """The hash ``(B,)`` of rows, which wraps around at 64 bits."""
        return _hash([hashes[part(num, cat)] for hashes, part in zip(self.hashes, self.parts)])

    def place(self, num: Tensor, cat: Tensor) -> Tensor:
        """Where rows ``(B,)`` lie among :meth:`keys`."""
        first, *others = zip(self.hashes, self.parts)
        found = first[1](num, cat)
        for hashes, part in others:
            found = found * len(hashes) + part(num, cat)
        return found

    def keys(self) -> np.ndarray:
        """Hashes ``(size,)`` of all combinations."""
        grid = torch.meshgrid(self.hashes, indexing="ij")
        return _hash([hashes.flatten() for hashes in grid]).numpy()


def _hash(parts: Sequence[Tensor]) -> Tensor:
    found = torch.zeros_like(parts[0])
    for part in parts:
        found = MULTIPLIER * (found + MULTIPLIER * part)
    return found


def _level(column: int, num: Tensor, cat: Tensor) -> Tensor:
    return cat[:, column]


def _is(column: int, code: int, num: Tensor, cat: Tensor) -> Tensor:
    return (cat[:, column] == code).long()


def _above(column: int, border: float, num: Tensor, cat: Tensor) -> Tensor:
    return (num[:, column] > border).long()
