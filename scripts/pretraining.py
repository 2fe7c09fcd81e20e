"""Pre-training and few labels: tables with 200, 500 and 1000 labelled rows, for ``docs/benchmarks/pretraining.md``.

``COLONNADE_DATA=... python scripts/pretraining.py --data adult --model mlp_pwl``; the same command goes on where it was
cut off.
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

LABELS = (200, 500, 1000)
# Small steps for few rows; the same for all ways to begin.
FINE = ("loader.batch_size=32", "trainer.max_epochs=150", "callbacks.early_stopping.patience=25")
# What the pre-training may learn; the last one learns nothing, so that runs begin from the pipeline of all rows alone.
OBJECTIVES = {
    "swap": (),
    "mask": ("task.corruption=mask",),
    "swap, both": ("task.objective=both",),
    "nothing": ("optim.lr=1e-12", "trainer.max_epochs=1"),
}
SCRATCH = "from scratch"
METRICS = ("log_loss", "accuracy")


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


def trained(folder: Path, *words: str) -> dict[str, dict[str, float]]:
    """Metrics of a run, trained if it is not there yet."""
    common = ("data=table", "data.exclude=[part]", "split=predefined", "split.column=part")
    cfg = compose([*common, "trainer=cpu", "threads=1", "trainer.enable_progress_bar=false", "logger=none", *words])
    metrics: dict[str, dict[str, float]] = fit_in(cfg, RunFolder(folder), shown=False)["metrics"]
    return metrics


def told(values: list[float]) -> str:
    """Mean and standard deviation."""
    return f"{mean(values):.4f} ± {stdev(values):.4f}"


def main() -> None:
    """Train, or read what was trained, and write the page of one model."""
    words = argparse.ArgumentParser()
    words.add_argument("--data", default="adult")
    words.add_argument("--model", default="mlp_pwl")
    words.add_argument("--pretrain", default=None, help="the model of the pre-training, where it has another head")
    words.add_argument("--out", type=Path, default=Path("outputs/pretraining"))
    words.add_argument("--seeds", type=int, default=5)
    words.add_argument("--fine", nargs="*", default=[], help="further words for runs that begin from a pre-training")
    words.add_argument("--epochs", type=int, default=20, help="of the pre-training")
    given = words.parse_args()
    found: dict[tuple[str, int], list[dict[str, dict[str, float]]]] = {}
    for seed in range(given.seeds):
        begin = {SCRATCH: ""}
        for name, objective in OBJECTIVES.items():
            folder = given.out / given.data / given.model / f"{name.replace(', ', '-')}-{seed}"
            path = given.out / given.data / f"{seed}-{LABELS[0]}.parquet"
            target = rows(given.data, seed, LABELS[0], path)
            data = (f"data.target={target}", f"data.columns.{target}=categorical", f"seed={seed}")
            asked = (f"model={given.pretrain or given.model}", f"data.path={path}", *data)
            trained(folder, *asked, "task=denoising", f"trainer.max_epochs={given.epochs}", *objective)
            begin[name] = str(folder)
        for n in LABELS:
            path = given.out / given.data / f"{seed}-{n}.parquet"
            rows(given.data, seed, n, path)
            for name, folder in begin.items():
                own = (
                    given.out
                    / given.data
                    / given.model
                    / f"fine-{name.replace(', ', '-').replace(' ', '-')}-{n}-{seed}"
                )
                asked = (f"model={given.model}", f"data.path={path}", "data.drop_missing_target=true", *data)
                start = (f"init_from={folder}", *given.fine) if folder else ()
                found.setdefault((name, n), []).append(trained(own, *asked, *start, *FINE))
    lines = [
        [
            n,
            name,
            told([run["val"]["log_loss"] for run in runs]),
            *(told([r["test"][m] for r in runs]) for m in METRICS),
        ]
        for (name, n), runs in sorted(found.items(), key=lambda item: item[0][1])
    ]
    pairs = []
    for n in LABELS:
        chosen = min(list(OBJECTIVES)[:-1], key=lambda name: mean(run["val"]["log_loss"] for run in found[name, n]))
        for other in (SCRATCH, "nothing"):
            gains = [b["test"]["log_loss"] - a["test"]["log_loss"] for a, b in zip(found[chosen, n], found[other, n])]
            pairs.append([n, chosen, other, told(gains), f"{sum(gain > 0 for gain in gains)} of {len(gains)}"])
    print(f"## {given.data}, {given.model}\n")
    columns = ["labels", "begins from", "val log loss", *(f"test {name}" for name in METRICS)]
    print(machine.table(columns, lines))
    print("The objective of the lowest validation log loss, and how much lower its test log loss is, seed by seed:\n")
    print(machine.table(["labels", "objective", "against", "gain", "seeds that gain"], pairs))


if __name__ == "__main__":
    main()
