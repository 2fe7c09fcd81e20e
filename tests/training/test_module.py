import logging
import math

import pytest
import torch
from kit import FakeData, FakeTask, Net, callbacks, module, rows, same, trainer
from lightning.pytorch import Callback
from lightning.pytorch.plugins import MixedPrecision

from colonnade.core.chunk import Chunk
from colonnade.core.errors import TrainingError
from colonnade.training.optim import OptimizerBuilder


class EveryStep(Callback):
    """Looks at single steps, so Lightning's own way is taken."""

    def __init__(self):
        self.seen = []

    def on_before_optimizer_step(self, trainer, pl_module, optimizer):
        self.seen.append(trainer.global_step)


class Epochs(Callback):
    """Keeps what other callbacks can see."""

    def __init__(self):
        self.metrics, self.steps = [], []

    def on_train_epoch_end(self, trainer, pl_module):
        self.metrics.append({k: v.item() for k, v in trainer.callback_metrics.items()})
        self.steps.append(trainer.global_step)


def fit(tmp_path, model, *, epochs=2, callbacks=(), data=None, **options):
    run = trainer(tmp_path, epochs=epochs, callbacks=callbacks, enable_checkpointing=False, **options)
    run.fit(model, datamodule=data or FakeData())
    return run


def test_learns_and_counts_optimizer_steps(tmp_path):
    epochs = Epochs()
    run = fit(tmp_path, module(), epochs=10, callbacks=[epochs])
    assert run.global_step == 10 * 13
    assert epochs.steps == [13 * (i + 1) for i in range(10)]
    # The epoch's own losses are logged after these callbacks.
    assert run.callback_metrics["train/loss"] < 0.5
    assert epochs.metrics[-1]["val/accuracy"] > 0.8
    assert epochs.metrics[-1]["val/loss"] < epochs.metrics[0]["val/loss"]


def test_equals_a_plain_loop(tmp_path):
    data = FakeData()
    model = module(Net(dropout=0.0), optim=OptimizerBuilder(lr=1e-2, grad_clip=0.5))
    net = Net(dropout=0.0)
    net.load_state_dict(model.network.state_dict())
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-2, weight_decay=0.0)
    for index in torch.randperm(400, generator=torch.Generator().manual_seed(0)).split(32):
        optimizer.zero_grad()
        FakeTask().row_loss(net(data.train).raw[index], data.train.target[index]).mean().backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 0.5)
        optimizer.step()
    fit(tmp_path, model, epochs=1, data=data)
    for a, b in zip(model.network.parameters(), net.parameters()):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


def test_size_of_chunks_changes_nothing(tmp_path):
    states, losses = [], []
    for chunk in (1, 4, 100):
        model = module(optim=OptimizerBuilder(lr=1e-2, schedule="one_cycle", warmup_steps=5), ema=0.9)
        run = fit(tmp_path, model, data=FakeData(chunk=chunk, weighted=True))
        states.append(model.state_dict())
        losses.append(run.callback_metrics["train/loss"].item())
    assert same(states[0], states[1])
    assert same(states[0], states[2])
    assert losses[0] == losses[1] == losses[2]


def test_both_ways_of_stepping_are_one(tmp_path):
    hook = EveryStep()
    states = []
    for extra in ((), (hook,)):
        model = module(optim=OptimizerBuilder(lr=1e-2, grad_clip=0.1, schedule="cosine"))
        run = fit(tmp_path, model, callbacks=extra)
        states.append(model.state_dict())
        assert run.global_step == 26
    assert hook.seen == list(range(26))
    assert same(*states)


@pytest.mark.parametrize("penalty", [False, True])
def test_micro_batches_sum_to_the_batch(tmp_path, penalty):
    states = []
    for size in (None, 7):
        model = module(Net(dropout=0.0, penalty=penalty), optim=OptimizerBuilder(name="sgd", lr=0.1), micro_batch=size)
        fit(tmp_path, model, epochs=1, data=FakeData(weighted=True))
        states.append(model.state_dict())
    for key in states[0]:
        torch.testing.assert_close(states[0][key], states[1][key], rtol=1e-4, atol=1e-6)


