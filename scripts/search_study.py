"""TPE with Hyperband against random search at equal time, and both against the defaults; several repeats on real data.

    COLONNADE_DATA=<folder> python scripts/search_study.py --data kin8nm --model mlp --seconds 360 --repeats 0,1,2

Both searches of a repeat run side by side, so that what else the machine does weighs on both. Writes
``docs/benchmarks/tuning.md``. The searches stay under ``--runs``: repeated, the command goes on with them.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "scripts" / "bench")]
import machine  # noqa: E402

from colonnade.report.significance import Comparison, compare_labels, compare_losses  # noqa: E402

STRATEGIES = {
    "random": ["tune=random"],
    "TPE + Hyperband": ["tune=tpe", "tune.pruner=hyperband"],
}


def search(name: str, args: argparse.Namespace, repeat: int) -> subprocess.Popen[bytes]:
    """Start one search, or go on with it."""
    folder = place(name, args, repeat)
    folder.mkdir(parents=True, exist_ok=True)
    words = [f"model={args.model}", f"data={args.data}", "threads=1", "logger=none", *STRATEGIES[name], *args.overrides]
    limits = [f"tune.timeout={args.seconds}", "tune.n_trials=10000", f"tune.seed={repeat}"]
    command = [sys.executable, "train.py", "-m", *words, *limits, f"hydra.sweep.dir={folder / 'search'}"]
    with (folder / "search.log").open("a") as log:
        return subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)


def place(name: str, args: argparse.Namespace, repeat: int) -> Path:
    """The folder of one search."""
    return (args.runs / f"{args.data}-{args.model}" / f"{name.replace(' ', '')}-{repeat}").absolute()


def trials(folder: Path) -> dict[int, dict[str, Any]]:
    """The results of a search by the number of the trial."""
    found = folder.glob("search/trial-*/result.json")
    return {int(path.parent.name.removeprefix("trial-")): json.loads(path.read_text()) for path in found}


def compared(folder: Path, best: int, split: str) -> Comparison:
    """The best trial against the defaults, which are trial 0, on the same rows."""
    frames = [
        pl.read_parquet(folder / "search" / f"trial-{number:04d}" / "predictions.parquet")
        .filter(pl.col("split") == split)
        .sort("row_id")
        for number in (best, 0)
    ]
    if "label" in frames[0].columns:
        return compare_labels(*((f["label"] != f["target"]).to_numpy() for f in frames))
    return compare_losses(*(np.square((f["prediction"] - f["target"]).to_numpy()) for f in frames))


def line(name: str, repeat: int, folder: Path) -> tuple[list[object], dict[str, float]]:
    """One search as a line of the table, and its numbers."""
    found = trials(folder)
    finished = {number: result for number, result in found.items() if result["status"] == "finished"}
    part, _, metric = finished[0]["monitor"].partition("/")
    sign = 1 if finished[0]["mode"] == "min" else -1
    best = min(finished, key=lambda number: sign * finished[number]["metrics"][part][metric])
    values = {
        "val": finished[best]["metrics"]["val"][metric],
        "test": finished[best]["metrics"]["test"][metric],
        "val 0": finished[0]["metrics"]["val"][metric],
        "test 0": finished[0]["metrics"]["test"][metric],
    }
    said = [
        f"{found.difference:+.5f} ({found.low:+.5f} to {found.high:+.5f})"
        for found in (compared(folder, best, split) for split in ("val", "test"))
    ]
    pruned = sum(result["status"] == "pruned" for result in found.values())
    cost = sum(result["seconds"] or 0 for result in found.values())
    cells = [
        name,
        repeat,
        f"{len(found)} ({pruned})",
        f"{cost:.0f}",
        best,
        *(f"{v:.5f}" for v in values.values()),
        *said,
    ]
    return cells, values


def main() -> None:
    """Search, then write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="kin8nm")
    parser.add_argument("--model", default="mlp")
    parser.add_argument("--seconds", type=int, default=360)
    parser.add_argument("--repeats", default="0,1,2")
    parser.add_argument("--runs", type=Path, default=ROOT / "outputs" / "search-study")
    parser.add_argument("--table", action="store_true", help="search nothing: the table of what there is")
    parser.add_argument("overrides", nargs="*", help="further words for every training")
    args = parser.parse_args()
    rows: list[list[object]] = []
    numbers: dict[str, list[dict[str, float]]] = {}
    for repeat in map(int, args.repeats.split(",")):
        if not args.table:
            for process in [search(name, args, repeat) for name in STRATEGIES]:
                process.wait()
        for name in STRATEGIES:
            cells, values = line(name, repeat, place(name, args, repeat))
            rows.append(cells)
            numbers.setdefault(name, []).append(values)
    summary = [[name, *(spread([v[key] for v in found]) for key in found[0])] for name, found in numbers.items()]
    words = " ".join(args.overrides)
    text = machine.header(
        "Tuning",
        f"COLONNADE_DATA=... python scripts/search_study.py --data {args.data} --model {args.model} "
        f"--seconds {args.seconds} --repeats {args.repeats} {words}".rstrip(),
        f"{args.model} on {args.data}, the shipped search space, {args.seconds} seconds for each search on one thread, "
        "both searches of a repeat side by side. `val`, `test`: the monitored metric of the trial that is best on the "
        "validation rows; `val 0`, `test 0`: that of the defaults, which are trial 0. Differences: mean loss per row "
        "(squared error, or share of errors) of the best trial minus that of the defaults, with the 95 % bootstrap "
        "interval over rows; below 0 tuning has gained. The choice was made on the validation rows, so that only the "
        "test rows judge it fairly.",
    )
    means = machine.table(["search", "val", "test", "val 0", "test 0"], summary)
    columns = ["search", "repeat", "trials (pruned)", "seconds", "best", "val", "test", "val 0", "test 0"]
    each = machine.table([*columns, "val difference", "test difference"], rows)
    machine.write("tuning", f"{text}\nMean ± standard deviation over the repeats:\n\n{means}\nEach search:\n\n{each}")


def spread(values: list[float]) -> str:
    """Mean and standard deviation."""
    deviation = f" ± {statistics.stdev(values):.5f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.5f}{deviation}"


if __name__ == "__main__":
    main()
