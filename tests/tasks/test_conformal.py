"""Intervals and sets against loops over rows and classes; disagreement of members against the formulas."""

import numpy as np
import pytest
import torch
from scipy.stats import entropy

from colonnade.core.draw import row_draw
from colonnade.tasks.binary import Binary
from colonnade.tasks.calibrator import Calibrator
from colonnade.tasks.combine import WeightedMean
from colonnade.tasks.conformal import AbsoluteResidual, Adaptive, LeastAmbiguous, QuantileResidual
from colonnade.tasks.disagreement import MemberCombiner, MemberDecoder
from colonnade.tasks.multiclass import Multiclass
from colonnade.tasks.multilabel import Multilabel
from colonnade.tasks.quantile import Quantile
from colonnade.tasks.regression import Regression
from colonnade.tasks.scaling import Temperature
from colonnade.testing.tasks import example_raw, ready

N, C = 40, 5
RNG = np.random.default_rng(0)
PROBABILITY = torch.from_numpy(RNG.dirichlet(np.ones(C), N))
CODES = torch.from_numpy(RNG.integers(0, 3, N))


def test_values_get_as_much_to_both_sides():
    value, threshold = torch.randn(N, 2).double(), torch.tensor([[1.0, 20.0], [2.0, 30.0], [3.0, 40.0]])
    found = AbsoluteResidual(threshold)({"value": value}, CODES)
    torch.testing.assert_close(found["upper"] - value, threshold.double()[CODES])
    torch.testing.assert_close(value - found["lower"], threshold.double()[CODES])


def test_quantiles_move_apart_or_together_and_do_not_cross():
    quantile = torch.randn(N, 1, 3).double().sort(2).values
    low, high = quantile[:, :, 0], quantile[:, :, 2]
    wide = QuantileResidual(torch.tensor([[0.5]]), low=0, high=2)({"quantile": quantile}, None)
    torch.testing.assert_close(wide["lower"], low - 0.5)
    torch.testing.assert_close(wide["upper"], high + 0.5)
    narrow = QuantileResidual(torch.tensor([[-1.0]]), low=0, high=2)({"quantile": quantile}, None)
    crossed = high - low < 2
    assert 0 < int(crossed.sum()) < N
    torch.testing.assert_close(narrow["lower"], torch.where(crossed, (low + high) / 2, low + 1))
    torch.testing.assert_close(narrow["upper"], torch.where(crossed, (low + high) / 2, high - 1))


def test_the_least_ambiguous_sets_hold_what_is_likely_enough():
    threshold = torch.tensor([[0.5], [0.7], [0.9]])
    found = LeastAmbiguous(threshold)({"probability": PROBABILITY}, CODES)["set"]
    assert torch.equal(found, (1 - threshold.double()[CODES] <= PROBABILITY).long())
    assert found.dtype == torch.int64


@pytest.mark.parametrize(("penalty", "free"), [(0.0, 0), (0.05, 2)])
def test_adaptive_sets_grow_until_they_are_likely_enough(penalty, free):
    threshold = 0.6
    found = Adaptive(torch.tensor([[threshold]]), penalty=penalty, free=free)({"probability": PROBABILITY}, None)["set"]
    for row, chosen in zip(PROBABILITY.numpy(), found.numpy()):
        mass, expected = 0.0, np.zeros(C)
        for rank, label in enumerate(np.argsort(-row), 1):
            if mass + penalty * max(0, rank - free) <= threshold:
                expected[label] = 1
            mass += row[label]
        np.testing.assert_array_equal(chosen, expected)
        assert chosen[row.argmax()] == 1
    assert len(np.unique(found.sum(1))) > 1


def test_of_a_class_at_which_a_randomized_set_ends_a_share_is_drawn():
    """It is in the set where what comes before it and the drawn share of it do not pass the threshold."""
    drawn = torch.from_numpy(RNG.uniform(size=N))
    module = Adaptive(torch.tensor([[0.3]]), penalty=0.05, free=2, randomized=True)
    found = module({"probability": PROBABILITY, "draw": drawn}, None)["set"]
    for row, share, chosen in zip(PROBABILITY.numpy(), drawn.tolist(), found.numpy()):
        mass, expected = 0.0, np.zeros(C)
        for rank, label in enumerate(np.argsort(-row), 1):
            expected[label] = mass + share * row[label] + 0.05 * max(0, rank - 2) <= 0.3
            mass += row[label]
        np.testing.assert_array_equal(chosen, expected)
    assert (found.sum(1) == 0).any()
    assert (found.sum(1) > 1).any()


