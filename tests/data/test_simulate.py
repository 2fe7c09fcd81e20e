"""ChurnSim does what it says of itself."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import log_loss, roc_auc_score

from colonnade.data.simulate import CAUSES, NOISE, ChurnSim


@pytest.fixture(scope="module")
def sim() -> ChurnSim:
    return ChurnSim()


def test_same_seed_same_rows(sim):
    assert ChurnSim().read().equals(sim.read())
    assert ChurnSim().origin == sim.origin
    assert not ChurnSim(seed=1).read().equals(sim.read())
    assert ChurnSim(seed=1).origin != sim.origin


def test_columns(sim):
    frame = sim.read()
    assert frame.shape == (20_000, 15)
    assert set(frame.columns) == {"customer_id", *CAUSES, *NOISE, "churned"}
    assert frame["customer_id"].n_unique() == 20_000
    assert frame["cell_tower"].n_unique() == 400
    assert frame.schema["signup_date"] == pl.Datetime("us")
    missing = {name: n for name, n in frame.null_count().row(0, named=True).items() if n}
    assert set(missing) == {"tenure", "payment", "data_used", "handset_colour"}
    assert missing["handset_colour"] == pytest.approx(2000, abs=150)


def test_the_probability_is_calibrated_and_the_best_possible(sim):
    truth = sim.truth
    y = (sim.read()["churned"] == "yes").to_numpy()
    for low in np.arange(0, 1, 0.2):
        inside = (truth.probability >= low) & (truth.probability < low + 0.2)
        assert y[inside].mean() == pytest.approx(truth.probability[inside].mean(), abs=0.03)
    assert roc_auc_score(y, truth.probability) > 0.85
    assert log_loss(y, truth.probability) < log_loss(y, np.clip(truth.probability * 1.2, 1e-3, 0.999))


def test_noise_says_nothing_and_causes_do(sim):
    """Share of the variance of the true probability that the levels of a column explain, beyond chance."""
    frame = sim.read().with_columns(p=pl.Series(sim.truth.probability))
    frame = frame.with_columns(
        pl.col("tenure", "monthly_charge", "data_used", "loyalty_points").rank("ordinal") // 1000,
        pl.col("signup_date").dt.month(),
        pl.col("last_note").str.extract(r"the (\w+)"),
    )
    explained = {}
    for name in (*CAUSES, *NOISE):
        rows = frame.drop_nulls(name)
        groups = rows.group_by(name).agg(pl.col("p").mean(), n=pl.len())
        between = float((groups["n"] * (groups["p"] - rows["p"].mean()) ** 2).sum())
        within = float(((rows["p"] - rows["p"].mean()) ** 2).sum())
        explained[name] = between / within - (len(groups) - 1) / len(rows)
    assert {name for name, share in explained.items() if share > 0.002} == set(CAUSES)


def test_too_small():
    with pytest.raises(ValueError, match="n_rows=5: at least 100"):
        ChurnSim(n_rows=5)
