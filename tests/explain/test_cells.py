"""Cells of series: what is exchanged, and what their contributions are of functions that are known."""

import numpy as np
import pytest
import torch
from torch import nn

from colonnade.core.batch import Batch
from colonnade.core.output import Output
from colonnade.explain.cells import Cells
from colonnade.explain.deletion import deletion
from colonnade.explain.over_time import BINS, OverTime
from colonnade.explain.shapley import permutation_shapley

from .kit import first, scores, sources


class OfSteps(nn.Module):
    """``function`` of the numbers of series whose padding is zero, ``(B, T, F)`` to ``(B, 1)``."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, batch):
        num = batch.num if batch.mask is None else batch.num * batch.mask[..., None]
        return Output(raw=self.function(num)[:, None, None])


def series(lengths, n=2, seed=0):
    t = max(lengths)
    num = torch.randn(len(lengths), t, n, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    mask = torch.arange(t) < torch.tensor(lengths)[:, None]
    return Batch(num=num, cat=torch.zeros(len(lengths), t, 0, dtype=torch.int64), mask=mask)


def cells(function, *, n=2, steps=16):
    return Cells(OfSteps(function), scores(), sources(n), steps=steps)


def test_parts_of_the_time():
    game = cells(lambda x: x.sum((1, 2)))
    assert (game.parts, game.n_players) == (8, 16)
    assert game.part_of(series([16, 8, 4]))[0].tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7]
    assert game.part_of(series([16, 8, 4]))[1, :8].tolist() == list(range(8))
    assert game.part_of(series([16, 8, 4]))[2, :4].tolist() == [0, 2, 4, 6]
    assert cells(lambda x: x.sum((1, 2)), n=30).parts == 2, "many columns have fewer parts"
    assert cells(lambda x: x.sum((1, 2)), n=100).parts == 1
    assert cells(lambda x: x.sum((1, 2)), steps=3).parts == 3


def test_a_cell_comes_from_the_same_share_of_the_other_series():
    game = cells(lambda x: x.sum((1, 2)), steps=8)
    rows, other = series([8, 4]), series([2], seed=1)
    kept = torch.ones(2, game.n_players, dtype=torch.bool)
    assert torch.allclose(game.value(rows, other, kept), game(rows))
    # The second column of the last part: one step of the long series, none of the short one.
    kept[:, -1] = False
    change = game.value(rows, other, kept) - game(rows)
    assert change[0, 0].item() == pytest.approx((other.num[0, 1, 1] - rows.num[0, 7, 1]).item())
    assert change[1, 0] == 0
    stretched = game.value(rows, other, torch.zeros_like(kept))
    np.testing.assert_allclose(stretched[:, 0], [4 * other.num[0].sum(), 2 * other.num[0].sum()])


def test_shapley_values_of_a_sum_are_its_terms():
    weight = torch.tensor([1.0, -2.0], dtype=torch.float64)
    game = cells(lambda x: (x @ weight).sum(1), steps=16)
    rows, others = series([16, 8]), series([16, 16, 4], seed=1)
    found = permutation_shapley(game, rows, others, first(2), seed=0)
    assert found.values.shape == (2, 16, 1)
    by_step = game.spread(found.values, rows)
    assert by_step.shape == (2, 16, 2, 1)
    np.testing.assert_allclose(by_step.sum((1, 2, 3)), game(rows)[:, 0] - found.base[:, 0])
    assert not by_step[1, 8:].any(), "the padding contributes nothing"
    stretched = torch.stack([others.num[b][torch.arange(8) * n // 8] for b, n in enumerate((16, 16, 4))]).mean(0)
    np.testing.assert_allclose(by_step[1, :8, :, 0], weight * (rows.num[1, :8] - stretched), atol=1e-12)
    np.testing.assert_allclose(game.summed(by_step, rows), found.values)


def test_deletion_follows_what_matters():
    game = cells(lambda x: x[:, 12:, 1].sum(1), steps=16)
    rows, others = series([16] * 12), series([16] * 6, seed=1)
    found = permutation_shapley(game, rows, others, first(12), seed=0)
    # The second column of the last two parts.
    assert found.values[:, :, 0].abs().gt(1e-12).any(0).nonzero()[:, 0].tolist() == [13, 15]
    curve = deletion(
        game, rows, others, torch.zeros(12).long(), found.values[..., 0], signed=True, orders=2, seed=0, points=5
    )
    assert curve.deleted.tolist() == [0, 4, 8, 12, 16]
    assert curve.ratio > 1.3


def test_series_of_several_lengths_are_laid_over_each_other():
    values = np.zeros((2, 100, 1))
    values[0, :50, 0] = 1.0
    values[1, 5:10, 0] = -1.0
    over_time = OverTime(values=values, lengths=np.array([100, 10]), forecast=False)
    assert over_time.axis == "share of the series"
    size = over_time.magnitude[:, 0]
    assert len(size) == len(over_time.positions) == BINS
    np.testing.assert_allclose(size[: BINS // 2], 0.5 * 100 / BINS)
    np.testing.assert_allclose(size[BINS // 2 :], 0.5 * 10 / BINS)
    assert size.sum() == pytest.approx(np.abs(values).sum((1, 2)).mean()), "nothing is lost"
    assert over_time.of(1).shape == (10, 1)
    whole = OverTime(values=values[:1], lengths=np.array([100]), forecast=True)
    assert (whole.axis, whole.positions[0], whole.positions[-1]) == ("steps before the forecast", -100, -1)
    np.testing.assert_allclose(whole.magnitude, values[0])
