"""Maps of contributions by time and column, of an explanation that was made up."""

import numpy as np
import polars as pl
import pytest

from colonnade.explain.deletion import Deletion
from colonnade.explain.explanation import Explanation, View
from colonnade.explain.importance import importance
from colonnade.explain.over_time import OverTime
from colonnade.report import heatmap
from colonnade.report.explanation import draw

COLUMNS = ("calm", "price $", "mode")
N, T = 6, 10


def view(*, lengths=(T,) * N, forecast=False, target="yes"):
    """The second column adds a tenth at each of its last five steps, the third takes a hundredth everywhere."""
    values = np.zeros((N, T, len(COLUMNS)))
    for row, length in enumerate(lengths):
        values[row, length - 5 : length, 1] = 0.1 * (row + 1)
        values[row, :length, 2] = -0.01
    total = values.sum(1)
    return View(
        target=target,
        outputs=(target,) * N,
        values=total,
        base=np.zeros(N),
        score=total.sum(1),
        importance=importance(total, seed=0),
        deletion=Deletion(np.array([0, 1, 2]), np.array([0, 2.0, 1.0]), np.array([0, 0.5, 1.0]), 2.5, 2.0, 3.0),
        interactions=[],
        over_time=OverTime(values=values, lengths=np.array(lengths), forecast=forecast),
    )


def rows(lengths=(T,) * N):
    return pl.DataFrame(
        {
            "calm": [[1.0] * n for n in lengths],
            "price $": [[float(i) if i != 2 else None for i in range(n)] for n in lengths],
            "mode": [["idle"] * n for n in lengths],
        }
    )


def explanation(*views):
    return Explanation("integrated_gradients", "log-odds", COLUMNS, ("yes",), list(views), [], 64, 0.25)


def axes_of(figure):
    top, corner, main, side, bar = figure.axes
    return main, top, side, bar


def test_all_series():
    main, top, side, bar = axes_of(heatmap.overview(view(), COLUMNS, "log-odds"))
    assert [label.get_text() for label in main.get_yticklabels()] == ["price $", "mode", "calm"]
    (image,) = main.get_images()
    expected = np.zeros((3, T))
    expected[0, 5:], expected[1] = 0.35, 0.01
    np.testing.assert_allclose(image.get_array(), expected)
    assert main.get_xlim() == (0, T)
    assert main.get_xlabel() == "step"
    np.testing.assert_allclose([bar.get_width() for bar in side.patches], [1.75, 0.1, 0], atol=1e-12)
    assert top.get_title(loc="left") == "mean over 6 series, all columns"
    assert bar.get_xlabel() == "mean |contribution| of a step (log-odds)"


def test_times_of_forecasts_and_of_series_of_several_lengths():
    main, top, *_ = axes_of(heatmap.overview(view(forecast=True), COLUMNS, "log-odds"))
    assert top.get_title(loc="left") == "mean over 6 windows, all columns"
    assert (main.get_xlabel(), main.get_xlim()) == ("steps before the forecast", (-T, 0))
    lengths = (10, 8, 10, 9, 5, 7)
    main, *_, bar = axes_of(heatmap.overview(view(lengths=lengths), COLUMNS, "log-odds"))
    assert (main.get_xlabel(), main.get_xlim()) == ("position in the series (% of its length)", (0, 100))
    assert bar.get_xlabel() == "mean |contribution| of 2 % of a series (log-odds)"
    steps = rows(lengths)
    values = {name: steps[name][4].to_list() for name in COLUMNS}
    main, *_ = axes_of(heatmap.single(view(lengths=lengths), 4, COLUMNS, values, title="x", unit="log-odds"))
    assert (main.get_xlabel(), main.get_xlim()) == ("step", (0, 5))


def test_one_series():
    values = {name: rows()[name][2].to_list() for name in COLUMNS}
    main, top, side, _ = axes_of(heatmap.single(view(), 2, COLUMNS, values, title="Series 7: yes", unit="log-odds"))
    (image,) = main.get_images()
    np.testing.assert_allclose(image.get_array()[0], [0] * 5 + [0.3] * 5)
    assert image.norm.vmin == -image.norm.vmax
    # Of what changes and is a number, behind the others.
    lines = [line for line in main.lines if len(line.get_xdata()) == T]
    assert len(lines) == 1
    np.testing.assert_allclose(lines[0].get_ydata()[[0, 9]], [0.36, -0.36])
    assert np.isnan(lines[0].get_ydata()[2])
    np.testing.assert_allclose([bar.get_width() for bar in side.patches], [1.5, -0.1, 0], atol=1e-12)
    assert top.get_title(loc="left") == "score 1.4, from 0 of the background"


def test_steps_are_whole():
    main, top, *_ = axes_of(heatmap.overview(view(), COLUMNS, "log-odds"))
    assert all(tick == int(tick) for ax in (main, top) for tick in ax.get_xticks())


@pytest.mark.parametrize("several", [False, True])
def test_what_is_drawn(several, monkeypatch):
    drawn = []
    monkeypatch.setattr(heatmap, "overview", lambda *of: drawn.append("overview"))
    monkeypatch.setattr(heatmap, "single", lambda *of, title, unit: drawn.append(title))
    views = [view(forecast=True, target=name) for name in (("a", "b") if several else ("a",))]
    figures = draw(explanation(*views), rows(), np.arange(100, 100 + N))
    if several:
        assert set(figures) == {
            f"{n}_{v}" for n in ("importance", "deletion", "heatmap", "heatmap_middle") for v in (0, 1)
        }
        assert drawn == ["overview", "Window before step 102: a", "overview", "Window before step 102: b"]
    else:
        assert {"heatmap", "heatmap_low", "heatmap_middle", "heatmap_high"} <= set(figures)
        assert drawn[1:] == [f"Window before step {i}: a" for i in (100, 102, 105)]
