"""Calibrate real runs in all ways, and write the tables of ``docs/benchmarks/uncertainty.md``.

    python scripts/uncertainty.py --cases adult/mlp,adult/random_forest,california_housing/mlp
    python scripts/uncertainty.py --over california_housing/linear_sklearn --seeds 12

Each case is ``data/model``, or ``data/model/quantile`` for quantiles of a number; its run is a folder under ``--runs``:
repeated, the command trains only what is missing.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.stats import betabinom

from colonnade.config.compose import compose
from colonnade.evaluation.conformal import rank
from colonnade.evaluation.options import METHODS, Calibration, Uncertainty
from colonnade.runs.calibrate import calibrate
from colonnade.runs.fit import fit

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "scripts" / "bench")]
import machine  # noqa: E402

NOTE = (
    "Everything is fitted on the validation rows, which also stopped the training, and measured on the test rows, seed "
    "0. First table: expected calibration error over 15 bins with its 95 % bootstrap interval, Brier score and log "
    "loss; the line without a method is the run as it was trained. Second table: measured coverage at three levels, "
    "and beside it the mean width of the intervals, in units of the target, or the mean number of classes in a set; "
    "`least` is the least coverage of any class. Third table: mean coverage over so many seeds, each with its own "
    "split; its standard deviation from split to split, and that of the Beta-binomial distribution, which is what "
    "split conformal prediction has by chance alone with so many rows."
)
PROBABILITIES = ["data", "model", "method", "calibration error", "Brier", "log loss", "accuracy"]
LEVELS = (0.8, 0.9, 0.95)
COVERED = ["data", "model", "conformal", *(f"{level:.0%}, {what}" for level in LEVELS for what in ("measured", "size"))]
SEEDS = ["data", "model", "seeds", "calibrated on", "measured on", "level", "mean coverage", "least to most"]
SEEDS += ["deviation, points", "by chance", "mean size"]
SETS, INTERVALS, QUANTILES = ("lac", "aps", "raps"), ("absolute",), ("cqr", "absolute")


def trained(case: str, runs: Path, extra: list[str]) -> tuple[Path, dict[str, Any]]:
    """The run of a case, and its result."""
    data, model, *task = case.split("/")
    words = [f"data={data}", f"model={model}", *(f"task={name}" for name in task), "threads=1"]
    folder = runs / case.replace("/", "-")
    return folder, fit(compose([*words, "logger=none", "trainer.enable_progress_bar=false", *extra]), folder)


def probabilities(name: list[object], folder: Path) -> list[list[object]]:
    """Lines of the first table."""
    lines = []
    for method in METHODS:
        out = folder.with_name(f"{folder.name}-{method}")
        result = calibrate(folder, out, calibration=Calibration(method=method))
        found = json.loads((out / "calibration.json").read_text())["calibration"]["reliability"]["test"]
        before = json.loads((folder / "result.json").read_text())
        if not lines:
            lines.append([*name, "", *_told(found["before"]), f"{before['metrics']['test']['accuracy']:.4f}"])
        lines.append([*name, method, *_told(found["after"]), f"{result['metrics']['test']['accuracy']:.4f}"])
        shutil.rmtree(out)
    return lines


def _told(found: dict[str, float]) -> list[str]:
    error = f"{found['calibration_error']:.4f} ({found['low']:.4f} to {found['high']:.4f})"
    return [error, f"{found['brier']:.4f}", f"{found['log_loss']:.4f}"]


def coverages(name: list[object], folder: Path, methods: tuple[str, ...]) -> list[list[object]]:
    """Lines of the second table."""
    lines = []
    for method in methods:
        cells: list[object] = []
        for level in LEVELS:
            out = folder.with_name(f"{folder.name}-{method}")
            options = Uncertainty(conformal=method, level=level, disagreement=False)
            calibrate(folder, out, uncertainty=options)
            found = json.loads((out / "calibration.json").read_text())["conformal"]["measured"]["test"]
            shutil.rmtree(out)
            if "size" in found:
                least = min(of["coverage"] for of in found["by_class"].values())
                cells += [f"{found['coverage']:.1%} (least {least:.1%})", f"{found['size']:.3f}"]
            else:
                cells += [f"{found['coverage'][0]:.1%}", f"{found['width'][0]:.4g}"]
        lines.append([*name, method, *cells])
    return lines


def over_seeds(case: str, n_seeds: int, extra: list[str]) -> list[list[object]]:
    """A line for each level: coverage over seeds, and what chance does."""
    data, model, *task = case.split("/")
    found: dict[float, list[tuple[float, float]]] = {level: [] for level in LEVELS}
    rows = (0, 0)
    for seed in range(n_seeds):
        words = [f"data={data}", f"model={model}", *(f"task={name}" for name in task), f"seed={seed}", "threads=1"]
        words += ["logger=none", "uncertainty=auto", "trainer.enable_progress_bar=false", *extra]
        with tempfile.TemporaryDirectory() as folder:
            fit(compose(words), Path(folder) / "run")
            told = json.loads((Path(folder) / "run" / "calibration.json").read_text())
        measured = told["conformal"]["measured"]["test"]
        rows = told["rows"], measured["rows"]
        for line in measured["by_level"]:
            found[line["level"]].append((line["coverage"], line["size"]))
    lines: list[list[object]] = []
    for level, pairs in found.items():
        covered, size = np.array(pairs).T
        r = rank(rows[0], level)
        chance = betabinom(rows[1], r, rows[0] + 1 - r).std() / rows[1]
        ends = f"{covered.min():.1%} to {covered.max():.1%}"
        spread = [f"{100 * covered.std(ddof=1):.2f}", f"{100 * chance:.2f}"]
        lines.append([data, " ".join([model, *task]), n_seeds, *rows, f"{level:.0%}", f"{covered.mean():.2%}", ends])
        lines[-1] += [*spread, f"{size.mean():.4g}"]
    return lines


def lines_of(case: str, runs: Path, extra: list[str]) -> dict[str, list[list[object]]]:
    """The lines of a case in both tables."""
    start = time.monotonic()
    folder, result = trained(case, runs, extra)
    data, model, *task = case.split("/")
    name: list[object] = [data, " ".join([model, *task])]
    values = result["task"] in ("regression", "quantile")
    methods = {"regression": INTERVALS, "quantile": QUANTILES}.get(result["task"], SETS)
    found = {
        "probabilities": [] if values else probabilities(name, folder),
        "coverage": coverages(name, folder, methods),
    }
    print(f"{case}: {time.monotonic() - start:.0f} s", flush=True)
    return found


def main() -> None:
    """Train and calibrate what is missing, and write the tables after each case."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", default="")
    parser.add_argument("--over", default="", help="cases of the third table")
    parser.add_argument("--seeds", type=int, default=12)
    parser.add_argument("--runs", type=Path, default=ROOT / "outputs" / "uncertainty")
    parser.add_argument("overrides", nargs="*", help="further overrides for every run, stated in the table's command")
    args = parser.parse_args()
    torch.set_num_threads(1)
    args.runs.mkdir(parents=True, exist_ok=True)
    kept = args.runs / "lines.json"
    lines: dict[str, dict[str, list[list[object]]]] = json.loads(kept.read_text()) if kept.exists() else {}
    wanted = [(case, "") for case in args.cases.split(",") if case]
    wanted += [(case, f"{case} over {args.seeds} seeds") for case in args.over.split(",") if case]
    for case, over in wanted:
        name = over or case
        if name not in lines:
            if over:
                lines[name] = {"seeds": over_seeds(case, args.seeds, args.overrides)}
            else:
                lines[name] = lines_of(case, args.runs, args.overrides)
            kept.write_text(json.dumps(lines))
        given = [f"--cases {args.cases}" if args.cases else "", f"--over {args.over} --seeds {args.seeds}"]
        command = " ".join(["python scripts/uncertainty.py", *filter(None, given), *args.overrides])
        tables = [
            machine.table(columns, [line for of in lines.values() for line in of.get(part, [])])
            for part, columns in (("probabilities", PROBABILITIES), ("coverage", COVERED), ("seeds", SEEDS))
        ]
        machine.write("uncertainty", "\n".join([machine.header("Uncertainty", command, NOTE), *tables]))


if __name__ == "__main__":
    main()
