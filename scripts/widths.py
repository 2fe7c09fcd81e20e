"""Conformal intervals of many series, as wide for all or by window, and the table of ``docs/benchmarks/widths.md``.

    COLONNADE_DATA=<folder> python scripts/widths.py

Each run is a folder under ``--runs``: repeated, the command trains only what is missing.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import polars as pl
import torch

from colonnade.config.compose import compose
from colonnade.runs.fit import fit

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "scripts" / "bench")]
import machine  # noqa: E402

LEVEL = 0.8
QUICK = ("threads=1", "trainer=cpu", "logger=none", "trainer.enable_progress_bar=false")
CASES = {
    "tourism/seasonal_naive": ("data=tourism", "model=seasonal_naive", "model.period=4"),
    "tourism/nlinear": (
        "data=tourism",
        "model=nlinear",
        "task.loss=mae",
        "task.monitor=val/mae",
        "model.scaling=window",
    ),
    "m4_hourly/seasonal_naive": ("data=m4_hourly", "model=seasonal_naive"),
}
NOTE = (
    f"`uncertainty=auto uncertainty.level={LEVEL}` with `uncertainty.scaling=none`, one width for all series, and "
    "`window`, by how much each window moves; seed 0. Thresholds are from one validation window of each series, "
    "coverage is of its last window. The quarters are of series, by the error of a seasonal naive forecast on their "
    "train steps. `over series`: standard deviation of the coverage of a series, to which chance adds much, for the "
    "steps of a window hang together. Widths are in the units of the data."
)
COLUMNS = [
    "data",
    "model",
    "scaling",
    "series",
    "covered",
    "smallest quarter",
    "largest quarter",
    "over series",
    "median width",
    "mean width",
]


def line(case: str, scaling: str, runs: Path) -> list[object]:
    """Train a case if it is missing; its line of the table."""
    folder = runs / f"{case.replace('/', '-')}-{scaling}"
    sure = ("uncertainty=auto", f"uncertainty.level={LEVEL}", f"uncertainty.scaling={scaling}")
    result = fit(compose([*CASES[case], *sure, *QUICK]), folder)
    found = pl.read_csv(folder / "by_series.csv").with_columns(size=pl.col("mae") / pl.col("mase")).sort("size")
    covered, width = (found[f"conformal_{name}"].to_numpy() for name in ("coverage", "width"))
    quarter = len(found) // 4
    shares = [covered[:quarter].mean(), covered[-quarter:].mean()]
    return [
        *case.split("/"),
        scaling,
        len(found),
        f"{result['metrics']['test']['conformal_coverage']:.1%}",
        *(f"{share:.1%}" for share in shares),
        f"{covered.std():.1%}",
        f"{np.median(width):.4g}",
        f"{width.mean():.4g}",
    ]


def main() -> None:
    """Train what is missing, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=Path, default=ROOT / "outputs" / "widths")
    args = parser.parse_args()
    torch.set_num_threads(1)
    lines = [line(case, scaling, args.runs) for case in CASES for scaling in ("none", "window")]
    head = machine.header("Conformal intervals of many series", "python scripts/widths.py", NOTE)
    machine.update("widths", head, COLUMNS, lines, key=3)


if __name__ == "__main__":
    main()
