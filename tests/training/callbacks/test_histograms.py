"""Histograms of the parameters."""

import pytest
from kit import FakeData, module, trainer

from colonnade.training.callbacks.histograms import Histograms
from colonnade.training.loggers import TensorBoard


def events(folder):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = EventAccumulator(str(folder / "tensorboard"), size_guidance={"histograms": 0})
    found.Reload()
    return found


def test_a_histogram_of_each_parameter_every_other_epoch(tmp_path):
    model = module()
    run = trainer(
        tmp_path,
        epochs=3,
        callbacks=[Histograms(every_n_epochs=2)],
        logger=TensorBoard(run_dir=str(tmp_path)),
        enable_checkpointing=False,
        limit_val_batches=0,
    )
    run.fit(model, datamodule=FakeData())
    found = events(tmp_path)
    names = {f"parameters/{name}" for name, _ in model.network.named_parameters()}
    assert set(found.Tags()["histograms"]) == names
    for name, parameter in model.network.named_parameters():
        first, last = found.Histograms(f"parameters/{name}")
        assert (first.step, last.step) == (13, 39)
        assert last.histogram_value.num == parameter.numel()
        assert last.histogram_value.sum == pytest.approx(parameter.sum().item(), rel=1e-4, abs=1e-5)
        assert last.histogram_value.max == pytest.approx(parameter.max().item(), rel=1e-4)


def test_the_interval_is_checked():
    with pytest.raises(ValueError, match="every_n_epochs must be 1 or more, not 0"):
        Histograms(every_n_epochs=0)
