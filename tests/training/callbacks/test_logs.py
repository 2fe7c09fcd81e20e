"""Throughput, metrics log, progress, TensorBoard."""

import io
import json
import logging

import pytest
from kit import FakeData, callbacks, module, trainer
from rich.console import Console

from colonnade.training.callbacks.progress import Progress
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
