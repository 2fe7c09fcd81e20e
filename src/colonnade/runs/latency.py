"""Latency: how long a finished run takes to predict one row."""

from __future__ import annotations

import statistics
import time
from pathlib import Path

import torch

from colonnade.data.columns import MISSING, MISSING_TIME
from colonnade.runs.load import load


def latency(run: Path | str, *, repeats: int = 50, warmup: int = 10) -> float:
    """Median milliseconds of the Predictor for one row, on one thread.

    Args:
        run: a finished run folder.
        repeats: predictions that are timed.
        warmup: predictions before them.
    """
    loaded = load(run)
    lookup = loaded.lookup
    # Any row takes as long as another: here everything is missing.
    num = torch.full((1, len(lookup.num_names)), torch.nan, dtype=torch.float64)
    cat = torch.full((1, len(lookup.cat)), MISSING)
    day = torch.full((1, len(lookup.time)), MISSING_TIME)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        seconds = []
        with torch.inference_mode():
            for _ in range(warmup + repeats):
                start = time.perf_counter()
                loaded.predictor(num, cat, day)
                seconds.append(time.perf_counter() - start)
    finally:
        torch.set_num_threads(threads)
    return round(1000 * statistics.median(seconds[warmup:]), 4)
