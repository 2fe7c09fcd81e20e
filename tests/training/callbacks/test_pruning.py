import json

import pytest

from colonnade.config.compose import compose
from colonnade.runs.fit import fit

WORDS = (
    "data=breast_cancer",
    "model=linear",
    "trainer=cpu",
    "trainer.max_epochs=6",
    "trainer.enable_progress_bar=false",
    "logger=none",
    "callbacks=minimal",
)


@pytest.fixture
def pruned(tmp_path):
    (tmp_path / "prune").touch()
    return fit(compose(WORDS), tmp_path)


def test_a_training_ends_at_the_next_epoch_and_says_so(pruned, tmp_path):
    assert pruned["status"] == "pruned"
    assert pruned == json.loads((tmp_path / "result.json").read_text())
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert (len(lines), pruned["epochs"]) == (1, 1)
    assert pruned["metrics"]["val"]["log_loss"] == lines[0]["val/log_loss"]
    assert (pruned["monitor"], pruned["mode"]) == ("val/log_loss", "min")
    assert pruned["parameters"] > 0


def test_it_is_not_trained_on(pruned, tmp_path):
    assert fit(compose(WORDS), tmp_path) == pruned


def test_without_the_file_nothing_changes(tmp_path):
    assert fit(compose(WORDS), tmp_path)["status"] == "finished"
