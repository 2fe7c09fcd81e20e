import json
import logging
from types import SimpleNamespace

import pytest
import torch
from kit import FakeData, FakeTask, Net, module, rows, same, trainer

from colonnade.training.callbacks.batch_size_finder import WARM_UP, BatchSizeFinder, repeated
from colonnade.training.callbacks.lr_finder import LearningRateFinder
from colonnade.training.optim import OptimizerBuilder
from colonnade.training.trial import Trial


def fit(folder, *callbacks):
    model = module(optim=OptimizerBuilder(lr=1e-3, lr_factors={"head": 0.5}))
    run = trainer(folder, epochs=1, callbacks=callbacks, enable_checkpointing=False)
    run.fit(model, datamodule=FakeData())
    return model, run


def test_range_test_changes_nothing(tmp_path, caplog):
    finder = LearningRateFinder(folder=str(tmp_path), steps=60)
    with caplog.at_level(logging.INFO):
        model, _ = fit(tmp_path, finder)
    assert same(model.state_dict(), fit(tmp_path)[0].state_dict())
    assert f"learning rate found: optim.lr={finder.found:g}" in caplog.text
    assert 1e-5 < finder.found < 1.0
    written = json.loads((tmp_path / "lr_find.json").read_text())
    assert written["suggestion"] == finder.found
    assert len(written["lr"]) == len(written["loss"]) >= 10
    assert sorted(p.name for p in tmp_path.glob("lr_find*")) == ["lr_find.json"]


def test_a_loss_that_diverges_at_once_suggests_no_rate(tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(Trial, "step", lambda self, batch, norm, *, lr=None: float("nan"))
    finder = LearningRateFinder(folder=str(tmp_path), apply=True)
    _, run = fit(tmp_path, finder)
    assert "the loss diverged within ten steps from lr=1e-06: no learning rate is suggested" in caplog.text
    assert json.loads((tmp_path / "lr_find.json").read_text()) == {"suggestion": None, "lr": [], "loss": []}
    assert [g["lr"] for g in run.optimizers[0].param_groups] == pytest.approx([1e-3, 5e-4])


def test_range_test_can_be_applied(tmp_path):
    finder = LearningRateFinder(folder=str(tmp_path), apply=True, steps=60)
    _, run = fit(tmp_path, finder)
    rates = [g["lr"] for g in run.optimizers[0].param_groups]
    assert rates == pytest.approx([finder.found, finder.found / 2])


def test_batch_sizes_are_timed(tmp_path, caplog):
    finder = BatchSizeFinder(folder=str(tmp_path), smallest=16, largest=64, steps=2, gain=0.0)
    with caplog.at_level(logging.INFO):
        model, _ = fit(tmp_path, finder)
    assert same(model.state_dict(), fit(tmp_path)[0].state_dict())
    assert finder.found in (16, 32, 64)
    assert all(rate > 0 for rate in finder.rates.values())
    assert f"batch size found: loader.batch_size={finder.found}" in caplog.text
    written = json.loads((tmp_path / "batch_size_find.json").read_text())
    assert written == {"suggestion": finder.found, "rows_per_second": {str(n): r for n, r in finder.rates.items()}}


def test_the_first_size_is_warmed_up_and_the_fastest_step_counts(tmp_path, monkeypatch):
    now, steps = [0.0], []

    def step(self, batch, norm, *, lr=None):
        steps.append(len(batch))
        # Twenty slow steps, and every third one slowed by something else.
        now[0] += 9.0 if len(steps) <= WARM_UP or len(steps) % 3 == 0 else 0.5
        return 0.0

    monkeypatch.setattr(Trial, "step", step)
    monkeypatch.setattr(f"{BatchSizeFinder.__module__}.time", SimpleNamespace(perf_counter=lambda: now[0]))
    finder = BatchSizeFinder(folder=str(tmp_path), smallest=16, largest=32, steps=3)
    fit(tmp_path, finder)
    assert steps == [16] * (WARM_UP + 3) + [32] * (1 + 3)
    assert finder.rates == {16: 32.0, 32: 64.0}


def test_out_of_memory_ends_the_search(tmp_path, caplog, monkeypatch):
    real = Trial.step

    def step(self, batch, norm, *, lr=None):
        if len(batch) > 16:
            raise torch.OutOfMemoryError("out of memory")
        return real(self, batch, norm, lr=lr)

    monkeypatch.setattr(Trial, "step", step)
    finder = BatchSizeFinder(folder=str(tmp_path), smallest=16, steps=1)
    fit(tmp_path, finder)
    assert finder.found == 16
    assert "batches of 32 rows do not fit into memory" in caplog.text


def test_no_size_that_fits_is_told(tmp_path, caplog, monkeypatch):
    def step(self, batch, norm, *, lr=None):
        raise torch.OutOfMemoryError("out of memory")

    monkeypatch.setattr(Trial, "step", step)
    fit(tmp_path, BatchSizeFinder(folder=str(tmp_path), smallest=16))
    assert "no batch of 16 rows fits into memory: no batch size is suggested" in caplog.text
    assert json.loads((tmp_path / "batch_size_find.json").read_text()) == {"suggestion": None, "rows_per_second": {}}


def test_trial_takes_the_optimizers_steps():
    trial = Trial(Net(dropout=0.0), FakeTask(), OptimizerBuilder(name="sgd", lr=0.5, momentum=0.0))
    net = Net(dropout=0.0)
    data = rows(20, weighted=True)
    loss = (FakeTask().row_loss(net(data).raw, data.target) * data.weight).sum() / 7.0
    loss.backward()
    assert trial.step(data, 7.0) == pytest.approx(loss.item())
    for mine, theirs in zip(trial.network.parameters(), net.parameters()):
        torch.testing.assert_close(mine, theirs - 0.5 * theirs.grad)


def test_repeated_rows():
    data = rows(3)
    assert repeated(data, 7).row_id.tolist() == [1000, 1001, 1002, 1000, 1001, 1002, 1000]


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (
            lambda: LearningRateFinder(folder=".", lowest=1.0),
            "lowest and highest must be 0 < lowest < highest, not 1.0 and 1.0",
        ),
        (lambda: LearningRateFinder(folder=".", steps=3), "steps must be 20 or more, not 3"),
        (
            lambda: BatchSizeFinder(folder=".", smallest=1),
            "smallest and largest must be 1 < smallest <= largest, not 1 and 16384",
        ),
        (lambda: BatchSizeFinder(folder=".", steps=0), "steps must be 1 or more, not 0"),
        (lambda: BatchSizeFinder(folder=".", gain=-1), "gain must be 0 or more, not -1"),
    ],
)
def test_ranges(make, text):
    with pytest.raises(ValueError) as error:
        make()
    assert str(error.value) == text
