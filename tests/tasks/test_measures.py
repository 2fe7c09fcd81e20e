"""Measures against scikit-learn, weighted and unweighted."""

import numpy as np
import pytest
import torch
from sklearn import metrics as sk
from torch import Tensor
from torchmetrics.functional.classification import binary_calibration_error, multiclass_calibration_error

from colonnade.core.errors import DataError, TrainingError
from colonnade.core.schema import TargetKind
from colonnade.tasks.base import Task
from colonnade.tasks.binary import Binary
from colonnade.tasks.measures.proper import expected_calibration_error
from colonnade.tasks.multiclass import Multiclass
from colonnade.tasks.multilabel import Multilabel
from colonnade.tasks.quantile import Quantile
from colonnade.tasks.regression import Regression
from colonnade.testing.tasks import example_raw, example_spec, example_target, ready

N = 400


def weights(weighted: bool) -> Tensor | None:
    return torch.rand(N, generator=torch.Generator().manual_seed(3)) + 0.1 if weighted else None


def measured(task: Task, weight: Tensor | None):
    """What the task measures, its prediction and truth as arrays, and the weight."""
    raw, target = example_raw(task, N), example_target(task, N)
    prediction = task.decode(raw)
    found = task.metrics(prediction, target, weight)
    arrays = {k: v.numpy() for k, v in prediction.items()}
    return found, arrays, task.truth(target).numpy(), None if weight is None else weight.numpy()


def agree(found: dict[str, float], expected: dict[str, float]) -> None:
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=2e-6, err_msg=name)


@pytest.mark.parametrize("weighted", [False, True])
def test_binary(weighted: bool) -> None:
    found, p, y, w = measured(ready(Binary()), weights(weighted))
    positive = p["probability"][:, 1]
    del found["calibration_error"]
    agree(
        found,
        {
            "accuracy": sk.accuracy_score(y, p["label"], sample_weight=w),
            "balanced_accuracy": sk.balanced_accuracy_score(y, p["label"], sample_weight=w),
            "auroc": sk.roc_auc_score(y, positive, sample_weight=w),
            "average_precision": sk.average_precision_score(y, positive, sample_weight=w),
            "f1_score": sk.f1_score(y, p["label"], sample_weight=w),
            "log_loss": sk.log_loss(y, p["probability"], sample_weight=w),
            "brier": sk.brier_score_loss(y, positive, sample_weight=w),
        },
    )


@pytest.mark.parametrize("weighted", [False, True])
def test_multiclass(weighted: bool) -> None:
    found, p, y, w = measured(ready(Multiclass()), weights(weighted))
    auroc = np.mean([sk.roc_auc_score(y == c, p["probability"][:, c], sample_weight=w) for c in range(4)])
    del found["calibration_error"]
    agree(
        found,
        {
            "accuracy": sk.accuracy_score(y, p["label"], sample_weight=w),
            "balanced_accuracy": sk.balanced_accuracy_score(y, p["label"], sample_weight=w),
            "auroc": auroc,
            "f1_score": sk.f1_score(y, p["label"], average="macro", sample_weight=w),
            "log_loss": sk.log_loss(y, p["probability"], sample_weight=w),
            "brier": sk.brier_score_loss(y, p["probability"], sample_weight=w),
        },
    )


@pytest.mark.parametrize("weighted", [False, True])
def test_multilabel(weighted: bool) -> None:
    found, p, y, w = measured(ready(Multilabel()), weights(weighted))
    columns = range(y.shape[1])
    agree(
        found,
        {
            "accuracy": 1 - sk.hamming_loss(y, p["label"], sample_weight=w),
            "exact_match": sk.accuracy_score(y, p["label"], sample_weight=w),
            "f1_score": sk.f1_score(y, p["label"], average="macro", sample_weight=w),
            "f1_micro": sk.f1_score(y, p["label"], average="micro", sample_weight=w),
            "auroc": sk.roc_auc_score(y, p["probability"], sample_weight=w),
            "log_loss": np.mean([sk.log_loss(y[:, i], p["probability"][:, i], sample_weight=w) for i in columns]),
        },
    )