def test_shares_are_weights_over_norms():
    data = rows(5, weighted=True)
    chunk = Chunk(batch=data, sizes=(2, 3), norms=torch.tensor([2.0, 4.0]), epoch=0, first_step=0)
    first, second = chunk.shares()
    torch.testing.assert_close(first, data.weight[:2] / 2)
    torch.testing.assert_close(second, data.weight[2:] / 4)


def test_penalty_is_trained(tmp_path):
    model, plain = module(Net(dropout=0.0, penalty=True)), module(Net(dropout=0.0))
    fit(tmp_path, model, epochs=1)
    fit(tmp_path, plain, epochs=1)
    assert not same(model.state_dict(), plain.state_dict())


@pytest.mark.parametrize("precision", ["bf16-mixed", "bf16-true", "64-true"])
def test_precisions_learn(tmp_path, precision):
    model = module(optim=OptimizerBuilder(lr=1e-2, grad_clip=1.0), ema=0.9)
    run = fit(tmp_path, model, epochs=8, precision=precision)
    assert run.global_step == 8 * 13
    assert run.callback_metrics["val/accuracy"] > 0.75


@pytest.mark.parametrize("clip", [None, 1.0])
def test_float16_is_scaled_and_clipped_unscaled(tmp_path, clip):
    # Lightning refuses the name on a processor, not the plugin.
    plugin = MixedPrecision("16-mixed", "cpu", torch.amp.GradScaler("cpu", init_scale=2.0**20))
    model = module(Net(dropout=0.0), optim=OptimizerBuilder(lr=1e-2, grad_clip=clip))
    whole = module(Net(dropout=0.0), optim=OptimizerBuilder(lr=1e-2, grad_clip=clip))
    run = fit(tmp_path, model, epochs=8, plugins=[plugin])
    exact = fit(tmp_path, whole, epochs=8)
    assert run.global_step == 8 * 13
    assert run.optimizers[0].param_groups[0]["fused"] == (clip is None)
    assert plugin.scaler.get_scale() < 2.0**20
    expected = exact.callback_metrics["train/loss"].item()
    assert run.callback_metrics["train/loss"].item() == pytest.approx(expected, rel=0.1)


def test_average_is_evaluated_and_kept(tmp_path):
    model = module(ema=0.9)
    run = fit(tmp_path, model)
    state = model.network_state()
    assert same(state, model.average.module.state_dict())
    assert not same(state, model.network.state_dict())
    with torch.no_grad():
        expected = model.task.row_loss(model.average.module.eval()(run.datamodule.val).raw, run.datamodule.val.target)
    assert run.callback_metrics["val/loss"].item() == pytest.approx(expected.mean().item(), rel=1e-6)
    run.save_checkpoint(tmp_path / "a.ckpt")
    other = module(seed=1, ema=0.9)
    other.load_best(tmp_path / "a.ckpt")
    assert same(other.network.state_dict(), state)
    assert same(other.network_state(), state)


def test_compiled_keys_are_plain(tmp_path):
    model = module(compile="eager", ema=0.9)
    reference = module(ema=0.9)
    assert model.state_dict().keys() == reference.state_dict().keys()
    fit(tmp_path, model, epochs=1)
    fit(tmp_path, reference, epochs=1)
    assert same(model.state_dict(), reference.state_dict())


def test_bad_loss_stops_before_the_step(tmp_path):
    train = rows(400)
    train.num[7, 0] = math.nan
    model = module(Net(dropout=0.0))
    with pytest.raises(TrainingError, match=r"the loss is nan in epoch 0, step \d+ \(row ids .* and 22 more\)"):
        fit(tmp_path, model, data=FakeData(train=train))
    assert all(p.isfinite().all() for p in model.parameters())


