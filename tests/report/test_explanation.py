"""Figures and table of an explanation that was made up."""

import io
from datetime import datetime

import numpy as np
import polars as pl
import pytest
from rich.console import Console

from colonnade.explain.deletion import Deletion
from colonnade.explain.dependence import Curve
from colonnade.explain.explanation import Explanation, Interaction, View
from colonnade.explain.importance import importance
from colonnade.report.explanation import draw
from colonnade.report.importance_table import importance_table

N = 40
COLUMNS = ("x", "day", "price $", "c0", *(f"noise {i}" for i in range(14)))
ROWS = pl.DataFrame(
    {
        "x": [float(i) for i in range(N)],
        "day": [datetime(2024, 1, 1 + i % 28) for i in range(N)],
        "price $": [None] * N,
        "c0": ["red"] * N,
        **{f"noise {i}": [0] * N for i in range(14)},
    }
)


def view(target="yes", *, base=True):
    """The first column rises with the row, the second adds 2, the third takes 1, the others add .01 each."""
    values = np.zeros((N, len(COLUMNS)))
    values[:, 0] = np.arange(N) - N / 2
    values[:, 1], values[:, 2], values[:, 3:] = 2.0, -1.0, 0.01
    start = np.full(N, 0.5)
    curve = Deletion(np.array([0, 9, 18]), np.array([0, 2.0, 1.0]), np.array([0, 0.5, 1.0]), 2.5, 2.0, 3.0)
    return View(
        target=target,
        outputs=(target,) * N,
        values=values,
        base=start if base else None,
        score=start + values.sum(1),
        importance=importance(values, seed=0),
        deletion=curve,
        interactions=[Interaction(("x", "day"), 0.3, 0.2, 0.4)],
    )


def explanation(*views, method="tree_shap", outputs=("yes",)):
    several = len(outputs)
    lines = np.arange(3.0)[:, None] * np.ones(several)
    curves = [
        Curve("x", "number", [0.0, 1.0, 2.0], lines, lines - 1),
        Curve("day", "datetime", [0, 10**12, 10**13], lines, lines - 1),
        Curve("c0", "category", ["red", "(missing)", "blue"], lines, None),
        Curve("price $", "number", [0.0], lines[:1], lines[:1]),
    ]
    return Explanation(method, "log-odds", COLUMNS, outputs, list(views), curves, 64, 0.25)


def test_bars_are_the_importance_of_the_first_columns():
    figures = draw(explanation(view()), ROWS, np.arange(N))
    assert list(figures) == [
        "importance", "deletion", "waterfall_low", "waterfall_middle", "waterfall_high", "dependence",
    ]  # fmt: skip
    (ax,) = figures["importance"].axes
    widths = [bar.get_width() for bar in ax.patches]
    assert widths[:3] == pytest.approx([np.abs(np.arange(N) - N / 2).mean(), 2.0, 1.0])
    assert [text.get_text() for text in ax.get_yticklabels()][:3] == ["x", "day", "price $"]
    assert len(widths) == 15
    assert "3 columns with less left out" in ax.get_title(loc="left")
    for figure in figures.values():
        figure.canvas.draw()
        assert np.asarray(figure.canvas.buffer_rgba()).shape[1] == 800


def test_a_waterfall_leads_from_the_base_to_the_score():
    found = view()
    figures = draw(explanation(found), ROWS, np.arange(N) + 1000)
    (ax,) = figures["waterfall_high"].axes
    assert figures["waterfall_high"].get_suptitle() == "Row 1038: yes"
    bars = ax.patches
    assert len(bars) == 10
    assert bars[0].get_x() == pytest.approx(0.5)
    for below, above in zip(bars, bars[1:]):
        assert below.get_x() + below.get_width() == pytest.approx(above.get_x())
    assert bars[-1].get_x() + bars[-1].get_width() == pytest.approx(found.score[38])
    names = [text.get_text() for text in ax.get_yticklabels()]
    assert names[0] == "9 further columns"
    assert names[-3:] == ["price $ = missing", "day = 2024-01-11", "x = 38"]


def test_curves_and_deletion():
    figures = draw(explanation(view()), ROWS, np.arange(N))
    ordered, shuffled, _ = figures["deletion"].axes[0].lines
    assert ordered.get_xydata().tolist() == [[0, 0], [9, 2], [18, 1]]
    assert shuffled.get_ydata().tolist() == [0, 0.5, 1]
    number, _, category, *_ = figures["dependence"].axes
    partial, local = number.lines
    assert partial.get_ydata().tolist() == [0, 1, 2]
    assert local.get_ydata().tolist() == [0, 1, 2], "raised to the level of the other"
    assert [text.get_text() for text in category.get_xticklabels()] == ["red", "(missing)", "blue"]
    assert [ax.get_visible() for ax in figures["dependence"].axes] == [True] * 4 + [False] * 2


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("months", [1, 7, 23, 47, 300])
def test_dates_of_any_stretch_have_ticks(months):
    found = explanation(view())
    found.curves[1].grid[:] = [i * months * 30 * 86_400 * 10**6 // 2 for i in range(3)]
    figure = draw(found, ROWS, np.arange(N))["dependence"]
    figure.canvas.draw()
    low, high = figure.axes[1].get_xlim()
    ticks = figure.axes[1].get_xticks()
    assert 2 <= ((ticks >= low) & (ticks <= high)).sum() <= 5


def test_several_targets_and_shares_without_a_sign():
    figures = draw(explanation(view("one"), view("two"), outputs=("one", "two")), ROWS, np.arange(N))
    assert {"importance_0", "importance_1", "waterfall_low_1", "deletion_0", "dependence"} <= set(figures)
    masks = draw(explanation(view(base=False), method="masks"), ROWS, np.arange(N))
    assert set(masks) == {"importance", "deletion", "dependence"}
    assert masks["importance"].axes[0].get_xlabel() == "share of attention"


def test_plain_data():
    found = explanation(view(), view("other", base=False))
    told = found.to_dict()
    assert [entry["column"] for entry in told["targets"][0]["importance"]][:3] == ["x", "day", "price $"]
    assert told["targets"][0]["convergence"]["mean"] < 1e-12
    assert told["targets"][1]["convergence"] is None
    assert told["targets"][0]["interactions"] == [{"columns": ["x", "day"], "mean": 0.3, "low": 0.2, "high": 0.4}]
    assert told["dependence"][1]["grid"][:2] == ["1970-01-01T00:00:00", "1970-01-12T13:46:40"]
    frame = found.to_frame(np.arange(N), "val")
    assert frame.shape == (2 * N, 5 + len(COLUMNS))
    assert frame["base"].null_count() == N
    assert frame.filter(target="yes")["day"].to_list() == [2.0] * N


def test_the_table():
    console = Console(width=100, record=True, file=io.StringIO())
    console.print(importance_table(explanation(view()), view()))
    text = console.export_text()
    assert text.index("│ x ") < text.index("│ day ") < text.index("│ price $ ")
    assert "not attributed: 0.0%" in text
    assert "deletion: 2.50 times random order (95 %: 2.00 to 3.00)" in text