@pytest.mark.parametrize("weighted", [False, True])
def test_regression(weighted: bool) -> None:
    found, p, y, w = measured(ready(Regression()), weights(weighted))
    expected: dict[str, float] = {}
    for name, function in {
        "rmse": sk.root_mean_squared_error,
        "mae": sk.mean_absolute_error,
        "mse": sk.mean_squared_error,
        "r2": sk.r2_score,
    }.items():
        expected[name] = function(y, p["value"], sample_weight=w)
        for i in range(2):
            expected[f"{name}/target {i}"] = function(y[:, i], p["value"][:, i], sample_weight=w)
    agree(found, expected)


@pytest.mark.parametrize("weighted", [False, True])
def test_quantile(weighted: bool) -> None:
    levels = (0.05, 0.25, 0.5, 0.75, 0.95)
    found, p, y, w = measured(ready(Quantile(quantiles=levels)), weights(weighted))
    expected: dict[str, float] = {}
    of_targets: dict[str, list[float]] = {}
    for i in range(2):
        q = p["quantile"][:, i]
        losses = [sk.mean_pinball_loss(y[:, i], q[:, j], alpha=a, sample_weight=w) for j, a in enumerate(levels)]
        values = {"pinball_loss": np.mean(losses), "mae": sk.mean_absolute_error(y[:, i], q[:, 2], sample_weight=w)}
        for name, low, high in (("0.5", 1, 3), ("0.9", 0, 4)):
            inside = (q[:, low] <= y[:, i]) & (y[:, i] <= q[:, high])
            values[f"coverage/{name}"] = np.average(inside, weights=w)
            values[f"width/{name}"] = np.average(q[:, high] - q[:, low], weights=w)
        for name, value in values.items():
            expected[f"{name}/target {i}"] = value
            of_targets.setdefault(name, []).append(value)
    agree(found, expected | {name: np.mean(values) for name, values in of_targets.items()})


def test_calibration_error_is_that_of_torchmetrics() -> None:
    task = ready(Binary())
    raw, target = example_raw(task, N), example_target(task, N)
    prediction = task.decode(raw)
    expected = binary_calibration_error(prediction["probability"][:, 1].contiguous(), target, n_bins=15)
    assert task.metrics(prediction, target, None)["calibration_error"] == pytest.approx(expected.item(), rel=1e-5)
    task = ready(Multiclass())
    raw, target = example_raw(task, N), example_target(task, N)
    prediction = task.decode(raw)
    expected = multiclass_calibration_error(prediction["probability"], target, num_classes=4, n_bins=15)
    assert task.metrics(prediction, target, None)["calibration_error"] == pytest.approx(expected.item(), rel=1e-5)


def test_calibration_error_by_hand() -> None:
    believed = torch.tensor([0.9, 0.92, 0.1, 1.0])
    # Bins of width 1/15: .90 and .92 share one, where 1 of 2 came true; .1 was wrong by .1; 1.0 was right.
    error = expected_calibration_error(believed, torch.tensor([1.0, 0.0, 0.0, 1.0]).double(), None)
    assert error.item() == pytest.approx((2 * abs(0.91 - 0.5) + 0.1 + 0.0) / 4)


def test_single_class_is_undefined() -> None:
    task = ready(Binary())
    raw = example_raw(task, 5)
    none_positive = task.metrics(task.decode(raw), torch.zeros(5, dtype=torch.long), None)
    undefined = {name for name, value in none_positive.items() if np.isnan(value)}
    assert undefined == {"balanced_accuracy", "auroc", "average_precision", "f1_score"}
    # The same where the other class has weight zero.
    target, weight = torch.tensor([0, 0, 0, 0, 1]), torch.tensor([1.0, 1, 1, 1, 0])
    weighted = task.metrics(task.decode(raw), target, weight)
    assert {name for name, value in weighted.items() if np.isnan(value)} == undefined
    task = ready(Multiclass())
    found = task.metrics(task.decode(example_raw(task, 5)), torch.full((5,), 2), None)
    assert {name for name, value in found.items() if np.isnan(value)} == {"balanced_accuracy", "auroc"}


