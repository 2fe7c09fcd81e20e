"""Windows of an epoch gathered, against a bare loop over a strided view; and the memory of a training on a long
series."""

from __future__ import annotations

import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import machine
import numpy as np
import torch

from colonnade.data.loader import ChunkLoader
from colonnade.data.rows import Permutation
from colonnade.data.sequences.windows import WindowStore

ROUNDS = 5
# Steps, channels, context, horizon, batch, epochs: ETTh1, and a longer series.
SIZES = {"ETTh1": (8640, 7, 336, 96, 32, 20), "long": (200_000, 7, 336, 96, 1024, 1)}
CHUNK = 8
ROWS, CHANNELS = 1_090_000, 32


def ours(steps: torch.Tensor, context: int, horizon: int, batch: int) -> float:
    """Seconds of an epoch of the train loader: order, chunks, windows and targets."""
    count = len(steps) - context - horizon + 1
    store = WindowStore(
        num=steps,
        cat=torch.empty(len(steps), 0, dtype=torch.int32),
        target=steps,
        first=torch.tensor([context]),
        before=torch.tensor([0, count]),
        context=context,
        horizon=horizon,
    )
    order = Permutation(count, seed=0)
    loader = ChunkLoader(store, order, batch_size=batch, chunk=max(1, CHUNK * 32 // batch), position=lambda: (0, 0))
    start = time.perf_counter()
    seen = 0
    for chunk in loader:
        for _, rows, _ in chunk.steps():
            seen += len(rows)
    assert seen == count
    return time.perf_counter() - start


def bare(steps: torch.Tensor, context: int, horizon: int, batch: int) -> float:
    """Seconds of the plain loop: a permutation, and one gather of whole windows for each batch."""
    windows = steps.unfold(0, context + horizon, 1).transpose(1, 2)
    start = time.perf_counter()
    seen = 0
    for rows in torch.randperm(len(windows)).split(batch):
        whole = windows[rows]
        past, ahead = whole[:, :context], whole[:, context:]
        seen += len(past) if len(ahead) else 0
    assert seen == len(windows)
    return time.perf_counter() - start


def train(path: Path, stride: int) -> dict[str, float]:
    """Peak memory of a training on a long series, beyond what the program takes without data."""
    from colonnade.config.compose import compose
    from colonnade.runs.fit import fit

    words = ["model=nlinear", "data=sequences", "task=forecast", "split=horizon", "data.id=null", "data.target=c0"]
    quick = ["trainer=cpu", "threads=1", "trainer.max_epochs=1", "logger=none", "loader.batch_size=256"]
    with tempfile.TemporaryDirectory() as folder:
        small = np.random.default_rng(0).normal(size=(2000, CHANNELS)).astype(np.float32)
        write(Path(folder) / "small.parquet", small)
        size = ["data.context=96", "data.horizon=96", f"split.stride={stride}"]
        fit(compose([*words, *quick, *size, f"data.path={folder}/small.parquet"]), f"{folder}/before")
        before = peak()
        start = time.perf_counter()
        result = fit(compose([*words, *quick, *size, f"data.path={path}"]), f"{folder}/run")
        assert result["status"] == "finished"
        return {"MB": peak() - before, "seconds": time.perf_counter() - start}


def peak() -> float:
    """Largest memory of this process so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def write(path: Path, values: np.ndarray) -> None:
    """A column for each channel."""
    import polars as pl

    pl.DataFrame({f"c{i}": values[:, i] for i in range(values.shape[1])}).write_parquet(path)


def memory() -> list[list[object]]:
    """The long series, with a part of its windows and with all of them."""
    values = np.random.default_rng(0).normal(size=(ROWS, CHANNELS)).cumsum(0)
    rows: list[list[object]] = []
    with tempfile.TemporaryDirectory() as folder:
        for n in (ROWS // 4, ROWS):
            write(Path(folder) / "long.parquet", values[:n])
            command = [sys.executable, __file__, "train", f"{folder}/long.parquet"]
            found = json.loads(
                subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1]
            )
            raw = n * CHANNELS * 8 / 2**20
            rows.append(
                [f"{n:,}", f"{raw:.0f}", f"{found['MB']:.0f}", f"{found['MB'] / raw:.2f}", 3, f"{found['seconds']:.0f}"]
            )
    return rows


def main() -> None:
    """Measure in turn, and write ``docs/benchmarks/windows.md``."""
    torch.set_num_threads(1)
    rows: list[list[object]] = []
    for name, (n, channels, context, horizon, batch, epochs) in SIZES.items():
        steps = torch.randn(n, channels)
        b, o = [], []
        # The first round warms up.
        for _ in range(ROUNDS + 1):
            b.append(sum(bare(steps, context, horizon, batch) for _ in range(epochs)) / epochs)
            o.append(sum(ours(steps, context, horizon, batch) for _ in range(epochs)) / epochs)
        b, o = b[1:], o[1:]
        count = n - context - horizon + 1
        rates = (f"{count / statistics.median(times):,.0f}" for times in (b, o))
        rows.append([name, f"{n:,} x {channels}", batch, *rates, machine.ratio(o, b), 1.2])
    text = machine.header(
        "Windows of a series",
        "make bench BENCH=windows",
        "An epoch of the train loader over all windows (context 336, horizon 96), one thread: a shuffled order, chunks "
        "of optimizer steps, contexts and targets; bare: a shuffled order and one gather a batch. "
        f"{ROUNDS} rounds in turn, median; of ETTh1 20 epochs each. Below: NLinear for one epoch over every window of "
        "a series of 32 channels, one of which is forecast, 96 steps from 96, with validation, test, predictions and "
        "figures (split.stride=96), in a process of its own: largest memory beyond that of the same training on 2,000 "
        "steps, over the size of the series as read (float64).",
    )
    speed = machine.table(["series", "steps", "batch", "bare windows/s", "ours windows/s", "time", "target"], rows)
    held = machine.table(["steps", "series MB", "peak MB", "ratio", "target", "seconds"], memory())
    machine.write("windows", f"{text}\n{speed}\n{held}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["train"]:
        print(json.dumps(train(Path(sys.argv[2]), 96)))
    else:
        main()
