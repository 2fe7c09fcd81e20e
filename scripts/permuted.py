"""How much runs on ChurnSim look at each column, without attributions: the column is shuffled among new rows.

    python scripts/permuted.py outputs/attributions/dcnv2-without-last_note ...

Prints a table: the share of the pairs of a cause and a column of noise in which the cause moves the log-odds more on
average, and in which the AUROC falls more. What moves a score is what a model uses, of noise too; where the AUROC does
not fall, it was of no use.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import polars as pl
import torch
from sklearn.metrics import roc_auc_score

from colonnade.data.conform import conform
from colonnade.data.simulate import CAUSES, NOISE, ChurnSim
from colonnade.runs.load import Loaded, load

sys.path[:0] = [str(Path(__file__).parent / "bench")]
import machine  # noqa: E402

SHUFFLES = 2
COLUMNS = ["run", "AUROC", "score moves: causes over noise", "AUROC falls: causes over noise", "noise that moves most"]


def log_odds(run: Loaded, rows: pl.DataFrame) -> np.ndarray:
    """Of the second class, ``(N,)``."""
    with torch.inference_mode():
        second = run.predictor(*run.lookup(rows).inputs)["probability"][:, 1].double().logit(eps=1e-7)
    return second.numpy()


def line(folder: str, table: pl.DataFrame, left: np.ndarray) -> list[object]:
    """A line of the table."""
    run = load(folder)
    rows = conform(table, run.schema, need_target=False, where="new rows")
    before, random = log_odds(run, rows), np.random.default_rng(0)
    auroc = roc_auc_score(left, before)
    noise = [column for column in NOISE if column in run.lookup.names]
    moved, fallen = {}, {}
    for column in (*CAUSES, *noise):
        shuffled = [rows[column].gather(random.permutation(rows.height)) for _ in range(SHUFFLES)]
        scores = [log_odds(run, rows.with_columns(values)) for values in shuffled]
        moved[column] = np.mean([np.abs(after - before).mean() for after in scores])
        fallen[column] = auroc - np.mean([roc_auc_score(left, after) for after in scores])
    above = [np.mean([of[cause] > of[other] for cause in CAUSES for other in noise]) for of in (moved, fallen)]
    most = max(noise, key=moved.__getitem__)
    return [Path(folder).name, f"{auroc:.4f}", *(f"{share:.3f}" for share in above), f"{most} {moved[most]:.3f}"]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", help="finished runs")
    parser.add_argument("--rows", type=int, default=1500)
    args = parser.parse_args()
    torch.set_num_threads(1)
    table = ChurnSim(n_rows=args.rows, seed=7).read()
    left = (table["churned"] == "yes").to_numpy()
    print(machine.table(COLUMNS, [line(folder, table, left) for folder in args.runs]))


if __name__ == "__main__":
    main()
