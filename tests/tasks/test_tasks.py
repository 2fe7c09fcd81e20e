"""What tasks accept and refuse, and what they decode."""

import subprocess
import sys

import pytest
import torch

from colonnade.core.errors import ConfigError, DataError
from colonnade.core.schema import TargetKind
from colonnade.tasks.binary import Binary
from colonnade.tasks.multiclass import Multiclass
from colonnade.tasks.multilabel import Multilabel
from colonnade.tasks.quantile import Quantile, intervals
from colonnade.tasks.regression import Regression
from colonnade.testing.tasks import example_raw, example_spec, example_target, ready


def test_unknown_monitor_lists_what_there_is() -> None:
    with pytest.raises(
        ConfigError, match=r"task.monitor='val/rocauc' cannot be monitored: task=binary measures val/loss"
    ) as e:
        Binary(monitor="val/rocauc", mode="max")
    assert "val/auroc" in str(e.value)
    assert "val/average_precision" in str(e.value)
    with pytest.raises(ConfigError, match="task.monitor='auroc' cannot be monitored"):
        Binary(monitor="auroc", mode="max")


def test_monitor_of_a_measure_without_direction() -> None:
    with pytest.raises(ConfigError, match="'val/coverage/0.9' cannot be monitored: task=quantile measures"):
        Quantile(monitor="val/coverage/0.9")


def test_mode_that_would_keep_the_worst() -> None:
    with pytest.raises(ConfigError, match=r"task.mode='min' would keep the worst epoch: val/auroc is good .* large"):
        Binary(monitor="val/auroc")
    with pytest.raises(ConfigError, match="use task.mode=min"):
        Regression(monitor="val/loss", mode="max")


def test_monitor_of_one_target() -> None:
    task = Regression(monitor="val/rmse/target 1")
    task.setup(example_spec(TargetKind.REAL))
    raw, target = example_raw(task), example_target(task)
    assert "rmse/target 1" in task.epoch_metrics(task.decode(raw), target, None)
    with pytest.raises(ConfigError, match=r"'val/rmse/other' cannot be monitored: .*val/rmse/target 0"):
        Regression(monitor="val/rmse/other").setup(example_spec(TargetKind.REAL))
    with pytest.raises(ConfigError, match="cannot be monitored"):
        Regression(monitor="val/rmse/target 0").setup(example_spec(TargetKind.REAL, n_targets=1))


def test_slow_measures_only_when_monitored() -> None:
    for monitor, expected in (("val/log_loss", False), ("val/average_precision", True)):
        task = ready(Binary(monitor=monitor, mode="max" if expected else "min"))
        found = task.epoch_metrics(task.decode(example_raw(task)), example_target(task), None)
        assert ("average_precision" in found) is expected
        assert "log_loss" in found


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: Binary(class_weight="balance"), "class_weight='balance' must be none, balanced, or a list"),
        (lambda: Multilabel(class_weight=[1.0, 0.0]), r"class_weight=\[1.0, 0.0\] must hold positive numbers"),
        (lambda: Multiclass(label_smoothing=1.0), r"label_smoothing=1.0 must lie in \[0, 1\)"),
        (lambda: Regression(loss="l2"), "loss='l2' must be mse, mae or huber"),
        (lambda: Regression(huber_delta=0.0), "huber_delta=0.0 must be above 0"),
        (
            lambda: Quantile(quantiles=[0.1, 0.9]),
            r"quantiles=\[0.1, 0.9\] must increase within \(0, 1\) and include 0.5",
        ),
        (lambda: Quantile(quantiles=[0.9, 0.5]), "must increase"),
        (lambda: Quantile(quantiles=[0.5, 1.0]), "must increase"),
    ],
)
def test_options_out_of_range(make, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        make()


def test_target_of_another_kind() -> None:
    with pytest.raises(ConfigError, match="task=binary learns a 'class' target, but 'target 0' is of kind 'real'") as e:
        Binary().setup(example_spec(TargetKind.REAL, n_targets=1))
    assert "use task=regression or task=quantile" in str(e.value)
    with pytest.raises(
        ConfigError, match="task=binary learns two classes, but target 'target 0' has 4: use task=multicl"
    ):
        Binary().setup(example_spec(TargetKind.CLASS))
    with pytest.raises(DataError, match="target 'target 0' has only the class 'class 0' in the train rows"):
        Multiclass().setup(example_spec(TargetKind.CLASS, n_classes=1))


def test_class_weight_of_another_length() -> None:
    with pytest.raises(
        ConfigError, match=r"has 2 numbers for 4 classes: give one for each, in this order: class 0, class 1"
    ):
        Multiclass(class_weight=[1, 2]).setup(example_spec(TargetKind.CLASS))
    with pytest.raises(ConfigError, match="has 1 numbers for 2 labels"):
        Multilabel(class_weight=[1]).setup(example_spec(TargetKind.MULTILABEL))


def test_not_set_up() -> None:
    for call in (lambda t: t.spec, lambda t: t.decode(torch.zeros(1, 1, 1))):
        with pytest.raises(RuntimeError, match=r"call task.setup\(spec\) first"):
            call(Binary())


def test_probabilities_are_averaged_rather_than_logits() -> None:
    task = ready(Binary())
    prediction = task.decode(torch.tensor([[[10.0], [-1.0], [-1.0]]]))
    torch.testing.assert_close(prediction["probability"][0, 1], torch.tensor([10.0, -1, -1]).sigmoid().mean())
    assert prediction["label"].tolist() == [1]
    assert task.decode(torch.tensor([[[3.0], [-2.0], [-2.0]]]))["label"].tolist() == [0]


def test_small_probabilities_are_kept() -> None:
    probability = ready(Binary()).decode(torch.tensor([[[40.0]]]))["probability"]
    assert 0 < probability[0, 0] < 1e-17


def test_values_in_units_of_the_target() -> None:
    spec = example_spec(TargetKind.REAL, n_targets=1)
    spec.target_mean, spec.target_scale = (1e9,), (0.5,)
    task = Regression()
    task.setup(spec)
    assert task.decode(torch.tensor([[[1.0], [2.0]]]))["value"].tolist() == [[1e9 + 0.75]]
    assert task.truth(torch.tensor([[1.0]])).tolist() == [[1e9 + 0.5]]


def test_quantiles_do_not_cross() -> None:
    task = ready(Quantile())
    quantile = task.decode(example_raw(task, 200))["quantile"]
    assert (quantile.diff(dim=2) >= 0).all()
    crossing = task.decode(torch.tensor([3.0, 1, 2, 5, 4]).expand(1, 1, 2, 5))
    torch.testing.assert_close(crossing["quantile"][0, 0], torch.tensor([1.0, 2, 3, 4, 5]).double() * 0.1 + 1000)
    torch.testing.assert_close(crossing["value"][0, 0].item(), 1000.3)


def test_intervals() -> None:
    assert intervals((0.05, 0.25, 0.5, 0.75, 0.95)) == [(1, 3, 0.5), (0, 4, 0.9)]
    assert intervals((0.1, 0.5, 0.8)) == []


def test_imports_are_light() -> None:
    heavy = "torchmetrics", "sklearn", "lightning", "hydra", "polars", "matplotlib"
    code = (
        "import sys, colonnade.tasks.binary, colonnade.tasks.multilabel, colonnade.tasks.quantile, "
        f"colonnade.tasks.multiclass; print([m for m in {heavy!r} if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
