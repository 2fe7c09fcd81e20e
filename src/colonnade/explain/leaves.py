"""Leaves: exact Shapley values of trees against other rows, from which of two rows fulfils what leads to each leaf."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields

import numpy as np

from colonnade.baselines.trees import Nodes, Trees

PAIRS = 2**21
"""Pairs of two rows, with a leaf, that are looked at together: as many as stay in the processor's cache."""
BITS = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1, bitorder="little")
"""Of each byte, the lowest first."""
COUNT = BITS.sum(1)


def tree_values(
    trees: Trees, player: np.ndarray, n_players: int, rows: np.ndarray, others: np.ndarray, weight: np.ndarray
) -> np.ndarray:
    """Shapley values of a weighted sum of what trees say (interventional TreeSHAP, Lundberg et al., *From local
    explanations to global understanding with explainable AI for trees*, Nature Machine Intelligence 2020).

    On the way to a leaf, some players' conditions are fulfilled by both rows of a pair; one that neither fulfils rules
    the leaf out. Of ``p`` that only the explained row fulfils and ``q`` that only the other one does, each of the first
    is given ``(p - 1)! q! / (p + q)!`` of the leaf's value, and ``p! (q - 1)! / (p + q)!`` is taken from each of the
    second. Conditions are bits, so that all leaves of a tree are compared at once, not walked to.

    Args:
        trees: of any library.
        player: ``(features,)`` int64, the player that each feature of the trees belongs to.
        n_players: of them.
        rows: ``(N, features)`` float32, to be explained.
        others: ``(B, features)`` float32, to compare with; values are averaged over them.
        weight: ``(N, B, views, outputs)`` float64, of each output in what each pair is explained for.

    Returns:
        ``(N, players, views)`` float64; over the players they add up to the mean over the other rows of the weighted
        differences of the outputs.
    """
    views = weight.shape[2]
    n_bytes = 2 * -(-n_players // 16)
    # Of each row, by byte and by what it holds: those that are given and those that are taken from.
    sums = np.zeros((2, views, len(rows), n_bytes, 256))
    shares = _shares(n_players)
    for nodes, output in _each(trees):
        own, other = (_unfulfilled(nodes, player, some, n_bytes) for some in (rows, others))
        leaf = nodes.value[nodes.leaf]
        of_tree = weight[..., output : output + leaf.shape[1]]
        for some, i, b, at in _met(own, other):
            # Of the explained row alone: what the other one does not fulfil.
            alone = other[b, at].view(np.uint8), own[some][i, at].view(np.uint8)
            p, q = (COUNT[bits].sum(1) for bits in alone)
            told = np.einsum("pk,pvk->vp", leaf[at], of_tree[some][i, b])
            for side, bits in enumerate(alone):
                given = told * shares[side][p, q]
                for byte, held in enumerate(bits.T):
                    place = i * 256 + held
                    for view in range(views):
                        found = np.bincount(place, weights=given[view], minlength=len(own[some]) * 256)
                        sums[side, view, some, byte] += found.reshape(-1, 256)
    values = np.einsum("vnwh,hp->nwpv", sums[0] - sums[1], BITS) / len(others)
    return np.ascontiguousarray(values.reshape(len(rows), -1, views)[:, :n_players])


def _shares(n_players: int) -> tuple[np.ndarray, np.ndarray]:
    """By ``p`` and ``q``, what each of ``p`` is given and what is taken from each of ``q``; 0 where there are none."""
    factorial = np.concatenate([[0.0], np.log(np.arange(1, 2 * n_players + 1)).cumsum()])
    p, q = np.arange(1, n_players + 1)[:, None], np.arange(n_players + 1)
    given = np.exp(factorial[p - 1] + factorial[q] - factorial[p + q])
    given = np.concatenate([np.zeros((1, n_players + 1)), given])
    return given, given.T


def _each(trees: Trees) -> Iterator[tuple[Nodes, int]]:
    """The nodes of each tree, counted from its root, and the first output that it adds to."""
    nodes = trees.nodes
    for root, end, output in zip(trees.root, [*trees.root[1:], len(nodes)], trees.output, strict=True):
        of_tree = {field.name: getattr(nodes, field.name)[root:end] for field in fields(nodes)}
        yield Nodes(**of_tree | {side: of_tree[side] - root for side in ("left", "right")}), int(output)


def _unfulfilled(nodes: Nodes, player: np.ndarray, rows: np.ndarray, n_bytes: int) -> np.ndarray:
    """Players with a condition on the way to each leaf that a row does not fulfil, ``(N, leaves, words)`` of bits."""
    found = np.zeros((len(nodes), len(rows), n_bytes // 2), "<u2")
    columns, leaf = np.ascontiguousarray(rows.T), nodes.leaf
    level = np.array([0])
    while len(level := level[~leaf[level]]):
        feature, left, right = nodes.feature[level], nodes.left[level], nodes.right[level]
        x = columns[feature]
        goes_left = x <= nodes.threshold[level, None]
        goes_left |= np.isnan(x) & nodes.missing[level, None]
        of = player[feature]
        bit = np.zeros((len(level), 1, found.shape[2]), found.dtype)
        bit[np.arange(len(level)), 0, of // 16] = 1 << of % 16
        before = found[level]
        found[left] = before | bit * ~goes_left[..., None]
        found[right] = before | bit * goes_left[..., None]
        level = np.concatenate([left, right])
    return np.ascontiguousarray(found[leaf].swapaxes(0, 1))


def _met(rows: np.ndarray, others: np.ndarray) -> Iterator[tuple[slice, np.ndarray, np.ndarray, np.ndarray]]:
    """Some rows at a time: which, and positions of one of them, of another row, and of a leaf that is not ruled out."""
    size = max(1, PAIRS // (others.shape[0] * others.shape[1]))
    for first in range(0, len(rows), size):
        some = slice(first, first + size)
        ruled_out = rows[some, None, :, 0] & others[None, :, :, 0]
        for word in range(1, rows.shape[2]):
            ruled_out |= rows[some, None, :, word] & others[None, :, :, word]
        i, b, leaf = np.unravel_index(np.flatnonzero(ruled_out == 0), ruled_out.shape)
        yield some, i, b, leaf
