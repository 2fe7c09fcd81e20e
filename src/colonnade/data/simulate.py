"""ChurnSim: customers of a made-up telephone company, with a known cause for each who leaves."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import polars as pl

_EPOCH = np.datetime64("2019-01-01", "us")
_DAYS = 1_800
_CONTRACTS = ("month-to-month", "one year", "two years")
_PAYMENTS = ("bank transfer", "card", "direct debit", "invoice")
_REGIONS = tuple(f"region {letter}" for letter in "ABCDEFGH")
_COLOURS = ("amber", "blue", "green", "grey", "red", "white")
_SUBJECTS = ("invoice", "signal", "router", "roaming", "tariff")
_MOODS = ("angry", "calm", "puzzled", "pleased")
_N_CELLS = 400
CAUSES = ("tenure", "contract", "monthly_charge", "support_calls", "signup_date", "cell_tower", "payment", "data_used")
NOISE = ("region", "handset_colour", "loyalty_points", "last_note", "paperless")


@dataclass(frozen=True)
class Truth:
    """What the process knows of the rows it made.

    Args:
        causes: columns that the probability depends on.
        noise: columns that it does not depend on and that depend on no cause.
        probability: ``(N,)`` float64, true probability of churn of each row: no model can have a lower expected log
            loss.
    """

    causes: tuple[str, ...]
    noise: tuple[str, ...]
    probability: np.ndarray


class ChurnSim:
    """Generator of a table with all that makes tables hard: text, missing values, dates, high cardinality,
    interactions.

    The process, for each row independently::

        tenure         months, 72 * Beta(1.2, 1.6)                         contract        shorter ones for the new
        monthly_charge Gamma(6, 11), euro                                  data_used       lognormal(1.5, 0.8), GB
        support_calls  Poisson(0.4 + 1.4 * bad tower)                      signup_date     uniform over 1800 days
        cell_tower     one of 400, a fifth of them bad (effect N(0, .9))   payment         one of 4

        logit = -1.35 - 1.1 * standardised tenure + contract (0.9, -0.3, -1.2) + 0.55 * support_calls
                + 0.03 * (monthly_charge - 66) if month-to-month, else 0.008 * (monthly_charge - 66)
                + tower effect + 0.5 if payment is invoice + 0.6 * sin(2 pi * day of signup in the year)
                - 0.7 if data_used is between 3 and 8 GB
        churned ~ Bernoulli(sigmoid(logit))

    ``region``, ``handset_colour``, ``loyalty_points``, ``last_note`` (text) and ``paperless`` are independent of all
    of it. Values are missing completely at random in ``tenure`` (4 %), ``payment`` (6 %), ``handset_colour`` (10 %),
    and, at random given the contract, in ``data_used`` (15 % of month-to-month, else 3 %); the probability is that of
    the complete row.

    Args:
        n_rows: rows, at least 100.
        seed: the same seed gives the same rows.

    Raises:
        ValueError: too few rows.
    """

    def __init__(self, *, n_rows: int = 20_000, seed: int = 0) -> None:
        if n_rows < 100:
            raise ValueError(f"n_rows={n_rows}: at least 100")
        self.n_rows = n_rows
        self.seed = seed
        self._made: tuple[pl.DataFrame, np.ndarray] | None = None

    @property
    def origin(self) -> list[dict[str, str]]:
        """Name, size and seed: they determine the rows."""
        text = f"churn_sim n_rows={self.n_rows} seed={self.seed}"
        return [{"file": text, "sha256": hashlib.sha256(text.encode()).hexdigest()}]

    @property
    def truth(self) -> Truth:
        """Causes, noise and the true probability of each row."""
        return Truth(CAUSES, NOISE, self._make()[1])

    def read(self) -> pl.DataFrame:
        """``customer_id``, the causes, the noise, and ``churned`` ("yes" or "no")."""
        return self._make()[0]

    def _make(self) -> tuple[pl.DataFrame, np.ndarray]:
        if self._made is None:
            self._made = self._draw(np.random.default_rng(self.seed), self.n_rows)
        return self._made

    def _draw(self, rng: np.random.Generator, n: int) -> tuple[pl.DataFrame, np.ndarray]:
        tenure = np.round(72 * rng.beta(1.2, 1.6, n))
        settled = tenure / 72
        contract = (rng.random(n) < 0.25 + 0.5 * settled).astype(int) + (rng.random(n) < 0.1 + 0.5 * settled).astype(
            int
        )
        charge = np.round(rng.gamma(6, 11, n), 2)
        used = np.round(rng.lognormal(1.5, 0.8, n), 2)
        bad = rng.random(_N_CELLS) < 0.2
        effect = rng.normal(0, 0.9, _N_CELLS) * bad
        # Few towers serve many customers: Zipf-like shares.
        share = 1 / np.arange(5, _N_CELLS + 5)
        tower = rng.choice(_N_CELLS, n, p=share / share.sum())
        calls = rng.poisson(0.4 + 1.4 * bad[tower])
        payment = rng.integers(0, len(_PAYMENTS), n)
        day = rng.integers(0, _DAYS, n)
        logit = (
            -1.35
            - 1.1 * (tenure - 31) / 18
            + np.array([0.9, -0.3, -1.2])[contract]
            + 0.55 * calls
            + np.where(contract == 0, 0.03, 0.008) * (charge - 66)
            + effect[tower]
            + 0.5 * (payment == _PAYMENTS.index("invoice"))
            + 0.6 * np.sin(2 * np.pi * (day % 365) / 365)
            - 0.7 * ((used >= 3) & (used <= 8))
        )
        probability = 1 / (1 + np.exp(-logit))
        churned = rng.random(n) < probability
        frame = pl.DataFrame(
            {
                "customer_id": [f"C{i:07d}" for i in rng.permutation(n)],
                "tenure": _with_gaps(tenure.tolist(), rng.random(n) < 0.04),
                "contract": np.array(_CONTRACTS)[contract],
                "monthly_charge": charge,
                "support_calls": calls,
                "signup_date": (_EPOCH + day.astype("timedelta64[D]")).astype("datetime64[us]"),
                "cell_tower": [f"T{i:03d}" for i in tower],
                "payment": _with_gaps(np.array(_PAYMENTS)[payment].tolist(), rng.random(n) < 0.06),
                "data_used": _with_gaps(used.tolist(), rng.random(n) < np.where(contract == 0, 0.15, 0.03)),
                "region": np.array(_REGIONS)[rng.integers(0, len(_REGIONS), n)],
                "handset_colour": _with_gaps(rng.choice(_COLOURS, n).tolist(), rng.random(n) < 0.1),
                "loyalty_points": rng.integers(0, 5000, n),
                "last_note": _notes(rng, n),
                "paperless": rng.random(n) < 0.6,
                "churned": np.where(churned, "yes", "no"),
            }
        )
        return frame, probability


def _with_gaps(values: list[object], gaps: np.ndarray) -> list[object]:
    return [None if gap else value for value, gap in zip(values, gaps)]


def _notes(rng: np.random.Generator, n: int) -> list[str]:
    subjects, moods = rng.choice(_SUBJECTS, n), rng.choice(_MOODS, n)
    minutes = rng.integers(1, 60, n)
    return [f"called about the {s}, {m}, {t} minutes on the line" for s, m, t in zip(subjects, moods, minutes)]
