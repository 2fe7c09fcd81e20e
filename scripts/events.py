"""Train models of steps and events beside what a table of counts says, and write ``docs/benchmarks/events.md``.

    python scripts/events.py --cases helpdesk/event_gru,occupancy/event_gru,assist2009/event_gru
    python scripts/events.py --cases pizzaplace/event_gru/1,pizzaplace/event_gru/8

A third part of a case asks for type and time of the next event in one model, with so many log-normals. Repeated, the
command trains only what is missing; lines of other cases, and what stands around the tables, stay.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np
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
    "classes, of two that of the second. Lines that the command does not name are of earlier ones."
)
NOTE_OF_TIMES = (
    "Type and time of the next event in one model (`task=next_event`), as a mixture of so many log-normals: beside the "
    "type that most often follows the last one in the train series, and the mean and median time between their events. "
    "MAE is of the predicted median, in minutes (pizzaplace, a series is a day) or days (helpdesk), `pinball` the loss "
    "of the five quantiles; NLL of type and time, nats: where many times are exactly 0, as more than half of "
    "pizzaplace, it says how narrow a component may be, and is to be compared with care; `in 90 %`: share of the times "
    "between the quantiles of 5 and 95 %."
)
# What a data set is trained with beside the defaults.
WORDS = {
    "pizzaplace": ("loader.batch_size=512",),
    "assist2009": ("data.context=32", "loader.batch_size=512", "optim.lr=0.004", "trainer.max_epochs=12"),
}
# Of type and time: where series and times are.
EVENTS = {
    "helpdesk": ("data.target=[ActivityID,elapsed]",),
    "pizzaplace": (
        "data.target=[type,elapsed]",
        "data.id=date",
        "data.exclude.date=null",
        "data.exclude.id=number of the order",
        "data.elapsed=minutes",
        "data.context=16",
    ),
}
COLUMNS = ["data", "model", "accuracy", "F1", "AUROC", "most frequent", "most frequent successor", "seconds"]
COLUMNS_OF_TIMES = [
    "data",
    "model",
    "log-normals",
    "accuracy",
    "most frequent successor",
    "MAE",
    "median time",
    "mean time",
    "pinball",
    "NLL",
    "in 90 %",
    "seconds",
]
QUICK = ("threads=1", "logger=none", "trainer.enable_progress_bar=false")


def line(case: str, runs: Path) -> list[object]:
    """The line of a case, ``data/model``."""
    data, model = case.split("/")
    words = [f"data={data}", f"model={model}", *WORDS.get(data, ()), *QUICK]
    result, dataset, predictions = trained(case, words, runs)
    tested = result["metrics"]["test"]
    counted = ["" if share is None else f"{share:.4f}" for share in counts(dataset, predictions)]
    measured = [f"{tested[name]:.4f}" if name in tested else "" for name in ("accuracy", "f1_score", "auroc")]
    return [data, model, *measured, *counted, f"{result['seconds']:.0f}"]


def line_of_times(case: str, runs: Path) -> list[object]:
    """The line of a case, ``data/model/components``."""
    data, model, components = case.split("/")
    asked = ("task=next_event", f"task.components={components}", *EVENTS[data])
    words = [f"data={data}", f"model={model}", *WORDS.get(data, ()), *asked, *QUICK]
    result, dataset, predictions = trained(case, words, runs)
    tested = result["metrics"]["test"]
    _, successor = counts(dataset, predictions)
    train, test = (times(dataset, predictions, part) for part in ("train", "test"))
    of_test = predictions.filter(split="test")
    inside = of_test["target/elapsed+1"].is_between(of_test["quantile/elapsed+1/0"], of_test["quantile/elapsed+1/4"])
    shown = [
        tested["accuracy"],
        successor,
        tested["mae"],
        np.abs(test - np.median(train)).mean(),
        np.abs(test - train.mean()).mean(),
        tested["pinball_loss"],
        tested["nll"],
        inside.mean(),
    ]
    return [data, model, components, *(f"{value:.4f}" for value in shown), f"{result['seconds']:.0f}"]


def trained(case: str, words: list[str], runs: Path) -> tuple[dict[str, Any], StepDataset, pl.DataFrame]:
    """What came of a run, its data, and its predictions."""
    folder = runs / case.replace("/", "-")
    result = fit(compose(words), folder)
    dataset = build(compose(words).data)
    assert isinstance(dataset, StepDataset)
    return result, dataset, pl.read_parquet(folder / "predictions.parquet")


def times(dataset: StepDataset, predictions: pl.DataFrame, part: str) -> np.ndarray:
    """Time to the next event of the steps of a part."""
    found: np.ndarray = divided(dataset, predictions).filter(split=part)["elapsed+1"].to_numpy()
    return found


def divided(dataset: StepDataset, predictions: pl.DataFrame) -> pl.DataFrame:
    """The steps, and the part of each."""
    table = dataset.read()
    ids = pl.Series(range(len(table)) if table.row_ids is None else table.row_ids.tolist())
    split = pl.DataFrame({"row_id": ids}).join(predictions.select("row_id", "split"), on="row_id", how="left")["split"]
    return table.frame.with_columns(split.fill_null("train").alias("split"))


def counts(dataset: StepDataset, predictions: pl.DataFrame) -> tuple[float, float | None]:
    """Accuracy on the test steps of the commonest label, and of the commonest one behind the label before."""
    target = dataset.target[0]
    frame = divided(dataset, predictions).with_columns(pl.col(target).cast(pl.String))
    train, test = frame.filter(split="train"), frame.filter(split="test")
    overall = train[target].mode().sort()[0]
    share = _share(test[target] == overall)
    if not dataset.lead:
        return share, None
    last = dataset.looked_up[0]
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
    lines: list[list[object]] = []
    of_times: list[list[object]] = []
    for case in args.cases.split(","):
        if case.count("/") == 1:
            lines.append(line(case, args.runs))
        else:
            of_times.append(line_of_times(case, args.runs))
        head = machine.header("Steps and events", f"python scripts/events.py --cases {args.cases}", NOTE)
        machine.update("events", head, COLUMNS, lines, key=2)
        machine.update("events", head, COLUMNS_OF_TIMES, of_times, key=3, above=NOTE_OF_TIMES)


if __name__ == "__main__":
    main()
