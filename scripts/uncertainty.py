"""Calibrate real runs in all ways, and write the tables of ``docs/benchmarks/uncertainty.md``.

    python scripts/uncertainty.py --cases adult/mlp,adult/random_forest,california_housing/mlp

Each case is ``data/model``, or ``data/model/quantile`` for quantiles of a number; its run is a folder under ``--runs``:
repeated, the command trains only what is missing.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import time
from pathlib import Path
from typing import Any

import torch

from colonnade.config.compose import compose
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
    "`least` is the least coverage of any class."
)
PROBABILITIES = ["data", "model", "method", "calibration error", "Brier", "log loss", "accuracy"]
LEVELS = (0.8, 0.9, 0.95)
COVERED = ["data", "model", "conformal", *(f"{level:.0%}, {what}" for level in LEVELS for what in ("measured", "size"))]
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
    parser.add_argument("--cases", required=True)
    parser.add_argument("--runs", type=Path, default=ROOT / "outputs" / "uncertainty")
    parser.add_argument("overrides", nargs="*", help="further overrides for every run, stated in the table's command")
    args = parser.parse_args()
    torch.set_num_threads(1)
    args.runs.mkdir(parents=True, exist_ok=True)
    kept = args.runs / "lines.json"
    lines: dict[str, dict[str, list[list[object]]]] = json.loads(kept.read_text()) if kept.exists() else {}
    cases = args.cases.split(",")
    for case in cases:
        if case not in lines:
            lines[case] = lines_of(case, args.runs, args.overrides)
            kept.write_text(json.dumps(lines))
        command = " ".join(["python scripts/uncertainty.py", f"--cases {args.cases}", *args.overrides])
        tables = [
            machine.table(columns, [line for c in cases for line in lines.get(c, {}).get(part, [])])
            for part, columns in (("probabilities", PROBABILITIES), ("coverage", COVERED))
        ]
        machine.write("uncertainty", "\n".join([machine.header("Uncertainty", command, NOTE), *tables]))


if __name__ == "__main__":
    main()
