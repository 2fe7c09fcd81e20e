"""Stability: AUC, missing shares and unseen levels of parts, where they are known."""

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import roc_auc_score

from colonnade.core.schema import Column, Kind, Schema, TargetKind
from colonnade.data.leakage import leak_scores
from colonnade.data.stability import auc, stability

N = 3000
RNG = np.random.default_rng(0)
ROWS = {"train": np.arange(0, 2000), "val": np.arange(2000, 2500), "test": np.arange(2500, 3000)}
LATE = np.arange(N) >= 2500


@pytest.fixture(scope="module")
def table() -> tuple[pl.DataFrame, Schema]:
    noise = RNG.normal(size=N)
    frame = pl.DataFrame(
        {
            "same": RNG.normal(size=N),
            "moved": RNG.normal(size=N) + 2.0 * LATE,
            "colour": np.where(LATE & (RNG.random(N) < 0.3), "new", RNG.choice(["red", "blue"], N)),
            "holes": pl.Series(RNG.normal(size=N)).set(pl.Series(LATE & (RNG.random(N) < 0.5)), None),
            "many": [f"level {i}" for i in range(N)],
            "y": noise,
            "near": noise + 0.1 * RNG.normal(size=N),
        }
    )
    kinds = {"colour": Kind.CATEGORICAL, "many": Kind.TEXT}
    columns = {name: Column(name, kinds.get(name, Kind.NUMERIC)) for name in frame.columns}
    return frame, Schema(columns, targets=("y",))


def test_auc_is_that_of_sklearn() -> None:
    label, score = RNG.integers(0, 2, 500), RNG.integers(0, 20, 500)
    assert auc(score, label) == pytest.approx(roc_auc_score(label, score))
    assert np.isnan(auc(score, np.zeros(500, dtype=np.int64)))


def test_what_drifts_and_what_does_not(table) -> None:
    found = stability(*table, ROWS)
    test, val = found["test"], found["val"]
    # Two normals two deviations apart: Phi(sqrt(2)).
    assert test.auc["moved"] == pytest.approx(0.921, abs=0.02)
    assert test.auc["holes"] == pytest.approx(0.75, abs=0.03)
    assert test.auc["colour"] == pytest.approx(0.65, abs=0.03)
    for name in ("same", "many", "near"):
        assert abs(test.auc[name] - 0.5) < 4 * test.error, name
    for name, value in val.auc.items():
        assert abs(value - 0.5) < 4 * val.error, name
    assert test.together > test.auc["moved"]
    assert abs(val.together - 0.5) < 4 * val.error
    assert val.error == pytest.approx(np.sqrt(2501 / (12 * 2000 * 500)))


def test_missing_values_and_unseen_levels(table) -> None:
    frame, _ = table
    found = stability(*table, ROWS)
    assert found["train"].missing["holes"] == 0
    assert found["test"].missing["holes"] == frame["holes"][2500:].null_count() / 500
    assert found["test"].unseen["colour"] == (frame["colour"][2500:] == "new").sum() / 500
    assert found["val"].unseen == {"colour": 0.0, "many": 1.0}


def test_too_few_rows(table) -> None:
    found = stability(*table, {"train": ROWS["train"], "val": np.arange(2000, 2005), "test": np.arange(0)})
    assert np.isnan(found["val"].auc["same"])
    assert np.isnan(found["test"].together)


def test_leak_scores(table) -> None:
    scores = leak_scores(*table, TargetKind.REAL)
    # Independent noise of a tenth leaves about a hundredth, and a row nearby is one more draw of it.
    assert scores["near"] == pytest.approx(0.98, abs=0.015)
    assert abs(scores["colour"]) < 0.05
    assert list(scores) == [name for name in table[0].columns if name != "y"]
