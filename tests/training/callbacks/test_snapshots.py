import pytest
import torch
from kit import FakeData, Net, module, same, trainer
from lightning.pytorch import Callback
from safetensors.torch import load_file

from colonnade.core.errors import ConfigError
from colonnade.training.callbacks.snapshots import Snapshots
from colonnade.training.optim import OptimizerBuilder


class Seen(Callback):
    """The evaluated weights and the rate at the end of each epoch."""

    def __init__(self):
        self.states, self.rates = [], []

    def on_train_epoch_end(self, trainer, pl_module):
        self.states.append(pl_module.network_state())
        self.rates.append(trainer.optimizers[0].param_groups[0]["lr"])


def train(folder, epochs=5, **optim):
    seen = Seen()
    model = module(Net(), optim=OptimizerBuilder(lr=1e-2, **optim), ema=0.9)
    watching = [seen, Snapshots(dirpath=str(folder))]
    trainer(folder, epochs=epochs, callbacks=watching, enable_checkpointing=False).fit(model, datamodule=FakeData())
    return seen


def test_weights_at_the_end_of_each_cycle(tmp_path):
    seen = train(tmp_path, schedule="cycles", cycles=2)
    files = sorted(tmp_path.glob("snapshot-*.safetensors"))
    assert [file.name for file in files] == ["snapshot-00.safetensors", "snapshot-01.safetensors"]
    # Five epochs in two cycles: the first one ends within the third.
    assert same(load_file(files[0]), seen.states[1])
    assert same(load_file(files[1]), seen.states[4])
    assert not torch.equal(seen.states[1]["body.0.weight"], seen.states[4]["body.0.weight"])
    assert seen.rates[4] < 1e-4


def test_what_has_no_cycles_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="optim.schedule=cycles"):
        train(tmp_path)
    with pytest.raises(ConfigError, match="9 cycles in 5 epochs"):
        train(tmp_path, schedule="cycles", cycles=9)
