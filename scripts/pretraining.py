"""Pre-training and few labels: tables with 200, 500 and 1000 labelled rows, for ``docs/benchmarks/pretraining.md``.

``COLONNADE_DATA=... python scripts/pretraining.py --data adult --model mlp_pwl`` prints them; the same command goes on
where it was cut off.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from statistics import mean, stdev

import numpy as np
import polars as pl

sys.path.insert(0, str(Path(__file__).parent / "bench"))
import machine

from colonnade.config.build import build
from colonnade.config.compose import compose
from colonnade.runs.fit import fit_in
from colonnade.runs.folder import RunFolder

# Small steps for few rows; the same for all ways to begin.
FINE = ("loader.batch_size=32", "trainer.max_epochs=150", "callbacks.early_stopping.patience=25")
# What the pre-training may learn; the last one learns nothing, so that runs begin from the pipeline of all rows alone.
OBJECTIVES = {
    "swap": (),
    "mask": ("task.corruption=mask",),
    "swap-both": ("task.objective=both",),
    "nothing": ("optim.lr=1e-12", "trainer.max_epochs=1"),
}
SCRATCH = "from-scratch"
METRICS = ("log_loss", "auroc", "accuracy")
Metrics = dict[str, dict[str, float]]
# Runs of all seeds by what they begin from and the number of labels.
Found = dict[tuple[str, int], list[Metrics]]


def rows(data: str, seed: int, n: int, path: Path) -> str:
    """A table with the labels of ``n`` rows, a fifth of them for validation, and of its test part; gives the target.

    The test part is the official one, or a fifth of the rows, drawn by the seed.
    """
    read = build(compose([f"data={data}"]).data).read()
    target: str = read.schema.targets[0]
    if path.exists():
        return target
    frame = read.frame.select(*read.schema.features, target)
    generator = np.random.default_rng(seed)
    held = np.zeros(frame.height, dtype=bool)
    if "test" in read.parts:
        held[slice(*read.parts["test"])] = True
    else:
        held[generator.permutation(frame.height)[: frame.height // 5]] = True
    order = generator.permutation(np.flatnonzero(~held))
    part = np.full(frame.height, "test", dtype=object)
    part[order] = np.where(np.arange(len(order)) % 5 == 4, "val", "train")
    labelled = np.full(frame.height, True)
    labelled[order[n:]] = False
    path.parent.mkdir(parents=True, exist_ok=True)
    kept = pl.when(pl.Series(labelled)).then(pl.col(target).cast(pl.String)).alias(target)
    frame.with_columns(kept, part=pl.Series(part.tolist())).write_parquet(path)
    return target


def trained(folder: Path, *words: str) -> Metrics:
    """Metrics of a run, trained if it is not there yet."""
    common = ("data=table", "data.exclude=[part]", "split=predefined", "split.column=part")
    cfg = compose([*common, "trainer=cpu", "threads=1", "trainer.enable_progress_bar=false", "logger=none", *words])
    metrics: Metrics = fit_in(cfg, RunFolder(folder), shown=False)["metrics"]
    return metrics


def told(values: list[float]) -> str:
    """Mean and standard deviation."""
    return f"{mean(values):.4f} ± {stdev(values):.4f}"


def trainings(given: argparse.Namespace, labels: list[int], objectives: list[str]) -> Found:
    """Train what is missing."""
    found: Found = {}
    own = given.out / given.data / given.model
    for seed in range(given.seeds):
        tables = {n: given.out / given.data / f"{seed}-{n}.parquet" for n in labels}
        for n, path in tables.items():
            target = rows(given.data, seed, n, path)
        data = (f"data.target={target}", f"data.columns.{target}=categorical", f"seed={seed}")
        begin: dict[str, tuple[str, ...]] = {SCRATCH: ()}
        for name in objectives:
            asked = (f"model={given.pretrain or given.model}", f"data.path={tables[labels[0]]}", *data)
            learned = (f"trainer.max_epochs={given.epochs}", *given.words, *OBJECTIVES[name])
            trained(own / f"{name}-{seed}", *asked, "task=denoising", *learned)
            begin[name] = (f"init_from={own / f'{name}-{seed}'}", *given.fine)
        for n, path in tables.items():
            asked = (f"model={given.model}", f"data.path={path}", "data.drop_missing_target=true", *data, *FINE)
            for name, start in begin.items():
                found.setdefault((name, n), []).append(trained(own / f"fine-{name}-{n}-{seed}", *asked, *start))
    return found


def measures(found: Found) -> str:
    """A line for each number of labels and beginning."""
    return machine.table(
        ["labels", "begins from", "val log loss", *(f"test {name}" for name in METRICS)],
        [
            [
                n,
                name,
                told([r["val"]["log_loss"] for r in runs]),
                *(told([r["test"][m] for r in runs]) for m in METRICS),
            ]
            for (name, n), runs in sorted(found.items(), key=lambda item: item[0][1])
        ],
    )


def gains(found: Found, objectives: list[str]) -> str:
    """How much better the objective of the lowest validation log loss is, seed by seed."""
    lines = []
    for n in sorted({n for _, n in found}):
        learned = [name for name in objectives if name != "nothing"]
        chosen = min(learned, key=lambda name: mean(run["val"]["log_loss"] for run in found[name, n]))
        for other in (SCRATCH, "nothing"):
            for metric in METRICS:
                sign = -1 if metric == "log_loss" else 1
                pairs = zip(found[chosen, n], found[other, n], strict=True)
                by_seed = [sign * (a["test"][metric] - b["test"][metric]) for a, b in pairs]
                seeds = f"{sum(gain > 0 for gain in by_seed)} of {len(by_seed)}"
                lines.append([n, chosen, other, metric, told(by_seed), seeds])
    return machine.table(["labels", "objective", "against", "test measure", "gain", "seeds that gain"], lines)


def main() -> None:
    """Train, or read what was trained, and print the tables of one model."""
    words = argparse.ArgumentParser()
    words.add_argument("--data", default="adult")
    words.add_argument("--model", default="mlp_pwl")
    words.add_argument("--pretrain", default=None, help="the model of the pre-training, where it has another head")
    words.add_argument("--words", nargs="*", default=[], help="further words of the pre-training")
    words.add_argument("--objectives", default=",".join(OBJECTIVES), help="of the pre-training")
    words.add_argument("--labels", default="200,500,1000", help="numbers of rows with a label, the fewest first")
    words.add_argument("--out", type=Path, default=Path("outputs/pretraining"))
    words.add_argument("--seeds", type=int, default=5)
    words.add_argument("--fine", nargs="*", default=[], help="further words for runs that begin from a pre-training")
    words.add_argument("--epochs", type=int, default=20, help="of the pre-training")
    given = words.parse_args()
    objectives = given.objectives.split(",")
    found = trainings(given, [int(n) for n in given.labels.split(",")], objectives)
    print(f"## {given.data}, {given.model}\n")
    print(measures(found))
    print("The objective of the lowest validation log loss, and what is gained on test rows, seed by seed:\n")
    print(gains(found, objectives))


if __name__ == "__main__":
    main()
