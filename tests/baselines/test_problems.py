import numpy as np
import pytest
import torch

from colonnade.baselines.problems import Rows, problems_of
from colonnade.core.errors import ConfigError
from colonnade.tasks.base import Task
from colonnade.tasks.binary import Binary
from colonnade.tasks.multilabel import Multilabel
from colonnade.tasks.regression import Regression

from .kit import TASKS, table


def problems(task, name=None):
    spec = table(name or task)[1]
    task = TASKS[task]() if isinstance(task, str) else task
    task.setup(spec)
    return problems_of(task, spec)


def test_the_problems_of_each_task():
    kinds = {task: [(p.kind, p.column, p.parameter) for p in problems(task)] for task in TASKS}
    assert kinds["binary"] == [("binary", None, 0.0)]
    assert kinds["multiclass"] == kinds["two classes"] == [("multiclass", None, 0.0)]
    assert kinds["multilabel"] == [("binary", 0, 0.0), ("binary", 1, 0.0)]
    assert kinds["two targets"] == [("mse", 0, 1.0), ("mse", 1, 1.0)]
    assert kinds["huber"] == [("huber", 0, 1.0)]
    levels = [("quantile", i, q) for i in (0, 1) for q in (0.1, 0.5, 0.9)]
    assert kinds["quantiles of two"] == levels, "in the order of the raw outputs (targets, quantiles)"


@pytest.mark.parametrize(
    ("task", "watch"),
    [
        (Binary(monitor="val/auroc", mode="max"), "auroc"),
        (Binary(monitor="val/accuracy", mode="max"), "accuracy"),
        (Binary(monitor="val/brier"), "log_loss"),
        (Regression(monitor="val/mae"), "mae"),
        (Regression(monitor="val/r2", mode="max"), "rmse"),
        (Regression(monitor="val/loss", loss="mae"), "mae"),
    ],
)
def test_what_is_watched_is_nearest_to_the_monitor(task, watch):
    assert [p.watch for p in problems(task, task.name)] == [watch]


def test_measures_are_those_of_the_task_in_its_units():
    (problem,) = problems("regression")
    assert problem.measures(0.5) == {"val/rmse": 2.0, "val/mse": 4.0, "val/loss": 0.25}
    (problem,) = problems("binary")
    assert problem.measures(0.5) == {"val/loss": 0.5, "val/log_loss": 0.5}


def test_weights_of_rows_and_classes_multiply_in_training_alone():
    spec = table("binary")[1]
    task = Binary(class_weight=[1.0, 3.0])
    task.setup(spec)
    (problem,) = problems_of(task, spec)
    rows = Rows(np.zeros((3, 1)), np.zeros((3, 0)), np.array([0, 1, 1]), np.array([2.0, 1.0, 0.5], dtype=np.float32))
    assert problem.weight(rows, train=True).tolist() == [2.0, 3.0, 1.5]
    assert problem.weight(rows, train=False).tolist() == [2.0, 1.0, 0.5]
    labels = problems(Multilabel(class_weight=[2.0, 5.0]), "multilabel")
    assert [p.class_weight for p in labels] == [(1.0, 2.0), (1.0, 5.0)]


def test_smoothed_labels_are_refused():
    with pytest.raises(ConfigError, match=r"task.label_smoothing=0.1: this model learns labels as they are"):
        problems(Binary(label_smoothing=0.1), "binary")


def test_a_task_of_ones_own_is_refused():
    class Own(Task):
        target_kind = Regression.target_kind

        def out_shape(self, spec):
            return (1,)

        def row_loss(self, raw, target):
            return raw.flatten()

        def decoder(self, spec):
            return torch.nn.Identity()

        def truth(self, target):
            return target

    task = Own(name="own", monitor="val/loss", mode="min", measures={})
    with pytest.raises(ConfigError, match="task=own: no baseline learns it"):
        problems_of(task, table("regression")[1])
