"""Forecast real series with intervals, and write the table of ``docs/benchmarks/intervals.md``.

    python scripts/intervals.py --cases co2/nlinear,co2/theta,etth1/nlinear/forecast_distribution

Each case is ``data/model``, of quantiles, or ``data/model/task``; its run is a folder under ``--runs``: repeated, the
command trains only what is missing.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch

from colonnade.config.compose import compose
from colonnade.runs.fit import fit

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "scripts" / "bench")]
import machine  # noqa: E402

NOTE = (
    "Settings as shipped, one thread, seed 0; over all test windows, all steps ahead and all values. `mase` is the "
    "absolute error over that of a seasonal naive forecast on the train steps; `wql` the weighted quantile loss at 5, "
    "25, 50, 75 and 95 %; `mse` in squared standard deviations of the train steps; then the share of what came that "
    "lies within the 50 % and the 90 % interval, and the mean width of the latter in standard deviations."
)
COLUMNS = ["data", "model", "task", "mase", "smape", "wql", "mse", "in 50 %", "in 90 %", "width of 90 %", "seconds"]


def line_of(case: str, runs: Path, extra: list[str]) -> list[object]:
    """Train a case if it is missing; its line of the table."""
    data, model, *tasks = case.split("/")
    task = tasks[0] if tasks else "forecast_quantile"
    words = [f"data={data}", f"model={model}", f"task={task}", "threads=1", "trainer=cpu", "logger=none"]
    folder = runs / "-".join([data, model, task])
    result = fit(compose([*words, "trainer.enable_progress_bar=false", *extra]), folder)
    found = result["metrics"]["test"]
    measured = [found["mase"], found["smape"], found["wql"], found["mse"]]
    covered = [f"{found[name]:.1%}" for name in ("coverage/0.5", "coverage/0.9")]
    return [
        *(data, model, task),
        *(f"{value:.4g}" for value in measured),
        *covered,
        f"{found['width/0.9']:.3g}",
        f"{result['seconds']:.0f}",
    ]


def main() -> None:
    """Train what is missing, and write the table after each case."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", required=True)
    parser.add_argument("--runs", type=Path, default=ROOT / "outputs" / "intervals")
    parser.add_argument("overrides", nargs="*", help="further overrides for every run, stated in the table's command")
    args = parser.parse_args()
    torch.set_num_threads(1)
    args.runs.mkdir(parents=True, exist_ok=True)
    command = " ".join(["python scripts/intervals.py", f"--cases {args.cases}", *args.overrides])
    lines: list[list[object]] = []
    for case in args.cases.split(","):
        lines.append(line_of(case, args.runs, args.overrides))
        machine.write(
            "intervals",
            "\n".join([machine.header("Forecasts with intervals", command, NOTE), machine.table(COLUMNS, lines)]),
        )


if __name__ == "__main__":
    main()
