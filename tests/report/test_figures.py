"""Figures: what is drawn, for names and data that break figures elsewhere."""

import io
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from matplotlib.text import Text

from colonnade.report.figures import draw
from colonnade.tasks.binary import Binary
from colonnade.tasks.multiclass import Multiclass
from colonnade.tasks.multilabel import Multilabel
from colonnade.tasks.quantile import Quantile
from colonnade.tasks.regression import Regression
from colonnade.testing.tasks import example_raw, example_target, ready

TASKS = {
    "binary": (Binary, {"confusion", "curves", "reliability"}),
    "multiclass": (Multiclass, {"confusion", "classes", "reliability"}),
    "multilabel": (Multilabel, {"labels", "reliability"}),
    "regression": (Regression, {"residuals_0", "residuals_1"}),
    "quantile": (
        Quantile,
        {"fan_0", "fan_1", "coverage_0", "coverage_1", "residuals_0", "residuals_1"},
    ),
}
AWKWARD = ("$x_{", "a\\b $", "<b>&%", "long " * 12)


def drawn(name: str, n: int = 100, names: tuple[str, ...] = AWKWARD) -> dict[str, Figure]:
    task = ready(TASKS[name][0]())
    target = example_target(task, n)
    return draw(
        name,
        task.decode(example_raw(task, n)),
        task.truth(target),
        classes=names[: len(task.spec.classes)],
        target_names=names[: len(task.spec.target_names)],
        quantiles=task.quantiles,
    )


def png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer)
    return buffer.getvalue()


def texts(figure: Figure) -> list[str]:
    return [t.get_text() for t in figure.findobj(Text) if t.get_text()]


@pytest.mark.parametrize("name", TASKS)
@pytest.mark.parametrize("n", [1, 3, 100])
def test_each_task(name: str, n: int) -> None:
    figures = drawn(name, n)
    assert set(figures) == TASKS[name][1]
    for figure in figures.values():
        content = png(figure)
        assert content.startswith(b"\x89PNG")
        assert 500 < int.from_bytes(content[16:20], "big") <= 800


def test_single_target_has_plain_names() -> None:
    value = torch.randn(5000, 1).double()
    figures = draw("multitarget_regression", {"value": value + 1}, value, target_names=["y"])
    assert set(figures) == {"residuals"}
    assert "RMSE 1, MAE 1" in texts(figures["residuals"])
    png(figures["residuals"])


def test_titles_say_which_rows() -> None:
    value = torch.randn(50, 1).double()
    (figure,) = draw("regression", {"value": value + 1}, value, target_names=["$y"], rows="test rows").values()
    assert figure.get_suptitle().endswith(", test rows")
    png(figure)


def test_no_rows_no_figures() -> None:
    assert draw("regression", {"value": torch.zeros(0, 1)}, torch.zeros(0, 1), target_names=["y"]) == {}


def test_unknown_task() -> None:
    with pytest.raises(
        ValueError, match="task_name='survival' must be one of binary, multiclass, multilabel, regression"
    ):
        draw("survival", {}, torch.zeros(1))


def test_confusion_holds_shares_and_counts() -> None:
    label, truth = torch.tensor([0, 0, 1, 1, 1]), torch.tensor([0, 0, 0, 1, 1])
    probability = torch.nn.functional.one_hot(label).double()
    figures = draw("binary", {"label": label, "probability": probability}, truth, classes=["no", "yes"])
    assert {"67%\n2", "33%\n1", "0%\n0", "100%\n2"} <= set(texts(figures["confusion"]))


def test_curves_name_the_areas_and_thresholds() -> None:
    found = texts(drawn("binary", 400)["curves"])
    assert any(t.startswith("ROC, area 0.") for t in found)
    assert any(t.startswith("Precision-recall, average precision 0.") for t in found)
    assert {"0.3", "0.5", "0.7"} <= set(found)


def test_one_class_is_said_to_be_undefined() -> None:
    probability = torch.full((4, 2), 0.5)
    figures = draw(
        "binary",
        {"label": torch.zeros(4, dtype=torch.long), "probability": probability},
        torch.zeros(4, dtype=torch.long),
        classes=["a", "b"],
    )
    assert texts(figures["curves"]).count("undefined: one class only") == 2
    for figure in figures.values():
        png(figure)


def test_many_classes_are_cut_to_the_most_frequent() -> None:
    n = 50
    truth = torch.cat([torch.full((i + 1,), i) for i in range(n)])
    probability = torch.nn.functional.one_hot(truth, n).double()
    prediction = {"label": truth, "probability": probability}
    figures = draw("multiclass", prediction, truth, classes=[f"class {i}" for i in range(n)])
    assert "Confusion matrix, 20 most frequent of 50 classes" in texts(figures["confusion"])
    assert "class 49" in texts(figures["confusion"])
    assert "class 29" not in texts(figures["confusion"])
    assert "Classes, 30 most frequent of 50" in texts(figures["classes"])
    for figure in figures.values():
        png(figure)


def test_constant_values() -> None:
    value = torch.full((10, 1), 3.0).double()
    for figure in draw("regression", {"value": value}, value, target_names=["y"]).values():
        png(figure)


def test_coverage_counts_rows_below() -> None:
    quantile = torch.tensor([-1.0, 0.0, 1.0]).expand(4, 1, 3).double()
    truth = torch.tensor([[-2.0], [-0.5], [0.5], [2.0]]).double()
    prediction = {"value": quantile[..., 1], "quantile": quantile}
    figure = draw("quantile", prediction, truth, target_names=["y"], quantiles=(0.1, 0.5, 0.9))["coverage"]
    observed = next(line for line in figure.axes[0].lines if line.get_label() == "observed")
    np.testing.assert_allclose(observed.get_xydata(), [[0.1, 0.25], [0.5, 0.5], [0.9, 0.75]])
    assert "80%\n(holds 50.0%)" in texts(figure)


def test_threads_draw_what_one_draws() -> None:
    alone = [png(f) for f in drawn("binary").values()]
    with ThreadPoolExecutor(3) as pool:
        for together in pool.map(lambda _: [png(f) for f in drawn("binary").values()], range(3)):
            assert together == alone


def test_matplotlib_waits_until_it_draws() -> None:
    code = (
        "import sys, colonnade.report.figures, colonnade.report.learning, colonnade.report.table as t\n"
        "print([m for m in ('matplotlib', 'sklearn', 'rich', 'lightning') if m in sys.modules])\n"
        "import torch\n"
        "y = torch.ones(2, 1)\n"
        "colonnade.report.figures.draw('regression', {'value': y}, y, target_names=['y'])\n"
        "print('matplotlib.pyplot' in sys.modules)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout == "[]\nFalse\n"
