"""Oblivious: trees that ask one question on each level, as products: all questions at once, then the leaves."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from colonnade.baselines.trees import Trees

GROUP = 32
"""Trees that look for their leaves by one product, which grows with their number and with that of their questions."""


class ObliviousSums(nn.Module):
    """What oblivious trees (:class:`~colonnade.baselines.catboost.CatBoost`) say of rows.

    A leaf is found by the sum of the powers of two of the questions that hold: a matrix for each group of trees, times
    the answers to its questions. ONNX's own operator follows each row through each tree, one node after the other.

    Args:
        trees: such as :func:`oblivious` finds.
        features, thresholds: ``(T, depth)``, what each tree asks for, first question first; of trees with fewer
            questions, thresholds behind them are infinite.
    """

    feature: Tensor
    threshold: Tensor
    power: Tensor
    leaf: Tensor
    base: Tensor
    share: Tensor | None
    first: Tensor | None

    def __init__(self, trees: Trees, features: np.ndarray, thresholds: np.ndarray) -> None:
        super().__init__()
        n_trees, depth = features.shape
        width = trees.nodes.value.shape[1]
        asked = [list(zip(*questions)) for questions in zip(features.tolist(), thresholds.tolist())]
        starts = range(0, n_trees, GROUP)
        # The questions of each group, each once.
        groups = [list(dict.fromkeys(q for tree in asked[i : i + GROUP] for q in tree)) for i in starts]
        n_questions, n_padded = max(map(len, groups)), min(GROUP, n_trees) * len(groups)
        feature = torch.zeros((len(groups), n_questions), dtype=torch.int64)
        threshold = torch.full((len(groups), n_questions, 1), torch.inf)
        power = torch.zeros((len(groups), n_padded // len(groups), n_questions))
        for i, questions in enumerate(groups):
            place = {question: j for j, question in enumerate(questions)}
            feature[i, : len(place)] = torch.tensor([q[0] for q in questions])
            threshold[i, : len(place), 0] = torch.tensor([q[1] for q in questions])
            for j, tree in enumerate(asked[i * GROUP : (i + 1) * GROUP]):
                for level, question in enumerate(tree):
                    # A tree may ask twice.
                    power[i, j, place[question]] += 2 ** (depth - 1 - level)
        leaf = torch.zeros((n_padded, 2**depth, width))
        leaf[:n_trees] = torch.from_numpy(_leaves(trees, depth))
        self.register_buffer("feature", feature)
        self.register_buffer("threshold", threshold)
        self.register_buffer("power", power)
        self.register_buffer("base", torch.from_numpy(trees.base).to(torch.float32))
        share, first = None, None
        if width == 1:
            share = torch.zeros((len(trees.base), n_padded))
            share[trees.output, torch.arange(n_trees)] = 1.0
            leaf = leaf.squeeze(-1)
        else:
            first = torch.arange(n_padded).unsqueeze(1) * 2**depth
            leaf = leaf.flatten(0, 1)
        self.register_buffer("leaf", leaf)
        self.register_buffer("share", share)
        self.register_buffer("first", first)

    def forward(self, features: Tensor) -> Tensor:
        """``(B, features)`` float32 to ``(B, outputs)``."""
        holds = features.T[self.feature] > self.threshold
        place = (self.power @ holds.to(torch.float32)).to(torch.int64).flatten(0, 1)
        if self.first is not None:
            return self.leaf[place + self.first].sum(0) + self.base
        assert self.share is not None
        return (self.share @ self.leaf.gather(1, place)).T + self.base


def oblivious(trees: Trees) -> ObliviousSums | None:
    """Trees as products; None: they are not oblivious, or a missing number goes right in them.

    Args:
        trees: of any kind.
    """
    nodes, width = trees.nodes, trees.nodes.value.shape[1]
    if (~nodes.missing & ~nodes.leaf).any() or (width > 1 and trees.output.any()):
        return None
    sizes = np.diff(np.append(trees.root, len(nodes)))
    depths = np.log2(sizes + 1).astype(int) - 1
    depth = int(depths.max())
    features = np.zeros((len(sizes), depth), np.int64)
    thresholds = np.full((len(sizes), depth), np.inf, np.float32)
    for i, (root, size) in enumerate(zip(trees.root, sizes)):
        inner = np.arange(size // 2)
        below = nodes.left[root + inner] - root, nodes.right[root + inner] - root
        if size + 1 & size or (below[0] != 2 * inner + 1).any() or (below[1] != 2 * inner + 2).any():
            return None
        level = np.log2(inner + 1).astype(int)
        first = root + 2 ** np.arange(depths[i]) - 1
        for of_tree, of_nodes in ((features, nodes.feature), (thresholds, nodes.threshold)):
            of_tree[i, : depths[i]] = of_nodes[first]
            if (of_nodes[first][level] != of_nodes[root + inner]).any():
                return None
    return ObliviousSums(trees, features, thresholds)


def _leaves(trees: Trees, depth: int) -> np.ndarray:
    """Values ``(T, 2**depth, width)`` of the leaves; those of a tree with fewer levels lie where no more hold."""
    found = np.zeros((len(trees.root), 2**depth, trees.nodes.value.shape[1]), np.float32)
    for i, (start, stop) in enumerate(zip(trees.root, np.append(trees.root[1:], len(trees.nodes)))):
        values = trees.nodes.value[start:stop][trees.nodes.leaf[start:stop]]
        found[i, :: 2**depth // len(values)] = values
    return found
