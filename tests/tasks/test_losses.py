"""Losses against closed forms."""

import numpy as np
import pytest
import torch
from sklearn.metrics import mean_pinball_loss
from sklearn.utils.class_weight import compute_class_weight
from torch.nn import functional as F

from colonnade.core.schema import TargetKind
from colonnade.tasks.binary import Binary
from colonnade.tasks.multiclass import Multiclass
from colonnade.tasks.multilabel import Multilabel
from colonnade.tasks.quantile import Quantile
from colonnade.tasks.regression import Regression
from colonnade.testing.tasks import example_raw, example_spec, example_target, ready


def test_binary_is_cross_entropy() -> None:
    task = ready(Binary())
    raw, target = example_raw(task, 9, 1), example_target(task, 9)
    p = raw[:, 0, 0].sigmoid()
    torch.testing.assert_close(task.row_loss(raw, target), -torch.where(target == 1, p, 1 - p).log())


def test_binary_equals_multiclass_of_two() -> None:
    options = {"class_weight": [2.0, 0.5], "label_smoothing": 0.2}
    spec = example_spec(TargetKind.CLASS, n_classes=2)
    binary, multiclass = Binary(**options), Multiclass(**options)
    binary.setup(spec)
    multiclass.setup(spec)
    raw, target = example_raw(binary, 9), example_target(binary, 9)
    pair = torch.cat((torch.zeros_like(raw), raw), 2)
    torch.testing.assert_close(multiclass.row_loss(pair, target), binary.row_loss(raw, target))
    torch.testing.assert_close(multiclass.decode(pair), binary.decode(raw))


def test_balanced_weights_are_those_of_sklearn() -> None:
    task = Multiclass(class_weight="balanced")
    spec = example_spec(TargetKind.CLASS, n_classes=3)
    spec.class_counts = (5, 1, 14)
    task.setup(spec)
    y = np.repeat([0, 1, 2], spec.class_counts)
    raw, target = example_raw(task, 20), torch.from_numpy(y)
    plain = Multiclass()
    plain.setup(spec)
    expected = torch.from_numpy(compute_class_weight("balanced", classes=np.arange(3), y=y)).float()
    torch.testing.assert_close(task.row_loss(raw, target), plain.row_loss(raw, target) * expected[target])
    torch.testing.assert_close(expected[target].sum(), torch.tensor(20.0))


def test_label_smoothing_is_that_of_torch() -> None:
    task = ready(Multiclass(label_smoothing=0.1))
    raw, target = example_raw(task, 9, 1), example_target(task, 9)
    expected = F.cross_entropy(raw[:, 0], target, label_smoothing=0.1, reduction="none")
    torch.testing.assert_close(task.row_loss(raw, target), expected)


def test_a_class_of_minus_100_is_no_free_row() -> None:
    task = ready(Multiclass())
    with pytest.raises(IndexError, match="out of bounds"):
        task.row_loss(example_raw(task, 2), torch.tensor([0, -100]))


def test_multilabel_weights() -> None:
    spec = example_spec(TargetKind.MULTILABEL)
    spec.class_counts, spec.n_train = (20, 50), 100
    raw, target = torch.zeros(2, 1, 2), torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    balanced = Multilabel(class_weight="balanced")
    balanced.setup(spec)
    # 100 / (2 * 20) and 100 / (2 * 80) for the first label, one for the second; each loss is log 2
    expected = torch.tensor([(2.5 + 1) / 2, (0.625 + 1) / 2]) * np.log(2)
    torch.testing.assert_close(balanced.row_loss(raw, target), expected.float())
    listed = Multilabel(class_weight=[3.0, 1.0])
    listed.setup(spec)
    torch.testing.assert_close(listed.row_loss(raw, target), torch.tensor([2.0, 1.0]) * np.log(2))
    plain = F.binary_cross_entropy_with_logits(
        raw[:, 0] + 1, target, pos_weight=torch.tensor([3.0, 1.0]), reduction="none"
    )
    torch.testing.assert_close(listed.row_loss(raw + 1, target), plain.mean(1))


@pytest.mark.parametrize(
    ("loss", "expected"), [("mse", (0.25 + 9) / 2), ("mae", (0.5 + 3) / 2), ("huber", (0.125 + 2.5) / 2)]
)
def test_regression(loss: str, expected: float) -> None:
    task = ready(Regression(loss=loss))
    raw = torch.tensor([[[0.5, 3.0]]])
    assert task.row_loss(raw, torch.zeros(1, 2)).item() == pytest.approx(expected)


def test_huber_delta() -> None:
    task = ready(Regression(loss="huber", huber_delta=2.0))
    assert task.row_loss(torch.tensor([[[3.0, 3.0]]]), torch.zeros(1, 2)).item() == pytest.approx(2 * (3 - 1))


def test_pinball_is_that_of_sklearn() -> None:
    task = ready(Quantile(quantiles=[0.1, 0.5, 0.8]))
    raw, target = example_raw(task, 50, 1), example_target(task, 50)
    expected = np.mean(
        [
            mean_pinball_loss(target[:, t], raw[:, 0, t, q], alpha=alpha)
            for t in range(2)
            for q, alpha in enumerate([0.1, 0.5, 0.8])
        ]
    )
    assert task.row_loss(raw, target).mean().item() == pytest.approx(expected, rel=1e-6)