def test_labels_without_rows_are_left_out() -> None:
    task = ready(Multilabel())
    raw, target = example_raw(task, N), example_target(task, N)
    target[:, 0] = 0
    for weight in (None, torch.ones(N)):
        found = task.metrics(task.decode(raw), target, weight)
        p = {k: v[:, 1].numpy() for k, v in task.decode(raw).items()}
        assert found["auroc"] == pytest.approx(sk.roc_auc_score(target[:, 1], p["probability"]))
        assert found["f1_score"] == pytest.approx(sk.f1_score(target[:, 1], p["label"]))
    nothing = task.metrics(task.decode(raw), torch.zeros(N, 2), None)
    assert {name for name, value in nothing.items() if np.isnan(value)} == {"f1_score", "f1_micro", "auroc"}


def test_classes_absent_from_the_target() -> None:
    task = ready(Multiclass())
    raw, target = example_raw(task, N), example_target(task, N).clamp_max(2)
    prediction = task.decode(raw)
    y, label, p = target.numpy(), prediction["label"].numpy(), prediction["probability"].numpy()
    for weight in (None, torch.ones(N)):
        found = task.metrics(prediction, target, weight)
        assert found["balanced_accuracy"] == pytest.approx(np.mean([(label[y == c] == c).mean() for c in range(3)]))
        assert found["auroc"] == pytest.approx(np.mean([sk.roc_auc_score(y == c, p[:, c]) for c in range(3)]))
        assert found["f1_score"] == pytest.approx(sk.f1_score(y, label, average="macro"))


def test_r2_of_small_and_of_constant_targets() -> None:
    spec = example_spec(TargetKind.REAL, n_targets=1)
    spec.target_mean, spec.target_scale = (1e3,), (1e-4,)
    task = Regression()
    task.setup(spec)
    raw, target = example_raw(task, N), example_target(task, N)
    # TorchMetrics calls this 1.0: every sum of squares lies below its tolerance.
    expected = sk.r2_score(target.double().numpy(), raw.double().mean(1).numpy())
    assert task.metrics(task.decode(raw), target, None)["r2"] == pytest.approx(expected, rel=1e-6)
    assert np.isnan(task.metrics(task.decode(raw), torch.full((N, 1), 0.3), None)["r2"])


def test_refuses_bad_rows() -> None:
    task = ready(Binary())
    prediction = task.decode(example_raw(task, 4))
    target = torch.tensor([0, 1, 2, -100])
    with pytest.raises(
        DataError, match=r"'target 0' has a class index outside 0 to 1 in 2 of 4 rows \(positions 2, 3\)"
    ):
        task.metrics(prediction, target, None)
    with pytest.raises(DataError, match=r"weight is negative or not finite in 1 of 4 rows \(positions 1\)"):
        task.metrics(prediction, torch.tensor([0, 1, 1, 0]), torch.tensor([1.0, -1.0, 1.0, 1.0]))
    task = ready(Multilabel())
    with pytest.raises(
        DataError, match=r"labels \(target 0, target 1\) other than 0 and 1 in 1 of 3 rows \(positions 2\)"
    ):
        task.truth(torch.tensor([[0.0, 1.0], [1.0, 1.0], [0.5, 0.0]]))
    task = ready(Regression())
    with pytest.raises(DataError, match=r"target \(target 0, target 1\) is NaN or infinite in 1 of 2 rows"):
        task.truth(torch.tensor([[0.0, 1.0], [float("nan"), 1.0]]))
    values = {"value": torch.full((20, 2), float("inf"), dtype=torch.float64)}
    with pytest.raises(TrainingError, match=r"value is NaN .* in 20 of 20 rows \(positions 0, 1, .*, 9, \.\.\.\)"):
        task.metrics(values, torch.zeros(20, 2), None)
