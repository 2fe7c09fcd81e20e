"""Trainings of NLinear and PatchTST on one series of the size of ETTh1, end to end, against neuralforecast.

Each measurement is a process of its own, with one thread, whose processor time is taken: what else the machine does
counts for little. ``PEER`` names the interpreter of an environment that has neuralforecast, if this one does not.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

STEPS, CONTEXT, HORIZON = 17_420, 336, 96
ROUNDS = 2
PEER, BARE = "neuralforecast", "bare"
# Model, batch, optimizer steps of a short and of a long training of the peer, epochs of ours, and what is asked for.
CASES = (
    ("nlinear", 1024, (2, 22), (1, 21), 50.0),
    ("nlinear", 128, (2, 52), (1, 11), 50.0),
    ("patchtst", 1024, (1, 3), (1, 2), 1.7),
    ("patchtst", 128, (2, 10), (1, 2), 6.0),
)
TRAIN = 1024
"""Train windows of an epoch of ours where a step takes long: the peer draws its windows and has no epochs."""


def series() -> np.ndarray:
    """A random walk."""
    import numpy as np

    return np.random.default_rng(0).normal(size=STEPS).cumsum()


def words(model: str, batch: int, folder: str) -> list[str]:
    """Words of a training of ours on the series, which is written to the folder."""
    import polars as pl

    pl.DataFrame({"y": series()}).write_parquet(f"{folder}/series.parquet")
    shape = [f"data.context={CONTEXT}", f"data.horizon={HORIZON}", "data.season=24", "split.stride=96"]
    steps = [windows(model) + CONTEXT + HORIZON - 1, 2880, 2880]
    task = [f"model={model}", "data=sequences", "task=forecast", "split=horizon", "data.id=null", "data.target=y"]
    place = [f"split.steps=[{','.join(map(str, steps))}]", f"data.path={folder}/series.parquet"]
    return [*task, *shape, *place, "trainer=cpu", "threads=1", f"loader.batch_size={batch}", "task.loss=mae"]


def windows(model: str) -> int:
    """Train windows of an epoch of ours."""
    return TRAIN if model == "patchtst" else 8640 - CONTEXT - HORIZON + 1


def ours(model: str, batch: int) -> Callable[[int], tuple[int, float]]:
    """A training of so many epochs: windows that were learned from, and seconds of the whole command."""
    from colonnade.config.compose import compose
    from colonnade.runs.fit import fit

    folder = tempfile.TemporaryDirectory()
    given = words(model, batch, folder.name)
    runs = iter(range(1000))

    def train(epochs: int) -> tuple[int, float]:
        cfg = compose([*given, f"trainer.max_epochs={epochs}", "callbacks.early_stopping=null"])
        start = time.process_time()
        fit(cfg, f"{folder.name}/{next(runs)}")
        return windows(model) * epochs, time.process_time() - start

    return train


def bare(model: str, batch: int) -> Callable[[int], tuple[int, float]]:
    """So many epochs of the plainest loop over our network: a gather, the loss, a step of the optimizer."""
    import torch

    from colonnade.config.compose import compose
    from colonnade.core.batch import Batch
    from colonnade.runs.assemble import assemble

    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        network = assemble(compose(words(model, batch, folder))).module.network
    values = torch.from_numpy(series()).float()
    whole = ((values - values.mean()) / values.std()).unfold(0, CONTEXT + HORIZON, 1)
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3, fused=True)
    none = torch.empty(batch, CONTEXT, 0, dtype=torch.int64)

    def train(epochs: int) -> tuple[int, float]:
        start = time.process_time()
        for _ in range(epochs):
            for rows in torch.randperm(windows(model)).split(batch):
                past, ahead = whole[rows].split((CONTEXT, HORIZON), dim=1)
                raw = network(Batch(past[..., None], none[: len(rows)])).raw
                (raw.flatten(1) - ahead).abs().mean().backward()
                optimizer.step()
                optimizer.zero_grad()
        return windows(model) * epochs, time.process_time() - start

    return train


def peer(model: str, batch: int) -> Callable[[int], tuple[int, float]]:
    """A training of so many optimizer steps: windows that were learned from, and seconds."""
    import logging
    import warnings

    import pandas as pd
    import torch
    from neuralforecast import NeuralForecast
    from neuralforecast.models import NLinear, PatchTST

    warnings.simplefilter("ignore")
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    torch.set_num_threads(1)
    frame = pd.DataFrame({"unique_id": "a", "ds": range(8640), "y": series()[:8640]})
    quiet = {"enable_progress_bar": False, "logger": False, "enable_checkpointing": False}
    made = {"nlinear": NLinear, "patchtst": PatchTST}[model]

    def train(steps: int) -> tuple[int, float]:
        net = made(h=HORIZON, input_size=CONTEXT, max_steps=steps, windows_batch_size=batch, **quiet)
        start = time.process_time()
        NeuralForecast(models=[net], freq=1).fit(frame)
        return steps * batch, time.process_time() - start

    return train


def measure(who: str, model: str, batch: int) -> dict[str, list[float]]:
    """Windows a second that a longer training adds to a shorter one, and seconds of the shorter, in turn."""
    _, _, peer_steps, epochs, _ = next(case for case in CASES if case[:2] == (model, batch))
    train = {PEER: peer, BARE: bare, "colonnade": ours}[who](model, batch)
    few, many = peer_steps if who == PEER else epochs
    train(few)
    rates, whole = [], []
    for _ in range(ROUNDS):
        (n, short), (more, long) = train(few), train(many)
        rates.append((more - n) / max(long - short, 1e-9))
        whole.append(short)
    return {"rate": rates, "seconds": whole}


def main() -> None:
    """Measure each in turn, and write ``docs/benchmarks/forecasters.md``."""
    import machine

    interpreter = os.environ.get("PEER", sys.executable)
    found = subprocess.run(
        [interpreter, "-c", f"import {PEER}; print({PEER}.__version__)"], capture_output=True, text=True, check=False
    )
    if found.returncode:
        print(
            f"skipped: {PEER} is not installed. Make an environment of its own with `pip install {PEER}`, and name its "
            "interpreter: PEER=<environment>/bin/python"
        )
        return
    rows: list[list[object]] = []
    for model, batch, _, _, asked in CASES:
        told = {}
        for who, python in ((PEER, interpreter), (BARE, sys.executable), ("colonnade", sys.executable)):
            command = [python, __file__, who, model, str(batch)]
            lines = subprocess.run(command, check=True, capture_output=True, text=True, cwd=Path.cwd()).stdout
            told[who] = json.loads(lines.splitlines()[-1])
        theirs, mine = told[PEER], told["colonnade"]
        rates = [statistics.median(of["rate"]) for of in (theirs, mine, told[BARE])]
        seconds = [f"{statistics.median(of['seconds']):.1f}" for of in (theirs, mine)]
        times = machine.ratio(mine["rate"], theirs["rate"])
        rows.append([model, batch, *(f"{rate:,.0f}" for rate in rates), times, asked, *seconds])
        print(rows[-1], flush=True)
    text = machine.header(
        "Trainings of forecasts against neuralforecast",
        "make bench BENCH=forecasters PEER=<environment with neuralforecast>/bin/python",
        f"One series of {STEPS:,} steps, of which 8,640 train, context {CONTEXT}, horizon {HORIZON}, absolute error; "
        "one thread, seconds of the processor; the same sizes of the networks (the defaults of both are those of the "
        "papers). Ours is the whole command with everything on: a run folder, validation after each epoch, "
        "checkpoints, TensorBoard, test, predictions and figures; the peer's is `NeuralForecast.fit` without logger, "
        "checkpoints, validation and progress bar; bare is a loop over our network that gathers, learns and does "
        "nothing else: the most that this machine can give. Windows a second are those that a longer training adds "
        "to a shorter one, so that what is done once does not count; seconds are those of the shorter one. PatchTST "
        f"of ours is trained on {TRAIN:,} windows. {ROUNDS} rounds, medians. What is asked of PatchTST at a batch of "
        "128 is more than its matrix products alone allow in float32, forwards and backwards, without softmax, norms "
        "and dropout, measured by themselves on 2026-11-28: 787 windows a second. They are 47 % of a step, softmax "
        "11 %, copies 11 %, dropout 8 %; fused products of scores, and compiled code, changed a step by less than the "
        "noise, bfloat16 made it 1.5 times as fast.",
    )
    columns = [
        "model",
        "batch",
        f"{PEER} windows/s",
        "ours windows/s",
        "bare windows/s",
        "faster",
        "asked",
        f"{PEER} s",
        "ours s",
    ]
    machine.write("forecasters", f"{text}* {PEER} {found.stdout.strip()}\n\n{machine.table(columns, rows)}")


if __name__ == "__main__":
    if sys.argv[1:]:
        print(json.dumps(measure(sys.argv[1], sys.argv[2], int(sys.argv[3]))))
    else:
        main()
