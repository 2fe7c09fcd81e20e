"""Train models that forecast, and write the table ``docs/benchmarks/forecast_models.md``.

    COLONNADE_DATA=<folder> python scripts/forecast_models.py

Each line is a run folder under ``--runs``: repeated, the command trains only what is missing, and resumes what was cut
off. ``--only m4`` trains the lines whose name begins so; the lines of what is finished take the place of those in the
table. Other lines, and what stands around it, stay.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from omegaconf import OmegaConf

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "scripts" / "bench"))
import machine  # noqa: E402

QUICK = ("logger=none", "threads=1", "trainer=cpu")
# Published MSE of the ETTh1 protocol.
PUBLISHED = {
    "naive_96": 1.295,
    "naive_336": 1.323,
    "nlinear_96": 0.374,
    "nlinear_336": 0.429,
    "dlinear_96": 0.375,
    "dlinear_336": 0.439,
    "tide_96": 0.375,
    "tide_336": 0.435,
    "patchtst_96": 0.375,
    "patchtst_336": 0.431,
    "itransformer_96": 0.386,
    "itransformer_336": 0.487,
}
M4 = ("data=m4_hourly", "task.loss=mae", "task.monitor=val/mae", "model.scaling=window", "loader.batch_size=256")
TRIPS = ("data=tourism", "task.loss=mae", "task.monitor=val/mae", "model.scaling=window")
# Steps of a season, by which absolute errors are scaled.
SEASONS = {"m4_hourly": 24, "tourism": 4, "beijing_pm25": 24, "nyc_taxi": 336}


def lines() -> dict[str, tuple[str, ...]]:
    """What is trained, by name: the words of ``train.py``."""
    found: dict[str, tuple[str, ...]] = {}
    for horizon in (96, 336):
        for model in ("naive", "seasonal_naive"):
            found[f"etth1/{model}_{horizon}"] = (f"model={model}", "data=etth1", f"data.horizon={horizon}")
        for model in ("nlinear", "dlinear", "tide", "patchtst", "itransformer"):
            found[f"etth1/{model}_{horizon}"] = (f"experiment=etth1/{model}_{horizon}",)
    for model in ("naive", "nlinear", "dlinear"):
        found[f"exchange_rate/{model}"] = (f"model={model}", "data=exchange_rate")
    # Days of trading: a week has five.
    found["exchange_rate/seasonal_naive"] = ("model=seasonal_naive", "model.period=5", "data=exchange_rate")
    for model in ("seasonal_naive", "theta", "ets"):
        found[f"m4_hourly/{model}"] = (f"model={model}", "data=m4_hourly")
    found["m4_hourly/nlinear"] = ("model=nlinear", *M4, "trainer.max_epochs=6")
    found["m4_hourly/nhits"] = (
        "model=nhits",
        *M4,
        "trainer.max_epochs=4",
        "optim.step_epochs=1",
        "model.backbone.d_hidden=256",
    )
    for model in ("seasonal_naive", "theta", "ets"):
        found[f"tourism/{model}"] = (f"model={model}", "model.period=4", "data=tourism")
    for model in ("nlinear", "nhits"):
        found[f"tourism/{model}"] = (f"model={model}", *TRIPS)
    for data, period in (("beijing_pm25", 24), ("nyc_taxi", 336)):
        found[f"{data}/naive"] = ("model=naive", f"data={data}")
        found[f"{data}/seasonal_naive"] = ("model=seasonal_naive", f"model.period={period}", f"data={data}")
        for model in ("nlinear", "dlinear"):
            found[f"{data}/{model}"] = (f"model={model}", f"data={data}")
    found["beijing_pm25/tsmixer"] = ("model=tsmixer", "data=beijing_pm25", "trainer.max_epochs=10")
    found["nyc_taxi/nhits"] = ("model=nhits", "data=nyc_taxi", "model.backbone.d_hidden=128")
    return found


def train(words: tuple[str, ...], folder: Path) -> None:
    """One run; its log says what went wrong."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "train.log").open("a") as log:
        command = [sys.executable, "train.py", *words, *QUICK, f"hydra.run.dir={folder}"]
        subprocess.run(command, cwd=ROOT, stdout=log, stderr=log)


