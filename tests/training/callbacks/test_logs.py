"""Throughput, metrics log, progress, TensorBoard."""

import io
import json
import logging
from types import SimpleNamespace

import pytest
from kit import FakeData, FakeTask, callbacks, module, trainer
from lightning.pytorch import Callback
from rich.console import Console

from colonnade.training.callbacks.early_stopping import EarlyStopping
from colonnade.training.callbacks.progress import Progress
from colonnade.training.checkpoint_io import latest_recovery
from colonnade.training.loggers import TensorBoard


def fit(folder, *, epochs=3, **options):
    run = trainer(folder, epochs=epochs, callbacks=callbacks(folder, max_share=1.0), **options)
    run.fit(module(), datamodule=FakeData())
    return run


def test_a_line_for_each_epoch(tmp_path):
    fit(tmp_path)
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [(line["epoch"], line["step"]) for line in lines] == [(0, 13), (1, 26), (2, 39)]
    names = {"train/loss", "val/loss", "val/accuracy", "lr", "time/rows_per_second", "time/epoch_seconds", "memory/mb"}
    assert all(line.keys() == {"epoch", "step"} | names for line in lines)
    assert all(line["time/rows_per_second"] > 0 and line["memory/mb"] > 10 for line in lines)


def test_a_training_from_the_start_begins_a_new_file(tmp_path):
    (tmp_path / "metrics.jsonl").write_text('{"epoch": 7}\n{"half')
    fit(tmp_path, epochs=1)
    assert len((tmp_path / "metrics.jsonl").read_text().splitlines()) == 1


def scalars(folder):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder / "tensorboard"))
    events.Reload()
    return events


def test_tensorboard_by_optimizer_steps(tmp_path):
    (tmp_path / "config.yaml").write_text("seed: 3\n")
    fit(tmp_path, logger=TensorBoard(run_dir=str(tmp_path)))
    events = scalars(tmp_path)
    for name in ("train/loss", "val/loss", "val/accuracy", "lr"):
        assert [e.step for e in events.Scalars(name)] == [13, 26, 39], name
    (text,) = events.Tensors("config/text_summary")
    assert b"seed: 3" in text.tensor_proto.string_val[0]


def test_tensorboard_hides_what_came_after_the_checkpoint(tmp_path):
    fit(tmp_path, logger=TensorBoard(run_dir=str(tmp_path)))
    from colonnade.training import manifest

    checkpoints = tmp_path / "checkpoints"
    manifest.write(checkpoints, [e for e in manifest.read(checkpoints) if e.step < 39])
    again = TensorBoard(run_dir=str(tmp_path))
    again.log_metrics({"val/loss": 0.5}, step=39)
    again.finalize("success")
    assert [(e.step, round(e.value, 3)) for e in scalars(tmp_path).Scalars("val/loss")][-1] == (39, 0.5)
    assert [e.step for e in scalars(tmp_path).Scalars("val/loss")] == [13, 26, 39]


def test_plain_lines_without_a_terminal(tmp_path, caplog):
    bar = Progress(monitor="val/loss", mode="min", line_interval=0.0)
    run = trainer(tmp_path, epochs=3, callbacks=[bar], enable_checkpointing=False)
    with caplog.at_level(logging.INFO, logger="colonnade"):
        run.fit(module(), datamodule=FakeData())
    lines = [r.message for r in caplog.records if r.message.startswith("epoch")]
    assert [line.split(" · ")[0] for line in lines] == ["epoch 1/3", "epoch 2/3", "epoch 3/3", "epoch 3/3"]
    assert "val/loss 0." in lines[1]
    assert "(best 0." in lines[1]
    assert "rows/s" in lines[1]
    assert lines[1].endswith("left")


def test_bar_on_a_terminal(tmp_path, monkeypatch):
    screen = io.StringIO()
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    monkeypatch.setattr(
        "colonnade.training.callbacks.progress.Console",
        lambda stderr: Console(file=screen, force_terminal=True, width=160),
    )
    bar = Progress(monitor="val/loss", mode="min", interval=1e-9)
    run = trainer(tmp_path, epochs=2, callbacks=[bar], enable_checkpointing=False)
    run.fit(module(), datamodule=FakeData())
    assert "epoch 2/2" in screen.getvalue()
    assert "val/loss" in screen.getvalue()


class Terminal(io.StringIO):
    """A screen of 80 columns that remembers all that was written."""

    def isatty(self):
        return True

    def shown(self, text):
        """The line of the screen on which a text stands."""
        (line,) = [line for line in self.getvalue().splitlines() if text in line]
        return line.rsplit("\x1b[2K", 1)[-1]


@pytest.mark.parametrize("piped", [False, True])
def test_messages_stand_above_the_bar_on_lines_of_their_own(tmp_path, monkeypatch, piped):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")
    screen, pipe = Terminal(), io.StringIO()
    monkeypatch.setattr("sys.stderr", screen)
    monkeypatch.setattr("sys.stdout", pipe if piped else screen)
    log, path = logging.getLogger("colonnade.test"), "/a" * 60
    # As Hydra's set-up of logging: it keeps the stream that was standard error then.
    handler = logging.StreamHandler(screen)
    monkeypatch.setattr(log, "handlers", [handler])

    class Talk(Callback):
        def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
            if trainer.current_epoch == 1 and batch_idx == 0:
                log.warning("told [in] the middle %s", path)
                print("printed in the middle")

    bar = Progress(monitor="val/loss", mode="min", interval=1e-9)
    run = trainer(tmp_path, epochs=3, callbacks=[bar, Talk()], enable_checkpointing=False)
    run.fit(module(), datamodule=FakeData())
    log.warning("told afterwards")
    assert "epoch 2/3" in screen.getvalue()
    assert screen.shown("told [in]") == f"told [in] the middle {path}"
    assert screen.shown("afterwards") == "told afterwards"
    assert handler.stream is screen
    if piped:
        assert pipe.getvalue() == "printed in the middle\n"
    else:
        assert screen.shown("printed") == "printed in the middle"


