import functools

import pytest
from omegaconf import OmegaConf

from colonnade.config.build import build
from colonnade.config.compose import compose
from colonnade.core.errors import ConfigError
from colonnade.core.spec import BatchSpec
from colonnade.training.optim import OptimizerBuilder

OPTIM = "colonnade.training.optim.OptimizerBuilder"
BEST = "colonnade.training.callbacks.best.Best"


def test_builds_with_plain_lists_and_interpolations():
    cfg = OmegaConf.create({"rate": 0.5, "optim": {"_target_": OPTIM, "lr": "${rate}", "betas": [0.5, 0.6]}})
    made = build(cfg.optim)
    assert isinstance(made, OptimizerBuilder)
    assert made.lr == 0.5
    assert made.betas == (0.5, 0.6)


def test_late_arguments_arrive_as_they_are_and_win(mini, monkeypatch):
    import smallparts

    cfg = compose([], [mini], "mini")
    spec = BatchSpec((), (), (), "class", ("y",))
    seen = {}

    class Recorder(smallparts.Network):
        def __init__(self, **arguments):
            seen.update(arguments)

    Recorder.__module__ = "smallparts"
    monkeypatch.setattr(smallparts, "Network", Recorder)
    build(cfg.model, spec=spec, width=3)
    assert seen["spec"] is spec
    assert seen["width"] == 3
    assert isinstance(seen["backbone"], functools.partial)


def test_a_refusal_names_the_key(mini):
    cfg = compose(["optim.lr=-5"], [mini], "mini")
    with pytest.raises(ConfigError, match=r"^optim: lr must be above 0, got -5$"):
        build(cfg.optim)


def test_a_target_that_an_interpolation_brings_is_refused(tmp_path):
    made = tmp_path / "made"
    attack = f"${{oc.create:{{_target_:shutil.copyfile,_args_:[/etc/hostname,{made}]}}}}"
    for cfg in (
        {"optim": {"_target_": OPTIM, "lr": attack}},
        {"a": attack, "optim": {"_target_": OPTIM, "lr": "${a}"}},
    ):
        with pytest.raises(ConfigError, match="'shutil.copyfile' is not among the targets"):
            build(OmegaConf.create(cfg).optim)
    # Escaped, it is text, and is not resolved again.
    best = {"_target_": BEST, "dirpath": ".", "monitor": "\\" + attack, "mode": "min"}
    assert build(OmegaConf.create({"best": best}).best).monitor == attack
    assert not made.exists()


@pytest.mark.parametrize(
    "node", [{"_target_": "os.getcwd"}, {"_target_": OPTIM, "lr": {"_target_": "torch.load", "f": "x"}}]
)
def test_unlisted_targets_are_refused_at_any_depth(node):
    with pytest.raises(ConfigError, match="is not among the targets"):
        build(node)
    with pytest.raises(ConfigError, match="is not among the targets"):
        build(OmegaConf.create(node))


def test_what_is_built_has_lists_of_its_own(mini, monkeypatch):
    import smallparts

    made = []

    def optim(**arguments):
        made.append(arguments)
        arguments["betas"].append(1)

    optim.__module__ = "smallparts"
    monkeypatch.setattr(smallparts, "Optim", optim)
    node = {"_target_": "smallparts.Optim", "_partial_": True, "_convert_": "none", "betas": [0.5]}
    for lr in (0.1, 0.2):
        build(node, lr=lr)
    assert made == [{"betas": [0.5, 1], "lr": 0.1}, {"betas": [0.5, 1], "lr": 0.2}]
    assert node["betas"] == [0.5]


def test_positional_arguments():
    assert build({"_target_": "torch.nn.Linear", "_args_": [2, 3], "bias": False}).weight.shape == (3, 2)
