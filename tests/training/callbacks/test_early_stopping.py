import math

import pytest
from kit import FakeData, FakeTask, module, trainer

from colonnade.training.callbacks.early_stopping import EarlyStopping


def epochs_of(tmp_path, scores, **options):
    task = FakeTask(monitor="val/score", mode="max", extra=lambda n: {"score": scores[n - 1]})
    stopping = EarlyStopping(monitor="val/score", mode="max", **options)
    run = trainer(tmp_path, epochs=len(scores), callbacks=[stopping], enable_checkpointing=False)
    run.fit(module(task=task), datamodule=FakeData(n=64))
    return run.current_epoch


def test_stops_after_its_patience(tmp_path):
    assert epochs_of(tmp_path, [1, 2, 2, 1, 3, 3, 3, 3, 3], patience=3) == 8


def test_undefined_counts_as_no_improvement(tmp_path):
    assert epochs_of(tmp_path, [1, math.nan, 2, math.nan, math.nan, 3, 3], patience=2) == 5


def test_undefined_from_the_start_does_not_stop(tmp_path):
    assert epochs_of(tmp_path, [math.nan] * 4, patience=2) == 4


def test_small_gains_do_not_count(tmp_path):
    assert epochs_of(tmp_path, [1, 1.05, 1.09, 2, 3], patience=2, min_delta=0.5) == 3


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"mode": "large"}, "mode must be min or max, not 'large'"),
        ({"patience": 0}, "patience must be 1 or more, not 0"),
        ({"min_delta": -1.0}, "min_delta must be 0 or more, not -1.0"),
    ],
)
def test_ranges(options, text):
    with pytest.raises(ValueError) as error:
        EarlyStopping(**{"monitor": "x", "mode": "min", **options})
    assert str(error.value) == text