@pytest.fixture
def clock(monkeypatch):
    """A clock that goes when it is told to."""
    now = SimpleNamespace(seconds=0.0)
    monkeypatch.setattr("colonnade.training.callbacks.progress.time", SimpleNamespace(monotonic=lambda: now.seconds))
    return now


def third_epoch(clock):
    """A bar and its trainer in the third of 200 epochs of four chunks, each of 1000 rows and a second."""
    bar = Progress(monitor="val/log_loss", mode="min")
    bar.load_state_dict({"last": 0.32514, "best": 0.31089})
    patience = EarlyStopping(monitor="val/log_loss", mode="min", patience=16)
    run = SimpleNamespace(
        max_epochs=200, current_epoch=0, num_training_batches=4, world_size=1, callbacks=[patience], callback_metrics={}
    )
    bar.on_train_start(run, None)
    for turn in range(9):
        run.current_epoch, chunk = divmod(turn, 4)
        bar.on_train_batch_start(run, None, None, chunk)
        clock.seconds += 1.0
        bar.on_train_batch_end(run, None, None, SimpleNamespace(batch=range(1000)), chunk)
    return bar, run


@pytest.mark.parametrize(
    ("width", "text"),
    [
        (None, "epoch 3/200 · val/log_loss 0.3251 (best 0.3109) · 1,000 rows/s · 01:03 to 13:11 left"),
        (80, "epoch 3/200 · val/log_loss 0.3251 (best 0.3109) · 01:03 to 13:11 left"),
        (60, "epoch 3/200 · val/log_loss 0.3251 · 01:03 to 13:11 left"),
        (40, "val/log_loss 0.3251 · 01:03 to 13:11 left"),
    ],
)
def test_metric_and_time_left_are_what_stays_of_the_line(clock, width, text):
    bar, run = third_epoch(clock)
    assert bar.text(run, width=width) == text


def test_metric_time_left_and_a_bar_on_80_columns(clock, monkeypatch):
    screen = io.StringIO()
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    monkeypatch.setattr(
        "colonnade.training.callbacks.progress.Console",
        lambda stderr: Console(file=screen, force_terminal=True, width=80, no_color=True),
    )
    bar, run = third_epoch(clock)
    bar.on_train_end(run, None)
    shown = [line for line in screen.getvalue().splitlines() if "epoch 3/200" in line][-1]
    frame = shown[shown.rindex("\x1b[2K") + 4 :]
    assert frame == "━━╸        epoch 3/200 · val/log_loss 0.3251 (best 0.3109) · 01:03 to 13:11 left"
    assert len(frame) == 80


def test_the_time_left_is_told_within_the_first_epoch(clock):
    bar = Progress(monitor="val/loss", mode="min")
    run = SimpleNamespace(max_epochs=2, current_epoch=0, num_training_batches=4, world_size=1, callbacks=[])
    bar.on_train_start(run, None)
    assert bar.text(run) == "epoch 1/2"
    bar.on_train_batch_start(run, None, None, 0)
    clock.seconds = 3600.0
    bar.on_train_batch_end(run, None, None, SimpleNamespace(batch=range(18_000)), 0)
    assert bar.text(run) == "epoch 1/2 · 5 rows/s · 7:00:00 left"


def test_the_clock_leaves_out_what_happens_before_the_first_chunk(tmp_path, caplog, clock):
    class RangeTest(Callback):
        def on_train_start(self, trainer, pl_module):
            clock.seconds += 600.0

    bar = Progress(monitor="val/loss", mode="min")
    run = trainer(tmp_path, epochs=2, callbacks=[bar, RangeTest()], enable_checkpointing=False)
    with caplog.at_level(logging.INFO, logger="colonnade"):
        run.fit(module(), datamodule=FakeData())
    assert [r.message for r in caplog.records if r.message.startswith("epoch")][-1].endswith(" rows/s · in 00:00")


def test_a_resumed_training_remembers_the_best(tmp_path):
    def train(epochs, score, resume=None):
        task = FakeTask(monitor="val/score", mode="max", extra=lambda n: {"score": score})
        options = callbacks(tmp_path, monitor="val/score", mode="max", max_share=1.0)
        run = trainer(tmp_path, epochs=epochs, callbacks=options)
        run.fit(module(task=task), datamodule=FakeData(), ckpt_path=resume, weights_only=True)
        return run.progress_bar_callback.text(run, ended=True)

    assert "val/score 0.9 (best 0.9)" in train(2, 0.9)
    assert "val/score 0.3 (best 0.9)" in train(3, 0.3, latest_recovery(tmp_path / "checkpoints"))


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"mode": "big"}, "mode must be min or max, not 'big'"),
        ({"interval": 0}, "interval must be above 0, not 0"),
        ({"line_interval": -1}, "line_interval must be 0 or more, not -1"),
    ],
)
def test_ranges(options, text):
    with pytest.raises(ValueError) as error:
        Progress(**{"monitor": "x", "mode": "min", **options})
    assert str(error.value) == text
