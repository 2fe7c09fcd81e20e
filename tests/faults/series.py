"""Series of several lengths, windows of one, and steps with a label each: small trainings that can be broken off.

As a program with a folder it trains them as one of two processes.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import polars as pl

from colonnade.config.compose import compose
from colonnade.runs import network
from colonnade.runs.fit import fit
from colonnade.runs.launch import leave_group

COMMON = (
    "model=gru",
    "model.backbone.d_hidden=8",
    "model.backbone.n_layers=1",
    "trainer=cpu",
    "threads=1",
    "logger=none",
    "loader.batch_size=12",
    "loader.chunk=2",
    "module.ema=0.9",
    "~callbacks.early_stopping",
    "callbacks.recovery.every_steps=2",
    "callbacks.recovery.max_share=1",
)
# Without dropout, of which every process has its own.
PLAIN = ("model.backbone.dropout=0.0", "trainer.max_epochs=2")
CASES = {
    "lengths": ("data=sequences", "data.id=run", "data.time=t", "data.target=rises", "data.exclude.mode=label"),
    "windows": (
        "data=sequences",
        "data.id=null",
        "data.target=x",
        "data.context=6",
        "data.horizon=2",
        "task=forecast",
        "split=horizon",
        "data.exclude={run:name,t:time,rises:label,mode:label}",
    ),
    "steps": (
        "data=steps",
        "data.id=run",
        "data.time=t",
        "data.target=mode",
        "data.context=5",
        "data.exclude.rises=label",
    ),
}


def words(case: str, folder: Path, *more: str) -> list[str]:
    """A training on the table in a folder."""
    return [*COMMON, *CASES[case], f"data.path={folder / 'steps.csv'}", *more]


def write(folder: Path) -> None:
    """Seventy series of 2 to 9 steps that rise or fall."""
    rng = np.random.default_rng(0)
    lengths = rng.integers(2, 10, 70)
    of = np.repeat(np.arange(70), lengths)
    step = np.arange(len(of)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    rises = rng.integers(0, 2, 70)[of]
    x = (2 * rises - 1) * step * 0.4 + rng.normal(size=len(of))
    pl.DataFrame(
        {
            "run": [f"r{i}" for i in of],
            "t": step,
            "x": x,
            "mode": np.where(x + 0.3 * rng.normal(size=len(of)) > 0, "high", "low").tolist(),
            "rises": np.where(rises, "yes", "no").tolist(),
        }
    ).write_csv(folder / "steps.csv")


if __name__ == "__main__":
    here = Path(sys.argv[1])
    # One group for all trainings: a second one would look for the first under the addresses that it has left.
    network.leave_group = lambda: None
    for name in CASES:
        fit(compose(words(name, here, "trainer.strategy=ddp", "trainer.devices=2", *PLAIN)), here / f"two-{name}")
    leave_group()
