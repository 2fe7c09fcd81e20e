"""Graphs alone against the runs they come from: the table of ``docs/benchmarks/graphs.md``.

    python scripts/graphs.py

Of each data set a model is trained for a few epochs and exported. The graph is fed with the raw rows of the data set's
files, and what it says of the test rows is compared with ``predictions.parquet`` of the run. Each run is a folder under
``--runs``: repeated, the command trains only what is missing.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import polars as pl
import torch

from colonnade.config.compose import compose
from colonnade.data.sequences.dataset import SequenceDataset
from colonnade.deploy.rows import columns_of
from colonnade.deploy.runtime import OnnxModel
from colonnade.runs.fit import fit
from colonnade.runs.folder import RunFolder
from colonnade.runs.load import load
from colonnade.runs.own import own_table
from colonnade.runs.predict import row_ids
from colonnade.runs.predictions import as_frame

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "scripts" / "bench")]
import machine  # noqa: E402

PAIRS = {
    "adult": "mlp",
    "california_housing": "realmlp",
    "bank_marketing": "resnet",
    "titanic": "mlp_plr",
    "insteval": "mlp",
    "etth1": "dlinear",
    "japanese_vowels": "gru",
    "m4_hourly": "nlinear",
}
NOTE = (
    "A model for each, trained for two epochs. The graph alone, fed with the raw rows of the files (strings, dates and "
    "missing values as they are), against what the run has written of its test rows: the largest difference of any "
    "probability, or of any value in standard deviations of its target, and the labels that differ. Asked: 1e-5."
)


def trained(data: str, model: str, runs: Path) -> RunFolder:
    """A finished run with its graph."""
    folder = runs / f"{data}-{model}"
    found = folder / "result.json"
    if not (
        found.exists() and json.loads(found.read_text())["status"] == "finished" and (folder / "model.onnx").exists()
    ):
        words = [f"data={data}", f"model={model}", "export=onnx", "trainer.max_epochs=2", "threads=1", "logger=none"]
        fit(compose([*words, "trainer.enable_progress_bar=false"]), folder)
    return RunFolder(folder)


def compared(data: str, model: str, runs: Path) -> list[object]:
    """A line of the table."""
    folder = trained(data, model, runs)
    loaded = load(folder.path)
    expected = pl.read_parquet(folder / "predictions.parquet").filter(pl.col("split") == "test").sort("row_id")
    table = own_table(folder, loaded, "set COLONNADE_DATA")
    wanted = expected["row_id"].to_numpy()
    if isinstance(loaded.dataset, SequenceDataset) and loaded.spec.horizon is not None:
        frame = loaded.dataset.windows_from(table, wanted).frame
    else:
        frame = table.frame[np.searchsorted(row_ids(table), wanted)]
    graph = OnnxModel(folder / "model.onnx")
    named = as_frame({"row_id": wanted, **graph.named(graph.predict(columns_of(frame, graph.columns)))})
    worst, labels = 0.0, 0
    for name in (name for name in named.columns if name != "row_id"):
        one, other = named[name].to_numpy(), expected[name].to_numpy()
        if one.dtype.kind != "f":
            labels += int((one != other).sum())
            continue
        target = name.rpartition("/")[2]
        names = loaded.spec.target_names
        scale = loaded.spec.target_scale
        unit = (scale[names.index(target)] if target in names else scale[0]) if scale else 1.0
        worst = max(worst, float(np.abs(one - other).max()) / unit)
    size = (folder / "model.onnx").stat().st_size / 1e6
    print(data, model, len(wanted), worst, labels, flush=True)
    return [data, model, f"{len(wanted):,}", f"{worst:.0e}", labels, f"{size:.2f}"]


def main() -> None:
    """Train what is missing, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=Path, default=ROOT / "outputs" / "graphs")
    parser.add_argument("--data", default=",".join(PAIRS), help="a part of the data sets: nothing is written")
    args = parser.parse_args()
    torch.set_num_threads(1)
    lines = [compared(data, PAIRS[data], args.runs) for data in args.data.split(",")]
    if args.data == ",".join(PAIRS):
        text = machine.header("Graphs alone", "COLONNADE_DATA=... python scripts/graphs.py", NOTE)
        columns = ["data", "model", "test rows", "difference", "other labels", "MB"]
        machine.write("graphs", text + "\n" + machine.table(columns, lines))


if __name__ == "__main__":
    main()
