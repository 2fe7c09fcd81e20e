"""What the finders found: as tables, figures and in TensorBoard."""

import json

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from colonnade.config.compose import compose
from colonnade.runs.fit import fit

pytestmark = pytest.mark.rendered

WORDS = ("model=linear", "data=wine", "trainer=cpu", "trainer.max_epochs=1", "threads=1")
BATCH_SIZE_FINDER = "+callbacks.batch_size_finder"
FINDERS = (
    "callbacks=lr_find",
    f"{BATCH_SIZE_FINDER}._target_=colonnade.training.callbacks.batch_size_finder.BatchSizeFinder",
    f"{BATCH_SIZE_FINDER}.folder=${{run_dir}}",
    f"{BATCH_SIZE_FINDER}.largest=128",
)


def test_finders_are_drawn_and_told(tmp_path):
    fit(compose([*WORDS, *FINDERS]), tmp_path)
    rate = json.loads((tmp_path / "lr_find.json").read_text())["suggestion"]
    size = json.loads((tmp_path / "batch_size_find.json").read_text())["suggestion"]
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    for name, text in (
        ("lr_find", f"learning rate found: optim.lr={rate:g}"),
        ("batch_size_find", f"batch size found: loader.batch_size={size} (rows/s by size: 64: "),
    ):
        assert (tmp_path / "figures" / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        (image,) = events.Images(name)
        assert (image.width, image.height) == (800, 380)
        (told,) = events.Tensors(f"{name}/text_summary")
        assert told.tensor_proto.string_val[0].decode().startswith(text)


def test_no_finder_no_figure(tmp_path):
    fit(compose([*WORDS]), tmp_path)
    assert not {"lr_find.png", "batch_size_find.png"} & {p.name for p in (tmp_path / "figures").iterdir()}


def test_figures_and_settings_reach_tensorboard(tmp_path):
    """Read back from the event files: images, the resolved configuration, and the table of settings with metrics."""
    result = fit(compose(["model=linear", "data=breast_cancer", *WORDS[2:], "optim.lr=0.02"]), tmp_path)
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    tags = events.Tags()
    assert {"confusion", "curves", "reliability", "learning"} <= set(tags["images"])
    assert {"val/auroc", "train/loss", "lr", "time/rows_per_second"} <= set(tags["scalars"])
    assert "lr: 0.02" in events.Tensors("config/text_summary")[0].tensor_proto.string_val[0].decode()
    assert {"_hparams_/experiment", "_hparams_/session_start_info"} <= set(events.summary_metadata)
    final = events.Scalars("test/auroc")[-1].value
    assert abs(final - result["metrics"]["test"]["auroc"]) < 1e-6