def test_a_calibrator_draws_from_the_raw_columns():
    """From the numbers that are columns, of two here the first, and the codes; what it draws is told to nobody."""
    num, cat = torch.from_numpy(RNG.normal(size=(N, 2))), torch.stack((CODES, CODES * 0), 1)
    module = Adaptive(torch.tensor([[0.6]]), randomized=True)
    prediction = {"label": PROBABILITY.argmax(1), "probability": PROBABILITY}
    found = Calibrator("class", conformal=module, drawn=1)(prediction, num, cat)
    assert set(found) == {"label", "probability", "set"}
    drawn = row_draw(num[:, :1], cat)
    assert torch.equal(found["set"], module({"probability": PROBABILITY, "draw": drawn}, None)["set"])
    again = Calibrator("class", conformal=module, drawn=1)(prediction, num + torch.tensor([0.0, 1.0]), cat)
    assert torch.equal(again["set"], found["set"])


def test_scores_of_what_is_true():
    truth = torch.from_numpy(RNG.integers(0, C, N))
    found = Adaptive(torch.zeros(1, 1)).score({"probability": PROBABILITY}, truth)[:, 0]
    mine = PROBABILITY.gather(1, truth[:, None])
    torch.testing.assert_close(found, (PROBABILITY * (mine < PROBABILITY)).sum(1))
    quantile = torch.tensor([[[1.0, 2.0, 3.0]]]).expand(4, 1, 3)
    score = QuantileResidual(torch.zeros(1, 1), low=0, high=2).score(
        {"quantile": quantile}, torch.tensor([[0.0], [1.5], [2.9], [7.0]])
    )
    torch.testing.assert_close(score[:, 0], torch.tensor([1.0, -0.5, -0.1, 4.0]).double(), rtol=0, atol=1e-6)


def test_sets_are_of_scaled_probabilities_and_of_the_group_of_each_row():
    threshold = torch.tensor([[0.5], [0.7], [0.9]])
    calibrator = Calibrator(
        "class", scaling=Temperature("class", torch.tensor([2.0])), conformal=LeastAmbiguous(threshold), group=1
    )
    prediction = {"label": PROBABILITY.argmax(1), "probability": PROBABILITY}
    found = calibrator(prediction, torch.zeros(len(CODES), 1), torch.stack((CODES * 0, CODES), 1))
    scaled = (PROBABILITY.log() / 2).softmax(1)
    torch.testing.assert_close(found["probability"], scaled)
    assert torch.equal(found["set"], (scaled >= 1 - threshold.double()[CODES]).long())
    for name, values in calibrator.apply_to(prediction, CODES, rows=7).items():
        assert torch.equal(values, found[name])


TASKS = [Binary(), Multiclass(), Multilabel(), Regression(), Quantile()]


def by_hand(task, members):
    """How far members ``(M, N, ...)`` are apart."""
    if task.target_kind == "real":
        return members.std(0)
    if task.target_kind == "multilabel":
        members = np.stack((members, 1 - members), 3)
    return entropy(members.mean(0), axis=-1) - entropy(members, axis=-1).mean(0)


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_members_of_a_network_say_how_far_they_are_apart(task):
    ready(task)
    raw = example_raw(task, members=4)
    found = MemberDecoder(task.decoder(task.spec), task.target_kind)(raw)
    alone = [task.decode(raw[:, m : m + 1]) for m in range(4)]
    name = "value" if task.target_kind == "real" else "probability"
    expected = by_hand(task, np.stack([each[name].double().numpy() for each in alone]))
    np.testing.assert_allclose(found["disagreement"], expected, rtol=1e-5, atol=1e-7)
    plain = task.decode(raw)
    assert [*plain, "disagreement"] == list(found)
    for key, values in plain.items():
        assert torch.equal(values, found[key])
    same = MemberDecoder(task.decoder(task.spec), task.target_kind)(raw[:, :1].expand(-1, 4, *raw.shape[2:]))
    assert float(same["disagreement"].max()) < 1e-6 * float(found["disagreement"].max())


def test_models_of_an_ensemble_say_how_far_they_are_apart():
    members = [torch.from_numpy(RNG.dirichlet(np.ones(C), N)) for _ in range(3)]
    given = [{"label": p.argmax(1), "probability": p, "disagreement": p[:, 0]} for p in members]
    combiner = WeightedMean("class", torch.ones(3))
    found = MemberCombiner(combiner)(given)
    expected = by_hand(Multiclass(), np.stack(members))
    np.testing.assert_allclose(found["disagreement"], expected, rtol=1e-6)
    assert list(combiner(given)) == ["label", "probability"]
