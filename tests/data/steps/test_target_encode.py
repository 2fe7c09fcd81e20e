"""Target encoding against sklearn, and out of fold against a loop."""

import numpy as np
import pytest
import torch
from sklearn.preprocessing import TargetEncoder

from colonnade.data.steps.target_encode import TargetEncode

N = 200
RNG = np.random.default_rng(0)
CODES = np.column_stack([RNG.integers(2, 9, N), RNG.integers(0, 4, N)])
TARGETS = {
    "binary": RNG.integers(0, 2, N),
    "multiclass": RNG.integers(0, 3, N),
    "continuous": RNG.normal(size=N).astype(np.float32),
}


@pytest.mark.parametrize("kind", TARGETS)
@pytest.mark.parametrize("smoothing", [0.0, 7.5])
def test_values_are_those_of_sklearn(fit, of, kind: str, smoothing: float) -> None:
    target = TARGETS[kind]
    fitted, given = fit(TargetEncode(min_levels=1, smoothing=smoothing), cat=CODES, target=target)
    # sklearn takes float32 sums of float32 targets.
    peer = TargetEncoder(target_type=kind, smooth=smoothing).fit(
        CODES, target.astype(np.float64) if kind == "continuous" else target
    )
    np.testing.assert_allclose(fitted.module(given).num.T, peer.transform(CODES), rtol=1e-9)
    unseen = np.array([[1, 1]])
    if smoothing:
        np.testing.assert_allclose(
            fitted.module(of(cat=unseen)).num.T[:, 0], peer.transform([[99, 1]])[:, 0], rtol=1e-9
        )
    assert fitted.layout.cat == ()


@pytest.mark.parametrize("kind", TARGETS)
def test_train_rows_are_encoded_from_the_other_folds(fit, kind: str) -> None:
    target = TARGETS[kind]
    fitted, given = fit(TargetEncode(min_levels=1, smoothing=2.0, folds=4), cat=CODES, target=target)
    found = fitted.module.encode_train(given, torch.arange(N)).num.T.numpy()
    fold = (torch.randperm(N, generator=torch.Generator().manual_seed(0)) % 4).numpy()
    scores = {
        "binary": target[:, None],
        "continuous": target[:, None],
        "multiclass": np.eye(3)[target if kind == "multiclass" else 0],
    }
    y = scores[kind].astype(np.float64)
    for i in range(N):
        others = fold != fold[i]
        row = []
        for column in CODES.T:
            same = others & (column == column[i])
            row += list((y[same].sum(0) + 2.0 * y[others].mean(0)) / (same.sum() + 2.0))
        np.testing.assert_allclose(found[i], row, rtol=1e-9)


def test_positions_choose_the_fold(fit) -> None:
    fitted, given = fit(TargetEncode(min_levels=1), cat=CODES, target=TARGETS["binary"])
    rows = torch.tensor([5, 3, 150])
    part = given._replace(num=given.num[:, rows], cat=given.cat[:, rows])
    whole = fitted.module.encode_train(given, torch.arange(N)).num
    assert torch.equal(fitted.module.encode_train(part, rows).num, whole[:, rows])


def test_a_column_of_noise_tells_train_rows_nothing(fit) -> None:
    codes = np.arange(N)[:, None] // 2 + 2
    target = np.random.default_rng(1).integers(0, 2, N)
    fitted, given = fit(TargetEncode(smoothing=0.0), cat=codes, target=target)
    own, honest = fitted.module(given).num[0], fitted.module.encode_train(given, torch.arange(N)).num[0]
    assert np.corrcoef(own, target)[0, 1] > 0.6
    assert np.corrcoef(honest, target)[0, 1] < 0.3


def test_several_targets_give_a_column_each(fit) -> None:
    target = np.column_stack([TARGETS["continuous"], TARGETS["continuous"] * 2])
    fitted, given = fit(TargetEncode(min_levels=1, keep=True), cat=CODES, target=target)
    assert fitted.layout.num == ("k.target.0", "k.target.1", "l.target.0", "l.target.1")
    assert fitted.layout.cat == ("k", "l")
    found = fitted.module(given).num
    np.testing.assert_allclose(found[1], found[0] * 2, rtol=1e-6)
    assert fitted.module.describe()["l.target.0"] == "smoothed mean target of train rows with this l"


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"min_levels": 0}, "min_levels must be at least 1, got 0"),
        ({"smoothing": -1.0}, "smoothing must be at least 0, got -1.0"),
        ({"folds": 1}, "folds must be at least 2, got 1"),
    ],
)
def test_ranges(options: dict, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        TargetEncode(**options)
