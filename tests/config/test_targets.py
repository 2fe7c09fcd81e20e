import pytest

from colonnade.config.targets import find, is_allowed
from colonnade.core.errors import ConfigError
from colonnade.training.optim import OptimizerBuilder


def test_finds_classes_of_listed_packages():
    import lightning.pytorch
    import torch

    assert find("colonnade.training.optim.OptimizerBuilder") is OptimizerBuilder
    assert find("torch.optim.AdamW") is torch.optim.AdamW
    assert find("lightning.pytorch.Trainer") is lightning.pytorch.Trainer
    assert find("lightning.pytorch.loggers.CSVLogger") is lightning.pytorch.loggers.CSVLogger


@pytest.mark.parametrize(
    "target",
    [
        "os.system",
        "builtins.eval",
        "torch.load",
        "torch.hub.load",
        "numpy.load",
        "joblib.load",
        "pathlib.Path.unlink",
        "subprocess.Popen",
        "colonnade.config.build.build",
        "colonnade.core.files.write_atomic",
        "colonnade.core.optional.optional_import",
        "lightning.pytorch.LightningModule.load_from_checkpoint",
        "colonnade",
        "colonnade_evil.nn.X",
    ],
)
def test_refuses_what_is_not_listed(target):
    assert not is_allowed(target)
    with pytest.raises(ConfigError, match="is not among the targets that a configuration may name"):
        find(target)


@pytest.mark.parametrize(
    "target",
    [
        # Other packages, by way of what a listed module imports.
        "colonnade.training.optim.torch.load",
        "colonnade.training.optim.partial",
        "torch.nn.modules.module.torch.load",
        "torch.optim.optimizer.functools.partial",
        # Functions and methods of a listed package.
        "colonnade.training.groups.parameter_groups",
        "torch.nn.init.normal_",
        "colonnade.training.optim",
    ],
)
def test_refuses_a_way_out_of_a_listed_package(target):
    assert is_allowed(target)
    with pytest.raises(ConfigError, match="is not a class of its package"):
        find(target)


def test_names_the_nearest_class():
    with pytest.raises(ConfigError, match="has no 'OptimizerBilder'; did you mean 'OptimizerBuilder'?"):
        find("colonnade.training.optim.OptimizerBilder")


def test_a_module_that_is_not_there():
    with pytest.raises(ConfigError, match="colonnade.nn has no 'nothing'"):
        find("colonnade.nn.nothing.Network")


def test_own_packages_are_named_in_the_environment(monkeypatch, tmp_path):
    (tmp_path / "myparts.py").write_text("class Part:\n    pass\ndef part():\n    pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ConfigError, match="export COLONNADE_TARGETS=package"):
        find("myparts.Part")
    monkeypatch.setenv("COLONNADE_TARGETS", "elsewhere, myparts")
    assert find("myparts.Part").__name__ == "Part"
    assert find("myparts.part").__name__ == "part"
    with pytest.raises(ConfigError, match="not among"):
        find("mypartsandmore.Part")
