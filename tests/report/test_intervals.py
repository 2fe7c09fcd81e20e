"""The figure of conformal prediction: what its axes hold."""

import numpy as np
import pytest

from colonnade.report.intervals import Levels, Parts, intervals


@pytest.mark.parametrize("many", [False, True])
def test_levels_and_parts(many):
    asked = np.array([0.8, 0.9, 0.95])
    n = 30 if many else 4
    what = "step ahead" if many else "prediction, by tenths of the rows"
    parts = Parts(what, [f"g{i} $" for i in range(n)], np.linspace(0.7, 1, n),
                  np.arange(n), None if many else np.full(n, 50))  # fmt: skip
    bounds = {} if many else {"low": asked - 0.02, "high": asked + 0.02}
    levels = Levels(asked, asked - 0.01, None if many else 200, **bounds)
    fig = intervals(levels, parts, level=0.9, title="Intervals", size="width")
    left, middle, right = fig.axes
    assert [text.get_text() for text in left.texts] == ["79.0%", "89.0%", "94.0%"]
    fig.canvas.draw()
    boxes = [text.get_window_extent() for text in left.texts]
    assert not any(a.overlaps(b) for a, b in zip(boxes, boxes[1:]))
    named = fig.get_window_extent()
    assert right.xaxis.label.get_window_extent().x1 <= named.x1
    assert left.get_lines()[-1].get_ydata().tolist() == (asked - 0.01).tolist()
    assert [bar.get_height() for bar in right.patches] == list(range(n))
    assert len(middle.collections) == (0 if many else 1), "windows share steps: there is no binomial interval"
    assert middle.get_title(loc="left") == "coverage, 90% asked for"
