"""Steps that select: each keeps what matters, drops what does not, and says why."""

import numpy as np
import pytest
import torch
from scipy.stats import norm
from sklearn.feature_selection import mutual_info_regression
from sklearn.linear_model import LassoCV

from colonnade.data.steps.duplicates import Duplicates
from colonnade.data.steps.gates import Gates, _Networks, _strongest
from colonnade.data.steps.lasso import Lasso
from colonnade.data.steps.mutual_information import MutualInformation
from colonnade.data.steps.null_importance import NullImportance
from colonnade.data.steps.permutation_importance import PermutationImportance
from colonnade.data.steps.selector import Selector

NAN = np.nan
RNG = np.random.default_rng(0)
N = 1500
NUM = RNG.normal(size=(N, 5))
CAT = RNG.integers(2, 5, (N, 2))
FLAG = RNG.integers(0, 2, (N, 2))
# Of a, c, k and flag0.
TARGET = (3 * NUM[:, 0] + 4 * np.abs(NUM[:, 2]) + 4 * (CAT[:, 0] == 3) + FLAG[:, 0] + RNG.normal(size=N)).astype(
    np.float32
)
FAST = {"shuffles": 8, "trees": 20}
FEW = {"steps": 300}


@pytest.mark.parametrize(
    "step",
    [
        MutualInformation(min_score=0.02),
        PermutationImportance(certainty=3.0),
        NullImportance(quantile=1.0, **FAST),
        Gates(**FEW),
    ],
)
def test_keeps_what_makes_the_target(fit, step: Selector) -> None:
    fitted, given = fit(step, NUM, CAT, target=TARGET, flags=FLAG)
    assert {"a", "c", "k"} <= {*fitted.layout.num, *fitted.layout.cat}
    assert len(fitted.layout.num + fitted.layout.flag + fitted.layout.cat) <= 5, "of nine"
    verdicts = {verdict.column: verdict for verdict in fitted.verdicts}
    assert [*verdicts] == ["a", "b", "c", "d", "e", "flag0", "flag1", "k", "l"]
    assert all(verdict.kept == (verdict.score > verdict.limit) for verdict in verdicts.values())
    assert max(verdicts.values(), key=lambda v: v.score).column in ("a", "c")
    assert fitted.log == [f"column '{v.column}' dropped: {v.why}" for v in fitted.verdicts if not v.kept]
    found = fitted.module(given)
    assert torch.equal(found.num, given.num[["abcde".index(name) for name in fitted.layout.num]])
    assert torch.equal(found.cat, given.cat[["kl".index(name) for name in fitted.layout.cat]])
    assert torch.equal(fitted.module.recode(given.cat), found.cat)


@pytest.mark.parametrize(
    "step", [MutualInformation(), PermutationImportance(), NullImportance(**FAST), Lasso(), Gates(**FEW)]
)
def test_classes_labels_and_several_targets(fit, step: Selector) -> None:
    three = np.digitize(NUM[:, 1], [-0.5, 0.5])
    labels = np.stack([NUM[:, 1] > 0, RNG.random(N) < 0.5], 1).astype(np.float32)
    several = np.stack([1e6 * NUM[:, 1], RNG.normal(size=N)], 1).astype(np.float32)
    for target in (three, three.clip(max=1), labels, several):
        fitted, _ = fit(step, NUM, target=target)
        assert max(fitted.verdicts, key=lambda verdict: verdict.score - verdict.limit).column == "b"
        assert "b" in fitted.layout.num


def test_mutual_information_is_that_of_sklearn(fit) -> None:
    fitted, _ = fit(MutualInformation(min_score=0.0), NUM, target=TARGET)
    expected = mutual_info_regression(NUM, TARGET, random_state=0)
    np.testing.assert_allclose([v.score for v in fitted.verdicts], expected, atol=0.02)