def mase(folder: Path, season: int) -> float:
    """Mean absolute error of the test windows over that of the seasonal naive forecast, one step of a season ahead, of
    all steps before test; the mean over the series (Hyndman and Koehler, 2006)."""
    from colonnade.config.build import build

    dataset = build(OmegaConf.load(folder / "config.yaml").data)
    table = dataset.read()
    series = [np.asarray(values, dtype=float) for values in table.frame[dataset.target[0]].to_list()]
    ends = json.loads((folder / "split.json").read_text())["ends"]
    scales = []
    for values, (_, before, _) in zip(series, ends, strict=True):
        known = values[:before]
        scales.append(np.nanmean(np.abs(known[season:] - known[:-season])))
    offsets = np.cumsum([0, *map(len, series)])
    frame = pl.read_parquet(folder / "predictions.parquet").filter(split="test")
    ahead = [name.removeprefix("prediction/") for name in frame.columns if name.startswith("prediction/")]
    error = np.abs(
        frame.select(f"prediction/{name}" for name in ahead).to_numpy()
        - frame.select(f"target/{name}" for name in ahead).to_numpy()
    ).mean(1)
    of = np.searchsorted(offsets, frame["row_id"].to_numpy(), side="right") - 1
    return float(np.mean([error[of == place].mean() / scales[place] for place in np.unique(of)]))


def finished(folder: Path) -> dict[str, Any] | None:
    """The result of a run; None where it has not finished."""
    path = folder / "result.json"
    result: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    return result if result.get("status") == "finished" else None


def row(name: str, words: tuple[str, ...], folder: Path) -> list[object] | None:
    """One line of the table; None where the run has not finished."""
    result = finished(folder)
    if result is None:
        return None
    data, _, model = name.partition("/")
    test = result["metrics"]["test"]
    scaled = f"{mase(folder, SEASONS[data]):.3f}" if data in SEASONS else ""
    published = f"{PUBLISHED[model]:.3f}" if data == "etth1" and model in PUBLISHED else ""
    told = f"`{' '.join(words)}`"
    return [
        data,
        model,
        f"{test['mse']:.4f}",
        published,
        f"{test['mae']:.4f}",
        scaled,
        f"{result['seconds']:.0f}",
        told,
    ]


def main() -> None:
    """Train what is missing, and write the table after each run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=Path, default=ROOT / "outputs" / "forecast_models")
    parser.add_argument("--only", default="", help="lines whose name begins so; none: only the table")
    args = parser.parse_args()
    for name, words in lines().items():
        if name.startswith(args.only) and finished(args.runs / name) is None:
            train(words, args.runs / name)
            write(args.runs)
    write(args.runs)


def write(runs: Path) -> None:
    """The table as far as it is known."""
    rows = [row(name, words, runs / name) for name, words in lines().items()]
    note = (
        "Test windows, seed 0, weights best on validation, one thread. MSE and MAE are in standard deviations "
        "of the train steps, over all windows, steps ahead and values; so with series of different size the large ones "
        "decide. MASE is the mean over the series of the absolute error over that of the seasonal naive forecast on "
        "the steps before test (season: 24 hours, 4 quarters, 336 half hours); on M4 Hourly that is the official test. "
        "Published figures of ETTh1 are MSE."
    )
    columns = ["data", "model", "MSE", "published", "MAE", "MASE", "seconds", "command"]
    text = machine.header("Models that forecast, on real data", "python scripts/forecast_models.py", note)
    machine.update("forecast_models", text, columns, [line for line in rows if line is not None], key=2)


if __name__ == "__main__":
    main()
