"""Trees of CatBoost, from what the library writes as JSON: oblivious or not, with its statistics of categories."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from colonnade.baselines.trees import Nodes, Set, Statistic, Trees, grown

MULTIPLIER = 0x4906BA494954CB65
"""Of the library's hash of a combination."""
UNUSED = 2**64 - 1
"""Key of an empty place in its tables."""
COUNTERS = ("Counter", "FeatureFreq")
MEANS = ("BinarizedTargetMeanValue", "FloatTargetMeanValue")


@dataclass(frozen=True)
class Split:
    """Right where the feature is above the threshold; ``missing``: left where it is missing."""

    feature: int
    threshold: float
    missing: bool = True


def trees_of(model: Mapping[str, Any], *, n_num: int, n_cat: int, n_levels: int) -> Trees:
    """The trees of a model; what their sums begin at is left at 0.

    Args:
        model: its JSON, written with a pool that holds every code, so that it lists their hashes.
        n_num, n_cat: columns of a row.
        n_levels: codes of all categorical columns lie below.
    """
    about = model["features_info"]
    hashes = torch.zeros(n_levels, dtype=torch.int64)
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
    statistics = []
    for feature, entry in enumerate(about.get("ctrs", ()), n_num + n_cat + len(sets)):
        statistics.append(_statistic(entry, model["ctr_data"][entry["identifier"]], hashes, code))
        splits += [Split(feature, border) for border in entry["borders"]]
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


def _statistic(entry: Mapping[str, Any], data: Mapping[str, Any], hashes: Tensor, code: Mapping[int, int]) -> Statistic:
    """An ordered target statistic (Prokhorenkova et al., 2018), as it stands at the end of the training."""
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
    value = ((share + entry["shift"]) * entry["scale"]).astype(np.float32)
    return Statistic(_key(entry["elements"], hashes, code), keys, value[:, None])


def _key(
    elements: Sequence[Mapping[str, Any]], hashes: Tensor, code: Mapping[int, int]
) -> Callable[[Tensor, Tensor], Tensor]:
    """The hash of a combination of categories and answers, which wraps around at 64 bits."""
    multiplier = MULTIPLIER

    def key(num: Tensor, cat: Tensor) -> Tensor:
        found = torch.zeros_like(cat[:, 0])
        for element in elements:
            match element["combination_element"]:
                case "cat_feature_value":
                    part = hashes[cat[:, element["cat_feature_index"]]]
                case "cat_feature_exact_value":
                    part = (cat[:, element["cat_feature_index"]] == code.get(element["value"], -1)).long()
                case _:
                    part = (num[:, element["float_feature_index"]] > element["border"]).long()
            found = multiplier * (found + multiplier * part)
        return found

    return key
