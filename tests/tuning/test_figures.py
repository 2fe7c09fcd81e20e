"""Figures of a study: which there are, and what is drawn in them."""

from __future__ import annotations

import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState, create_trial
from PIL import Image

from colonnade.tuning.figures import _figures, draw
from colonnade.tuning.trials import Trials

SPACE = {
    "optim.lr": FloatDistribution(1e-4, 1e-2, log=True),
    "model.backbone.d_hidden_of_every_block": CategoricalDistribution(["[512,512,512,512]", "[64]", "null"]),
    "model.n_blocks": IntDistribution(1, 4),
}


def study(n: int = 20, *, goals: tuple[str, ...] = ("minimize",), names: list[str] | None = None, space=None):
    """A study of trials that were never run; the first objective is the learning rate's distance from 1e-3."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = optuna.create_study(directions=goals)
        made.set_metric_names(names or ["val/rmse", "parameters", "seconds"][: len(goals)])
    rng = np.random.default_rng(0)
    space = SPACE if space is None else space
    for _ in range(n):
        point = {"optim.lr": 10 ** rng.uniform(-4, -2), "model.n_blocks": int(rng.integers(1, 5))}
        point["model.backbone.d_hidden_of_every_block"] = str(rng.choice(["[512,512,512,512]", "[64]", "null"]))
        values = [abs(np.log10(point["optim.lr"]) + 3), 100.0 * point["model.n_blocks"], rng.random()]
        params = {key: point[key] for key in space}
        made.add_trial(create_trial(params=params, distributions=dict(space), values=values[: len(goals)]))
    return made


def names(paths: list[Path]) -> list[str]:
    return [path.stem for path in paths]


def test_one_objective(tmp_path: Path) -> None:
    paths = draw(study(), tmp_path)
    assert paths == [tmp_path / "figures" / f"{name}.png" for name in ("history", "importances", "parallel", "slice")]
    for path in paths:
        pixels = np.asarray(Image.open(path).convert("L"))
        assert pixels.shape[1] == 800
        assert pixels.std() > 5
    assert not list((tmp_path / "figures").glob(".*"))


def test_several_objectives(tmp_path: Path) -> None:
    paths = draw(study(goals=("minimize", "maximize", "minimize")), tmp_path)
    assert names(paths) == ["history", "importances", "parallel", "slice_0", "slice_1", "slice_2", "pareto"]


def test_nothing_finished_gives_nothing(tmp_path: Path) -> None:
    empty = study(0)
    empty.add_trial(create_trial(state=TrialState.FAIL))
    assert draw(empty, tmp_path) == []
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_told_is_left_out(tmp_path: Path) -> None:
    assert names(draw(study(1), tmp_path / "one")) == ["history", "slice"]
    assert names(draw(study(5, space={}), tmp_path / "no parameters")) == ["history"]
    constant = study(0)
    for lr in (1e-3, 1e-2):
        constant.add_trial(
            create_trial(params={"optim.lr": lr}, distributions={"optim.lr": SPACE["optim.lr"]}, value=1.0)
        )
    assert names(draw(constant, tmp_path / "constant")) == ["history", "parallel", "slice"]


def test_history_shows_the_best_so_far_and_what_was_pruned() -> None:
    made = study(0, goals=("maximize",))
    for value in (1.0, 3.0, 2.0, 4.0):
        made.add_trial(create_trial(value=value))
    made.add_trial(create_trial(state=TrialState.PRUNED))
    made.add_trial(create_trial(state=TrialState.FAIL))
    [(_, figure)] = list(_figures(Trials(made)))
    [ax] = figure.axes
    [line] = ax.lines
    assert line.get_xydata().tolist() == [[0, 1], [1, 3], [2, 3], [3, 4]]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["best: 4, trial 3", "pruned: 1", "failed: 1"]
    assert ax.get_ylabel() == "val/rmse"
    assert figure.get_suptitle() == "History of 4 finished trials"


def test_the_best_keeps_the_constraints() -> None:
    made = study(0)
    for value, excess in ((1.0, 5.0), (2.0, 0.0), (3.0, -1.0)):
        trial = create_trial(value=value)
        trial.set_constraint("parameters<=10", excess)
        made.add_trial(trial)
    trials = Trials(made)
    assert trials.feasible.tolist() == [False, True, True]
    assert trials.front().tolist() == [False, True, False]
    figure = dict(_figures(trials))["history"]
    assert "best: 2, trial 1" in [text.get_text() for text in figure.axes[0].get_legend().get_texts()]


def test_the_pareto_set_is_what_nothing_beats() -> None:
    made = study(0, goals=("minimize", "maximize"), names=["cost", "gain"])
    for values in ((1.0, 1.0), (2.0, 2.0), (2.0, 1.0), (3.0, 2.0), (0.5, 0.0)):
        made.add_trial(create_trial(values=values))
    trials = Trials(made)
    assert trials.front().tolist() == [True, True, False, False, True]
    assert {trial.number for trial in made.best_trials} == {0, 1, 4}
    figure = dict(_figures(trials))["pareto"]
    [line] = figure.axes[0].lines
    assert line.get_xydata().tolist() == [[0.5, 0], [1, 1], [2, 2]]


def test_a_far_bad_value_does_not_flatten_the_others() -> None:
    made = study(0, goals=("maximize",))
    for value in (1.0, 2.0, 3.0, 4.0, -1e9):
        made.add_trial(create_trial(value=value))
    assert Trials(made).shown(0).tolist() == [1.0, 2.0, 3.0, 4.0, 1.0 - 4 * 2.0]


def test_trials_without_a_parameter_pass_below() -> None:
    made = study(3)
    made.add_trial(create_trial(params={"optim.lr": 1e-3}, distributions={"optim.lr": SPACE["optim.lr"]}, value=9.0))
    figure = dict(_figures(Trials(made)))["parallel"]
    heights = [segment[:, 1].min() for lines in figure.axes[0].collections for segment in lines.get_segments()]
    assert min(heights) == pytest.approx(-0.12)
    assert figure.axes[0].get_ylim()[0] < -0.12


def ticks(axis) -> list:
    """Labels of the ticks that are drawn."""
    low, high = sorted(axis.get_view_interval())
    return [tick.label1 for tick in axis.get_major_ticks() if low <= tick.get_loc() <= high]


@pytest.mark.parametrize("goals", [("minimize",), ("minimize", "minimize", "minimize")])
def test_no_label_is_cut_off(goals: tuple[str, ...]) -> None:
    long = {f"model.backbone.a_parameter_with_a_long_name_{i}": FloatDistribution(0, 1) for i in range(4)}
    made = study(0, goals=goals)
    rng = np.random.default_rng(0)
    for _ in range(12):
        params = {
            **{key: rng.random() for key in long},
            "model.backbone.d_hidden_of_every_block": ["[512,512,512,512]", "[64]", "null"][rng.integers(3)],
        }
        space = {**long, "model.backbone.d_hidden_of_every_block": SPACE["model.backbone.d_hidden_of_every_block"]}
        values = [123456.0 + rng.random() for _ in goals]
        made.add_trial(create_trial(params=params, distributions=space, values=values))
    for name, figure in _figures(Trials(made)):
        figure.canvas.draw()
        renderer = figure.canvas.get_renderer()
        width, height = figure.canvas.get_width_height()
        for ax in figure.axes:
            if not ax.get_visible():
                continue
            texts = [ax.xaxis.label, ax.yaxis.label, ax.title, *ax.texts, *ticks(ax.xaxis), *ticks(ax.yaxis)]
            for text in texts:
                box = text.get_window_extent(renderer)
                if text.get_text() and text.get_visible() and box.width:
                    assert box.x0 >= -1, (name, text.get_text())
                    assert box.x1 <= width + 1, (name, text.get_text())
                    assert box.y0 >= -1, (name, text.get_text())
                    assert box.y1 <= height + 1, (name, text.get_text())


def test_a_dollar_is_a_dollar(tmp_path: Path) -> None:
    made = study(0, names=["val/$x$_{"])
    for value in (0.0, 1.0):
        distributions = {"$a_{$": CategoricalDistribution(["$\\frac$", "$"])}
        made.add_trial(create_trial(params={"$a_{$": "$\\frac$"}, distributions=distributions, value=value))
    assert "history" in names(draw(made, tmp_path))


def test_pyplot_is_left_alone(tmp_path: Path) -> None:
    """No figure stays open and no backend is chosen: a user's own windows and notebooks are not touched."""
    code = f"""
import sys, optuna, matplotlib
# To look at the backend is to choose one.
before = {{key: matplotlib.rcParams[key] for key in matplotlib.rcParams if key != "backend"}}
from pathlib import Path
from colonnade.tuning.figures import draw
optuna.logging.set_verbosity(optuna.logging.ERROR)
study = optuna.create_study()
study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=3)
assert len(draw(study, Path({str(tmp_path)!r}))) == 4
assert "matplotlib.pyplot" not in sys.modules
assert before == {{key: matplotlib.rcParams[key] for key in before}}
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
