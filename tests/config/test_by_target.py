import pytest

from colonnade.config.by_target import settled
from colonnade.config.check import faults_of
from colonnade.config.compose import compose
from colonnade.config.nodes import plain
from colonnade.core.errors import Faults
from colonnade.tuning.defaults import default_of


@pytest.mark.parametrize(
    ("task", "lr", "activation", "clamp"),
    [
        ("binary", 0.04, "selu", False),
        ("multiclass", 0.04, "selu", False),
        ("multilabel", 0.04, "selu", False),
        ("regression", 0.2, "mish", True),
        ("quantile", 0.2, "mish", True),
    ],
)
def test_nulls_are_replaced_by_the_kind_of_the_target(task, lr, activation, clamp):
    asked = compose(["model=realmlp", f"task={task}", "data.path=t.csv", "data.target=y"])
    cfg = settled(asked)
    assert (cfg.optim.lr, cfg.model.backbone.activation, cfg.model.head.clamp) == (lr, activation, clamp)
    assert cfg.task.get("label_smoothing") == (0.1 if lr == 0.04 else None)
    assert "by_target" not in cfg
    assert asked.optim.lr is None
    assert default_of(asked, "optim.lr") == lr
    assert list(faults_of(asked)) == []


def test_what_is_typed_wins():
    words = [
        "model=realmlp",
        "task=binary",
        "optim.lr=0.1",
        "task.label_smoothing=0.0",
        "model.backbone.activation=relu",
    ]
    cfg = settled(compose(words))
    assert (cfg.optim.lr, cfg.task.label_smoothing, cfg.model.backbone.activation) == (0.1, 0.0, "relu")


def test_a_column_may_be_missing():
    cfg = compose(["model=realmlp", "task=regression", "~by_target.numbers"])
    assert settled(cfg).optim.lr is None
    assert "optim.lr: expected a number, got null" in list(faults_of(cfg))


def test_nothing_is_done_before_the_task_is_known():
    cfg = compose(["model=realmlp"])
    assert settled(cfg) is cfg
    assert default_of(cfg, "optim.lr") is None
    mlp = compose(["model=mlp", "task=binary"])
    assert settled(mlp) is mlp


def test_a_task_that_does_not_exist_is_told_by_the_check():
    cfg = compose(["model=realmlp", "task=binary", "task._target_=colonnade.tasks.binary.Binry"])
    assert settled(cfg) is cfg
    assert any("Binry" in fault for fault in faults_of(cfg))
    assert plain(cfg.optim, "optim", Faults())["lr"] is None
