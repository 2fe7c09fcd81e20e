import pytest
import torch
from kit import Net
from torch import nn

from colonnade.core.errors import ConfigError
from colonnade.nn.pace import Pace, Paced
from colonnade.training.groups import parameter_groups
from colonnade.training.optim import OptimizerBuilder


@pytest.mark.parametrize(
    ("argument", "value", "text"),
    [
        ("lr", -5, "lr must be above 0, not -5"),
        ("name", "muon", "name must be adamw or adam or sgd, not 'muon'"),
        ("weight_decay", -1, "weight_decay must be 0 or more, not -1"),
        ("betas", (0.9, 1.0), "betas must be two numbers in [0, 1), not (0.9, 1.0)"),
        ("eps", 0, "eps must be above 0, not 0"),
        ("momentum", 1.0, "momentum must be in [0, 1), not 1.0"),
        ("grad_clip", 0.0, "grad_clip must be above 0, or null, not 0.0"),
        (
            "schedule",
            "cos",
            "schedule must be constant or cosine or one_cycle or coslog4 or step or cycles or plateau, not 'cos'",
        ),
        ("schedule_epochs", 0, "schedule_epochs must be 1 or more, or null, not 0"),
        ("final", 2, "final must be in [0, 1], not 2"),
        ("gamma", 1.0, "gamma must be in (0, 1), not 1.0"),
        ("step_epochs", 0, "step_epochs must be 1 or more, not 0"),
        ("patience", -1, "patience must be 0 or more, not -1"),
        ("warmup_steps", -1, "warmup_steps must be 0 or more, not -1"),
        ("lr_factors", {"head": 0}, "lr_factors.head must be above 0, not 0"),
        ("decay_schedule", "cosine", "decay_schedule must be constant or flat_cos, not 'cosine'"),
    ],
)
def test_ranges(argument, value, text):
    with pytest.raises(ValueError) as error:
        OptimizerBuilder(**{argument: value})
    assert str(error.value) == text


def test_nesterov_needs_momentum():
    with pytest.raises(ValueError, match=r"^momentum must be above 0 with nesterov=true, not 0$"):
        OptimizerBuilder(name="sgd", nesterov=True, momentum=0)
    optimizer = OptimizerBuilder(name="sgd", nesterov=True, momentum=0.5).build(Net())
    assert optimizer.param_groups[0]["nesterov"]


@pytest.mark.parametrize(
    ("name", "kind"), [("adamw", torch.optim.AdamW), ("adam", torch.optim.Adam), ("sgd", torch.optim.SGD)]
)
def test_kinds_are_fused(name, kind):
    optimizer = OptimizerBuilder(name=name, lr=0.1, weight_decay=0.2).build(Net())
    assert type(optimizer) is kind
    assert all(g["fused"] and g["lr"] == g["initial_lr"] == 0.1 for g in optimizer.param_groups)
    assert not OptimizerBuilder(name=name).build(Net(), may_fuse=False).param_groups[0]["fused"]


def test_what_is_not_decayed():
    net = nn.ModuleDict(
        {
            "embedding": nn.Embedding(3, 2),
            "norm": nn.LayerNorm([2, 2]),
            "linear": nn.Linear(2, 2),
            "frozen": nn.Linear(2, 2),
        }
    )
    net["frozen"].requires_grad_(False)
    net["linear"].register_parameter("bias", nn.Parameter(torch.zeros(2, 2)))
    groups = parameter_groups(net, lr=1.0, weight_decay=0.1, lr_factors={})
    decayed = {id(p) for g in groups if g["weight_decay"] > 0 for p in g["params"]}
    assert decayed == {id(net["linear"].weight)}
    assert sum(len(g["params"]) for g in groups) == 5


def test_embeddings_of_the_house_are_not_decayed():
    linear = type("Anything", (nn.Linear,), {"__module__": "colonnade.nn.embed.anything"})(2, 3)
    groups = parameter_groups(nn.Sequential(linear, nn.Linear(3, 1)), lr=1.0, weight_decay=0.1, lr_factors={})
    assert [[tuple(p.shape) for p in g["params"]] for g in groups if g["weight_decay"]] == [[(1, 3)]]


def test_one_group_without_decay():
    assert len(OptimizerBuilder().build(Net()).param_groups) == 1


def test_factors_of_the_rate():
    optimizer = OptimizerBuilder(lr=1.0, lr_factors={"body": 0.5, "body.0": 0.1}).build(Net(depth=2))
    assert sorted((g["lr"], len(g["params"])) for g in optimizer.param_groups) == [(0.1, 2), (0.5, 2), (1.0, 2)]


