"""Every file of the groups of this room composes and builds."""

from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from kit import FakeData, module
from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import Checkpoint
from omegaconf import OmegaConf

from colonnade.training.checkpoint_io import AtomicCheckpointIO
from colonnade.training.optim import OptimizerBuilder

CONF = Path(__file__).parents[2] / "conf"
CHOICES = {
    group: sorted(p.stem for p in (CONF / group).glob("*.yaml"))
    for group in ("optim", "trainer", "callbacks", "logger")
}


def load(name, tmp_path):
    with initialize_config_dir(str(CONF), version_base="1.3"):
        cfg = compose(name)
    around = {"task": {"monitor": "val/loss", "mode": "min"}, "run_dir": str(tmp_path)}
    return OmegaConf.to_container(OmegaConf.merge(around, OmegaConf.create(OmegaConf.to_yaml(cfg))), resolve=True)


def test_what_there_is():
    assert CHOICES == {
        "optim": ["adam", "adamw", "sgd"],
        "trainer": ["auto", "cpu", "ddp", "gpu"],
        "callbacks": ["batch_size_find", "default", "histograms", "lr_find", "minimal", "none"],
        "logger": ["csv", "mlflow", "none", "tensorboard", "wandb"],
    }


@pytest.mark.parametrize("name", CHOICES["optim"])
def test_optim(name, tmp_path):
    optim = instantiate(load(f"optim/{name}", tmp_path)["optim"], _convert_="all")
    assert isinstance(optim, OptimizerBuilder)
    assert optim.name == name


@pytest.mark.parametrize("name", CHOICES["callbacks"])
def test_callbacks_train(name, tmp_path):
    cfg = load(f"callbacks/{name}", tmp_path)
    callbacks = [instantiate(node, _convert_="all") for node in cfg["callbacks"].values()]
    options = {k: v for k, v in load("trainer/cpu", tmp_path)["trainer"].items() if k != "_target_"}
    options |= cfg.get("trainer", {}) | {"max_epochs": 1}
    run = Trainer(
        callbacks=callbacks, logger=False, plugins=[AtomicCheckpointIO()], default_root_dir=str(tmp_path), **options
    )
    run.fit(module(), datamodule=FakeData())
    assert run.global_step == 13
    ours = [c for c in run.callbacks if isinstance(c, Checkpoint)]
    assert all(type(c).__module__.startswith("colonnade") for c in ours)
    assert (name == "none") == (not ours)
    # Recovery comes last, and so remembers what the others have seen.
    assert name == "none" or type(ours[-1]).__name__ == "Recovery"


@pytest.mark.parametrize("name", CHOICES["logger"])
def test_loggers(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    nodes = load(f"logger/{name}", tmp_path).get("logger", {})
    assert len([instantiate(node, _convert_="all") for node in nodes.values()]) == (name != "none")


@pytest.mark.parametrize("name", CHOICES["trainer"])
def test_trainers(name, tmp_path):
    node = load(f"trainer/{name}", tmp_path)["trainer"]
    if name in ("gpu", "ddp"):
        node |= {"accelerator": "cpu", "devices": 1}
    run = instantiate(node, logger=False, callbacks=[], default_root_dir=str(tmp_path), _convert_="all")
    assert isinstance(run, Trainer)
    assert run.max_epochs == 200