def test_lasso_is_that_of_sklearn(fit) -> None:
    num = NUM * [1, 10, 100, 1000, 1e4] + 5
    fitted, _ = fit(Lasso(), num, CAT, target=TARGET)
    y = (TARGET - TARGET.mean()) / TARGET.std()
    peer = LassoCV(cv=5, tol=1e-3).fit(NUM / NUM.std(0) - (NUM / NUM.std(0)).mean(0), y)
    np.testing.assert_allclose([v.score for v in fitted.verdicts[:5]], np.abs(peer.coef_), atol=1e-6)
    assert fitted.layout.cat == ("k", "l")
    assert fitted.verdicts[5].why == "kept: not looked at"


def test_gates_keep_what_lasso_keeps_of_a_linear_process(fit) -> None:
    """And of one that is not, what lasso does not see: neither of two columns says anything by itself."""
    linear = (2 * NUM[:, 0] - NUM[:, 2] + 0.7 * NUM[:, 4] + RNG.normal(size=N)).astype(np.float32)
    gated, _ = fit(Gates(**FEW), NUM, target=linear)
    weights = [v.score for v in fit(Lasso(max_columns=3), NUM, target=linear)[0].verdicts]
    assert gated.layout.num == ("a", "c", "e")
    assert {"abcde"[i] for i in np.argsort(weights)[-3:]} == {*gated.layout.num}
    product = (NUM[:, 1] * NUM[:, 3] + 0.3 * RNG.normal(size=N)).astype(np.float32)
    assert fit(Gates(**FEW), NUM, target=product)[0].layout.num == ("b", "d")
    assert max(v.score for v in fit(Lasso(), NUM, target=product)[0].verdicts) < 0.1


def test_gates_say_with_which_probability_they_are_open(fit) -> None:
    fitted, _ = fit(Gates(penalties=[0.02], steps=200), NUM, CAT, target=TARGET, flags=FLAG)
    again, _ = fit(Gates(penalties=[0.02], steps=200), NUM, CAT, target=TARGET, flags=FLAG)
    assert fitted.verdicts == again.verdicts
    for verdict in fitted.verdicts:
        assert 0 <= verdict.score <= 1
        assert verdict.limit == 0.5
        said = f"open with probability {verdict.score:.3g} where a gate costs 0.02"
        assert said in verdict.why
    closed = fit(Gates(penalties=[9.0], steps=200), NUM, target=TARGET)[0]
    assert len(closed.layout.num) == 1, "no column takes away as much, and the best one stays"


def test_gates_begin_as_in_the_paper_and_cost_what_is_expected(fit) -> None:
    """P(mu + 0.5 eps > 0) is that of a normal variable above -mu / 0.5."""
    networks = _Networks([0.1, 0.2], torch.tensor([0, 1, 1]), 1, torch.Generator().manual_seed(0))
    np.testing.assert_allclose(networks.probability().detach(), np.full((2, 2), norm.cdf(1.0)), rtol=1e-6)
    x = torch.randn(50, 3)
    gate = torch.tensor([[[1.0, 0.0]], [[1.0, 1.0]]])
    found = networks(x, gate)
    assert torch.equal(found[0], networks(x * torch.tensor([1.0, 0, 0]), torch.ones(2, 1, 2))[0]), "one gate for both"
    assert torch.equal(found[1], networks(x, torch.ones(2, 1, 2))[1])


def test_the_strongest_penalty_that_costs_no_more_than_chance(fit) -> None:
    noise = torch.from_numpy(RNG.normal(size=400))
    noise = noise - noise.mean()
    better = torch.stack([noise + 3.0, noise, noise + 0.05 * noise.roll(1), noise + 1.0])
    assert _strongest(better) == 2
    assert _strongest(better[:2]) == 1


def test_the_best_of_nothing_stays(fit) -> None:
    fitted, _ = fit(MutualInformation(min_score=9.0), NUM, target=NUM[:, 0].astype(np.float32))
    assert fitted.layout.num == ("a",)
    assert fitted.verdicts[0].why.startswith("kept, the best of all: mutual information ")
    assert fitted.verdicts[1].why.endswith(" nats is not above 9")


