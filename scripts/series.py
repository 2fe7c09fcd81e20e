"""Train models of series on official splits, and write the table of ``docs/benchmarks/series.md``.

    python scripts/series.py --models minirocket,lite,gru --data gunpoint,arrowhead

Each run is a folder under ``--runs``: repeated, the command trains only what is missing, and the lines of what is there
take the place of those in the table. Other lines, and what stands around it, stay.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from pathlib import Path

import torch

from colonnade.config.compose import compose
from colonnade.runs.fit import fit

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "scripts" / "bench")]
import machine  # noqa: E402

NOTE = (
    "Official test series; defaults of each model. A fifth of the train series chooses the epoch, or how sharp the "
    "probabilities of minirocket are: published figures are trained on all of them, and mostly of the last epoch. Mean "
    "of the seeds, and the lowest and highest of them; seconds of a training on one thread of a machine that others "
    "used, too, so that they say no more than an order of size. Lines that the command does not name are of earlier "
    "ones."
)
COLUMNS = ["data", "model", "measure", "mean", "lowest", "highest", "seeds", "parameters", "seconds"]
REGRESSIONS = ("covid3month",)
MODELS = "dummy,minirocket,lite,inception_time,resnet1d,tcn,gru,mingru"


def result(data: str, model: str, seed: int, runs: Path, *, missing: bool) -> dict[str, object] | None:
    """What came of a run; None where there is none and none is to be made."""
    folder = runs / f"{data}-{model}-{seed}"
    found = folder / "result.json"
    if missing and not (found.exists() and json.loads(found.read_text())["status"] == "finished"):
        words = [f"data={data}", f"model={model}", f"seed={seed}", "threads=1", "logger=none"]
        fit(compose([*words, "trainer.enable_progress_bar=false"]), folder)
        print(f"{data} {model} {seed}", flush=True)
    return json.loads(found.read_text()) if found.exists() else None


def line(data: str, model: str, seeds: int, runs: Path, *, missing: bool) -> list[object] | None:
    """A line of the table; None where no seed was trained."""
    tried = [result(data, model, seed, runs, missing=missing) for seed in range(seeds)]
    found = [one for one in tried if one is not None]
    if not found:
        return None
    measure = "rmse" if data in REGRESSIONS else "accuracy"
    values = [one["metrics"]["test"][measure] for one in found]  # type: ignore[index]
    shown = [f"{v:.4f}" for v in (statistics.mean(values), min(values), max(values))]
    seconds = statistics.mean(float(one["seconds"]) for one in found)  # type: ignore[arg-type]
    return [data, model, measure, *shown, len(found), f"{found[0]['parameters']:,}", f"{seconds:.0f}"]


def main() -> None:
    """Train what is missing, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", default=MODELS)
    parser.add_argument("--data", required=True)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--runs", type=Path, default=ROOT / "outputs" / "series")
    parser.add_argument("--write", action="store_true", help="train nothing: write the table of what is there")
    args = parser.parse_args()
    torch.set_num_threads(1)
    lines = [
        line(data, model, args.seeds, args.runs, missing=not args.write)
        for data in args.data.split(",")
        for model in args.models.split(",")
    ]
    command = f"python scripts/series.py --models {args.models} --data {args.data}"
    head = machine.header("Models of series", command, NOTE)
    machine.update("series", head, COLUMNS, [one for one in lines if one is not None], key=2)


if __name__ == "__main__":
    main()
