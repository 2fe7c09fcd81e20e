"""Learning curves."""

import numpy as np
import pytest

from colonnade.report.learning import learning_curve

ROWS = [
    {"epoch": 0, "step": 5, "train/loss": 1.0},
    {"epoch": 0, "step": 10, "train/loss": 0.9, "val/loss": 0.8, "val/auroc": 0.6},
    {"epoch": 1, "step": 20, "train/loss": 0.5, "val/loss": 0.4, "val/auroc": 0.9},
    {"epoch": 2, "step": 30, "train/loss": 0.3, "val/loss": None, "val/auroc": float("nan")},
    {"epoch": 3, "step": 40, "train/loss": 0.2, "val/loss": 0.7, "val/auroc": 0.7},
]


def lines(ax) -> dict[str, list[list[float]]]:
    return {line.get_label(): line.get_xydata().tolist() for line in ax.lines}


def test_last_row_of_an_epoch_counts() -> None:
    figure = learning_curve(ROWS, monitor="val/auroc", mode="max")
    losses, monitored = map(lines, figure.axes)
    assert losses["train/loss"] == [[0, 0.9], [1, 0.5], [2, 0.3], [3, 0.2]]
    assert losses["val/loss"] == [[0, 0.8], [1, 0.4], [3, 0.7]]
    assert monitored["val/auroc"] == [[0, 0.6], [1, 0.9], [3, 0.7]]
    assert monitored["best: 0.9, epoch 1"] == [[1, 0.9]]


@pytest.mark.parametrize(("mode", "best"), [("min", "best: 0.4, epoch 1"), ("max", "best: 0.8, epoch 0")])
def test_monitored_loss_needs_one_panel(mode: str, best: str) -> None:
    figure = learning_curve(ROWS, monitor="val/loss", mode=mode)
    (ax,) = figure.axes
    assert best in lines(ax)
    figure.canvas.draw()
    assert np.asarray(figure.canvas.buffer_rgba()).shape[1] == 800


def test_of_one_epoch_the_axis_is_not_empty() -> None:
    figure = learning_curve(ROWS[1:2], monitor="val/auroc", mode="max")
    assert [ax.get_xlim() for ax in figure.axes] == [(-0.5, 0.5)] * 2


def test_nothing_to_draw() -> None:
    assert learning_curve([{"epoch": 0, "lr": 0.1}], monitor="val/loss", mode="min") is None
