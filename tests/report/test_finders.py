"""Figures of the finders."""

import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from colonnade.report.finders import batch_size, learning_rate


def texts(figure: Figure) -> set[str]:
    figure.canvas.draw()
    return {t.get_text() for t in figure.findobj(Text)}


def test_loss_over_the_learning_rate() -> None:
    figure = learning_rate({"suggestion": 0.01, "lr": [1e-4, 1e-2, 1.0], "loss": [3.0, 2.0, 5.0]})
    curve, mark = figure.axes[0].lines
    assert curve.get_xydata().tolist() == [[1e-4, 3.0], [1e-2, 2.0], [1.0, 5.0]]
    assert list(mark.get_xdata()) == [0.01, 0.01]
    assert figure.axes[0].get_xscale() == "log"
    assert {"Learning rate finder", "learning rate", "loss, smoothed", "optim.lr=0.01"} <= texts(figure)


def test_rows_per_second_over_the_batch_size() -> None:
    figure = batch_size({"suggestion": 128, "rows_per_second": {"64": 10_000.0, "128": 40_000.0, "256": 41_000.0}})
    curve, mark = figure.axes[0].lines
    assert list(curve.get_ydata()) == [10_000.0, 40_000.0, 41_000.0]
    assert list(mark.get_xdata()) == [1, 1]
    shown = {"Batch size finder", "64", "128", "256", "rows per second", "40\u2009000", "loader.batch_size=128"}
    assert shown <= texts(figure)


@pytest.mark.parametrize(
    ("figure", "text"),
    [
        (learning_rate({"suggestion": None, "lr": [1e-6], "loss": [1.0]}), "nothing is suggested"),
        (
            learning_rate({"suggestion": None, "lr": [], "loss": []}),
            "the loss was not finite from the first step on",
        ),
        (batch_size({"suggestion": None, "rows_per_second": {}}), "no size fits into memory"),
    ],
)
def test_figures_without_an_answer_say_so(figure: Figure, text: str) -> None:
    assert text in texts(figure)