class Slow(Paced):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(2, 2))
        self.scale = nn.Parameter(torch.ones(2))
        self.bias = nn.Parameter(torch.ones(2))

    def paces(self):
        return {"weight": Pace(lr=0.5), "scale": Pace(lr=6.0, decay=3.0)}


def test_modules_say_the_pace_of_their_own_parameters():
    net = nn.ModuleDict({"slow": Slow(), "linear": nn.Linear(2, 2)})
    groups = parameter_groups(net, lr=1.0, weight_decay=0.1, lr_factors={"slow": 2.0})
    found = {id(p): (g["lr"], pytest.approx(g["weight_decay"])) for g in groups for p in g["params"]}
    expected = {
        "slow.weight": (1.0, 0.1),
        "slow.scale": (12.0, 0.3),
        # As everywhere: biases are not decayed.
        "slow.bias": (2.0, 0.0),
        "linear.weight": (1.0, 0.1),
        "linear.bias": (1.0, 0.0),
    }
    assert {name: found[id(p)] for name, p in net.named_parameters()} == expected


def test_unknown_factor_names_the_nearest():
    with pytest.raises(ConfigError, match=r"optim.lr_factors: no parameter is called 'haed'; did you mean 'head'"):
        OptimizerBuilder(lr_factors={"haed": 0.5}).build(Net())


def test_nothing_to_train():
    with pytest.raises(ConfigError, match="no trainable parameters"):
        OptimizerBuilder().build(nn.ReLU())


def test_rate_follows_the_schedule_and_warms_up():
    optimizer = OptimizerBuilder(lr=2.0, schedule="cosine", warmup_steps=2, lr_factors={"head": 0.5}).build(Net())
    rate = OptimizerBuilder(lr=2.0, schedule="cosine", warmup_steps=2).rate(max_epochs=2, steps_per_epoch=5)
    seen = []
    for index in (0, 5, 10, 20):
        rate.apply(optimizer.param_groups, index)
        seen.append([g["lr"] for g in optimizer.param_groups])
    for found, expected in zip(seen, [[1.0, 0.5], [1.0, 0.5], [0.0, 0.0], [0.0, 0.0]]):
        assert found == pytest.approx(expected)


def test_constant_rate_leaves_the_groups_alone():
    rate = OptimizerBuilder(lr=2.0).rate(max_epochs=-1, steps_per_epoch=5)
    groups = [{"lr": 7.0, "initial_lr": 2.0}]
    rate.apply(groups, 3)
    assert groups[0]["lr"] == 7.0


def test_decay_fades():
    builder = OptimizerBuilder(weight_decay=0.2, decay_schedule="flat_cos")
    optimizer = builder.build(nn.Linear(2, 2))
    rate = builder.rate(max_epochs=4, steps_per_epoch=10)
    for index, share in ((0, 1.0), (19, 1.0), (30, 0.5), (40, 0.0)):
        rate.apply(optimizer.param_groups, index)
        decays = sorted(g["weight_decay"] for g in optimizer.param_groups)
        assert decays == pytest.approx([0.0, 0.2 * share])
        assert {g["lr"] for g in optimizer.param_groups} == {1e-3}


@pytest.mark.parametrize(
    ("options", "progressive", "text"),
    [
        ({"decay_schedule": "flat_cos"}, False, "optim.decay_schedule=flat_cos needs a length"),
        ({}, True, "a network that changes as it is trained needs a length"),
    ],
)
def test_what_changes_needs_a_length(options, progressive, text):
    with pytest.raises(ConfigError, match=f"{text}: set optim.schedule_epochs"):
        OptimizerBuilder(**options).rate(max_epochs=-1, steps_per_epoch=5, progressive=progressive)


def test_schedule_without_length():
    with pytest.raises(ConfigError, match="optim.schedule=cosine needs a length: set optim.schedule_epochs"):
        OptimizerBuilder(schedule="cosine").rate(max_epochs=-1, steps_per_epoch=5)
    assert OptimizerBuilder(schedule="cosine", schedule_epochs=4).rate(max_epochs=-1, steps_per_epoch=5).total == 20


def test_step_schedule_counts_epochs():
    rate = OptimizerBuilder(schedule="step", step_epochs=2, gamma=0.5).rate(max_epochs=6, steps_per_epoch=10)
    assert [rate.factor(i) for i in (0, 19, 20, 39, 40)] == [1.0, 1.0, 0.5, 0.5, 0.25]
