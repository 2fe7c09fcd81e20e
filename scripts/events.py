"""Train models of steps and events beside what a table of counts says, and write ``docs/benchmarks/events.md``.

    python scripts/events.py --cases helpdesk/event_gru,occupancy/event_gru,assist2009/event_gru

Repeated, the command trains only what is missing.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import polars as pl
import torch

from colonnade.config.build import build
from colonnade.config.compose import compose
from colonnade.data.sequences.steps import StepDataset
from colonnade.runs.fit import fit

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "scripts" / "bench")]
import machine  # noqa: E402

NOTE = (
    "Seed 0, defaults; cases of helpdesk are divided 64 / 16 / 20, occupancy by its three files. `most frequent` is "
    "the commonest label of all train steps; of helpdesk also the commonest successor of the last activity, counted "
    "over the train cases. All on the same test steps. Of assist2009, answers of 2,921 students train and stop, "
    "those of 1,230 test; a history of 32 answers, batches of 512, a rate of .004, 12 epochs; F1 is the mean over "
    "classes, of two that of the second."
)
# What a data set is trained with beside the defaults.
WORDS = {
    "assist2009": ("data.context=32", "loader.batch_size=512", "optim.lr=0.004", "trainer.max_epochs=12"),
}
COLUMNS = ["data", "model", "accuracy", "F1", "AUROC", "most frequent", "most frequent successor", "seconds"]


def line(case: str, runs: Path) -> list[object]:
    """The line of a case, ``data/model``."""
    data, model = case.split("/")
    folder = runs / case.replace("/", "-")
    words = [
        f"data={data}",
        f"model={model}",
        *WORDS.get(data, ()),
        "threads=1",
        "logger=none",
        "trainer.enable_progress_bar=false",
    ]
    result = fit(compose(words), folder)
    dataset = build(compose(words).data)
    assert isinstance(dataset, StepDataset)
    tested = result["metrics"]["test"]
    counted = [
        "" if share is None else f"{share:.4f}"
        for share in counts(dataset, pl.read_parquet(folder / "predictions.parquet"))
    ]
    measured = [f"{tested[name]:.4f}" if name in tested else "" for name in ("accuracy", "f1_score", "auroc")]
    return [data, model, *measured, *counted, f"{result['seconds']:.0f}"]


def counts(dataset: StepDataset, predictions: pl.DataFrame) -> tuple[float, float | None]:
    """Accuracy on the test steps of the commonest label, and of the commonest one behind the label before."""
    table = dataset.read()
    (target,) = dataset.target
    ids = pl.Series(range(len(table)) if table.row_ids is None else table.row_ids.tolist())
    split = pl.DataFrame({"row_id": ids}).join(predictions.select("row_id", "split"), on="row_id", how="left")["split"]
    frame = table.frame.with_columns(split.fill_null("train").alias("split"), pl.col(target).cast(pl.String))
    train, test = frame.filter(split="train"), frame.filter(split="test")
    overall = train[target].mode().sort()[0]
    share = _share(test[target] == overall)
    if not dataset.lead:
        return share, None
    (last,) = dataset.looked_up
    after = train.group_by(last).agg(pl.col(target).mode().sort().first().alias("guess"))
    guess = test.join(after, on=last, how="left", maintain_order="left")["guess"].fill_null(overall)
    return share, _share(test[target] == guess)


def _share(right: pl.Series) -> float:
    return float(right.to_numpy().mean())


def main() -> None:
    """Train what is missing, and write the table after each case."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", required=True)
    parser.add_argument("--runs", type=Path, default=ROOT / "outputs" / "events")
    args = parser.parse_args()
    torch.set_num_threads(1)
    lines = []
    for case in args.cases.split(","):
        lines.append(line(case, args.runs))
        command = f"python scripts/events.py --cases {args.cases}"
        machine.write(
            "events", machine.header("Steps and events", command, NOTE) + "\n" + machine.table(COLUMNS, lines)
        )


if __name__ == "__main__":
    main()