def test_weights_that_are_not_finite_are_refused():
    model = module()
    model.assert_finite()
    model._trainer = type("T", (), {"global_step": 4})()
    with torch.no_grad():
        model.network.head.bias[0] = math.inf
    with pytest.raises(TrainingError, match=r"weights are not finite after step 4: head.bias; training stopped"):
        model.assert_finite()


def test_undefined_metric_is_left_out_and_said_once(tmp_path, caplog):
    epochs = Epochs()
    task = FakeTask(extra=lambda n: {"auroc": math.nan if n > 1 else 0.5})
    with caplog.at_level(logging.WARNING):
        fit(tmp_path, module(task=task), epochs=3, callbacks=[epochs])
    assert ["val/auroc" in m for m in epochs.metrics] == [True, False, False]
    assert [r.message for r in caplog.records if "undefined" in r.message] == [
        "val/auroc is undefined (for example: one class alone in the rows); it is left out"
    ]


def test_plateau_lowers_the_rate(tmp_path):
    task = FakeTask(monitor="val/steady", extra=lambda n: {"steady": 1.0})
    model = module(task=task, optim=OptimizerBuilder(lr=1.0e-2, schedule="plateau", patience=0, gamma=0.5))
    run = fit(tmp_path, model, epochs=4)
    assert run.optimizers[0].param_groups[0]["lr"] == pytest.approx(1e-2 * 0.5**3)


def test_plateau_counts_validations_not_epochs(tmp_path):
    task = FakeTask(monitor="val/steady", extra=lambda n: {"steady": 1.0})
    model = module(task=task, optim=OptimizerBuilder(lr=1.0e-2, schedule="plateau", patience=0, gamma=0.5))
    run = fit(tmp_path, model, epochs=6, check_val_every_n_epoch=2)
    assert run.optimizers[0].param_groups[0]["lr"] == pytest.approx(1e-2 * 0.5**2)


def test_the_rate_that_is_logged_is_the_base_rate(tmp_path):
    model = module(optim=OptimizerBuilder(lr=1.0e-2, lr_factors={"body": 0.1}))
    run = fit(tmp_path, model, epochs=1)
    assert run.callback_metrics["lr"].item() == pytest.approx(1e-2)
    assert run.optimizers[0].param_groups[0]["lr"] == pytest.approx(1e-3)


def test_all_rows_are_decoded_once_an_epoch(tmp_path):
    task = FakeTask()
    fit(tmp_path, module(task=task, eval_rows=10), epochs=2)
    assert task.decoded == 2


def test_collect_outside_of_a_trainer():
    model = module(eval_rows=10)
    data = rows(50)
    found = model.collect(data.split(20))
    assert model.network.training
    with torch.no_grad():
        torch.testing.assert_close(found.raw, model.network.eval()(data).raw)
    assert torch.equal(found.row_id, data.row_id)


def test_network_state_is_a_copy():
    model = module()
    state = model.network_state()
    state["head.bias"].fill_(9.0)
    assert not (model.network.head.bias == 9.0).any()


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"eval_rows": 0}, "eval_rows must be 1 or more, or null, not 0"),
        ({"micro_batch": -1}, "micro_batch must be 1 or more, or null, not -1"),
        ({"ema": 1.0}, "ema must be in (0, 1), not 1.0"),
    ],
)
def test_ranges(options, text):
    with pytest.raises(ValueError) as error:
        module(**options)
    assert str(error.value) == text


def test_hyper_parameters_are_not_kept():
    assert dict(module().hparams) == {}


def test_default_callbacks_run_together(tmp_path):
    run = trainer(tmp_path, epochs=3, callbacks=callbacks(tmp_path))
    run.fit(module(), datamodule=FakeData())
    assert {p.name for p in (tmp_path / "checkpoints").glob("*.ckpt")} >= {"best-epoch0002.ckpt"}