def test_the_number_of_columns_is_limited(fit) -> None:
    fitted, _ = fit(MutualInformation(min_score=0.0, max_columns=2), NUM, target=TARGET)
    assert fitted.layout.num == ("a", "c")
    assert any(v.why.endswith(": others say more") for v in fitted.verdicts)


def test_duplicates(fit) -> None:
    num = np.stack([NUM[:, 0], NUM[:, 1], 3 - 2 * NUM[:, 0], NUM[:, 0] + 0.01 * NUM[:, 2]], 1)
    cat = np.stack([CAT[:, 0], CAT[:, 1], 6 - CAT[:, 0]], 1)
    fitted, _ = fit(Duplicates(), num, cat, target=TARGET, flags=np.stack([FLAG[:, 0], 1 - FLAG[:, 0]], 1))
    assert fitted.layout.num == ("a", "b", "d")
    assert fitted.layout.flag == ("flag0",)
    assert fitted.layout.cat == ("k", "l")
    assert fitted.log[0].startswith("column 'c' dropped: correlation 1 with 'a' is not above ")
    assert fitted.log[2].startswith("column 'm' dropped: parts the rows as 'k' does")
    assert fit(Duplicates(correlation=0.999), num, target=TARGET)[0].layout.num == ("a", "b")
    assert fit(Duplicates(), NUM, target=TARGET)[0].module is None


def test_missing_values_do_not_hinder(fit) -> None:
    num = NUM.copy()
    num[::3] = NAN
    num[:, 4] = NAN
    steps = (Duplicates(), MutualInformation(), PermutationImportance(), NullImportance(**FAST), Lasso(), Gates(**FEW))
    for step in steps:
        fitted, _ = fit(step, num, target=TARGET)
        assert "a" in fitted.layout.num


@pytest.mark.parametrize(
    "step", [MutualInformation(), PermutationImportance(), NullImportance(**FAST), Lasso(), Gates(steps=20)]
)
def test_a_handful_of_rows_chooses_nothing(fit, step: Selector) -> None:
    for n in (2, 9):
        few, _ = fit(step, NUM[:n], CAT[:n], target=TARGET[:n])
        assert few.module is None
        assert few.log == [f"{n} train rows are too few to choose columns by: all stay"]
    assert fit(step, NUM[:10], CAT[:10], target=TARGET[:10])[0].verdicts


def test_nothing_to_choose(fit) -> None:
    assert fit(MutualInformation(), NUM[:, :1], target=TARGET)[0].module is None
    assert fit(MutualInformation(), NUM, target=np.zeros(N, dtype=np.int64))[0].module is None


@pytest.mark.parametrize(
    ("step", "arguments", "text"),
    [
        (MutualInformation, {"rows": 10}, "rows must be at least 50, got 10"),
        (Lasso, {"max_columns": 0}, "max_columns must be at least 1, got 0"),
        (Lasso, {"folds": 1}, "folds must be at least 2, got 1"),
        (Duplicates, {"correlation": 0.0}, "correlation must be above 0 and at most 1, got 0.0"),
        (MutualInformation, {"min_score": -1.0}, "min_score must be at least 0, got -1.0"),
        (PermutationImportance, {"held_out": 1.0}, "held_out must be above 0 and below 1, got 1.0"),
        (PermutationImportance, {"repeats": 0}, "repeats must be at least 1, got 0"),
        (NullImportance, {"quantile": 0.0}, "quantile must be above 0 and at most 1, got 0.0"),
        (NullImportance, {"shuffles": 0}, "shuffles must be at least 1, got 0"),
        (Gates, {"penalties": []}, r"penalties must be one or several numbers above 0, got \[\]"),
        (Gates, {"penalties": [0.1, 0.0]}, r"penalties must be one or several numbers above 0, got \[0.1, 0.0\]"),
        (Gates, {"steps": 0}, "steps must be at least 1, got 0"),
        (Gates, {"held_out": 0.0}, "held_out must be above 0 and below 1, got 0.0"),
    ],
)
def test_ranges(step: type[Selector], arguments: dict, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        step(**arguments)
