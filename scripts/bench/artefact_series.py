"""Exported graphs of series against the torch Predictor: parity, size, latency; one thread.

``python scripts/bench artefact_series``: every model of series. ``--models gru,nlinear``: these alone, the lines of the
others stay.
"""

from __future__ import annotations

import json
import subprocess
import sys
from functools import partial

import machine
import numpy as np
import polars as pl
import torch
from artefact import exported, milliseconds

from colonnade.baselines.base import Job
from colonnade.baselines.module import BaselineModule
from colonnade.config.compose import compose
from colonnade.data.sequences.dataset import SequenceDataset
from colonnade.data.sequences.raw import raw_series
from colonnade.deploy.rows import columns_of
from colonnade.runs.assemble import Parts, assemble, dataset_of

# Utterances of 7 to 29 steps and 12 columns, and windows of seven values.
MODELS = {
    "japanese_vowels": "gru lstm mingru tcn transformer resnet1d inception_time lite minirocket",
    "etth1": "naive seasonal_naive ets theta nlinear dlinear tide tsmixer nhits gru_forecast lstm_forecast deepar tft "
    "itransformer patchtst",
}
# Repeats with one series and with many, in three turns.
REPEATS = (90, 6)
MANY = 1000
# A thousand take some 15 GB in torch: each column of each step is a vector of its own.
FEW = {"tft": 100}


def made(model: str, data: str) -> Parts:
    """A model as shipped: fitted where it is fitted at once, else with its first weights."""
    parts = assemble(compose([f"model={model}", f"data={data}", "threads=1"]))
    if isinstance(parts.module, BaselineModule):
        train, val = (parts.datamodule.loader_for(part).store for part in ("train", "val"))
        parts.module.fit(train, val, Job())
    return parts


def series_of(parts: Parts, n: int) -> pl.DataFrame:
    """Typed series, or windows of them, some of them twice where there are not so many."""
    data = dataset_of(parts.cfg)
    assert isinstance(data, SequenceDataset)
    table = data.rows(data.read())
    frame = table.frame if parts.module.spec.horizon is None else data.windows(table, n).frame
    return frame[np.linspace(0, frame.height - 1, n).astype(int)]


def measured(model: str, data: str) -> list[str]:
    """A line of the table."""
    parts, many = made(model, data), FEW.get(model, MANY)
    lookup, frame = parts.datamodule.pipeline.lookup, series_of(parts, many)
    predictor, graph, cells = exported(parts, frame)
    for repeats, n in zip(REPEATS, (1, many)):
        rows = frame.head(n).select(lookup.names)
        feeds = graph.feeds(columns_of(rows, graph.columns))
        raw = raw_series(lookup, rows, lookup.names)
        with torch.inference_mode():
            ours, theirs = milliseconds(
                (partial(graph.session.run, None, feeds), partial(predictor, *raw.inputs)), repeats
            )
        cells += [str(n), f"{ours:.3g}", f"{theirs:.3g}", f"{theirs / ours:.1f}"]
    # The first is one series in every line.
    del cells[3]
    return [model, data, *cells]


def main(chosen: list[str]) -> None:
    """Measure, and write ``docs/benchmarks/onnx_series.md``."""
    rows = []
    for data, models in MODELS.items():
        for model in models.split():
            if chosen and model not in chosen:
                continue
            # A process of its own: what other models left in memory slows neither side.
            command = [sys.executable, __file__, "--measure", model, data]
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
            rows.append(json.loads(done.stdout.splitlines()[-1]))
    text = machine.header(
        "Exported graphs of series",
        "COLONNADE_DATA=... make bench BENCH=artefact_series",
        "Models as shipped on JapaneseVowels (utterances of 7 to 29 steps, nine classes) and ETTh1 (windows of seven "
        "values), networks with their first weights, which cost the same, and baselines fitted. The graph goes from "
        "raw columns to predictions, torch is the Predictor in inference mode on tensors that are made already. One "
        f"thread, a process for each model; medians of milliseconds of the processor, graph and torch in turn, of "
        f"{REPEATS[0]} calls with one series and of {REPEATS[1]} with `many`. `difference`: the largest of any "
        "prediction on the series that the export compares, of probabilities or in standard deviations of the value.",
    )
    columns = ["model", "data", "difference", "MB", "export s", "graph, 1", "torch, 1", "faster, 1"]
    columns += ["many", "graph, many", "torch, many", "faster, many"]
    machine.update("onnx_series", text, columns, rows, key=2)


if __name__ == "__main__":
    given = sys.argv[1:]
    if given[:1] == ["--measure"]:
        torch.set_num_threads(1)
        print(json.dumps(measured(*given[1:])))
        sys.exit()
    main(given[given.index("--models") + 1].split(",") if "--models" in given else [])
