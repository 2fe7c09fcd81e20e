"""A short job as a whole process, import to test metrics, against the bare script: Adult, MLP 3x256, 5 epochs."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import machine

ROUNDS, EPOCHS = 5, 5
ROOT = Path(__file__).parents[2]
OURS = [
    "model=mlp",
    "data=adult",
    "model.backbone.d_hidden=[256,256,256]",
    # The bare script has ReLU and no averaged weights.
    "model.backbone.activation=relu",
    "module.ema=null",
    "loader.batch_size=256",
    f"trainer.max_epochs={EPOCHS}",
]


def seconds(command: list[str]) -> float:
    """Wall time of one process."""
    start = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True, cwd=ROOT)
    return time.perf_counter() - start


def main() -> None:
    """Measure in turn, and write ``docs/benchmarks/process.md``."""
    folder = os.environ.get("COLONNADE_DATA")
    if folder is None:
        sys.exit("set COLONNADE_DATA to the folder that holds adult.data.gz and adult.test.gz")
    script = str(Path(__file__).with_name("bare_adult.py"))
    bare, ours = [], []
    with tempfile.TemporaryDirectory() as runs:
        for i in range(ROUNDS + 1):
            b = seconds([sys.executable, script, folder, str(EPOCHS)])
            o = seconds([sys.executable, "train.py", *OURS, f"hydra.run.dir={runs}/{i}"])
            if i:  # the first pair warms the file cache
                bare.append(b)
                ours.append(o)
    text = machine.header(
        "A short job as a whole process",
        "COLONNADE_DATA=... make bench BENCH=process",
        f"Adult from its files, MLP 3x256, {EPOCHS} epochs, import to test metrics; ours with early stopping, "
        f"checkpoints, TensorBoard, figures and the whole run folder. {ROUNDS} pairs in turn; wall seconds. "
        "Target: 1.7.",
    )
    row = [f"{statistics.median(bare):.2f}", f"{statistics.median(ours):.2f}", machine.ratio(ours, bare)]
    machine.write("process", text + "\n" + machine.table(["bare s", "ours s", "ratio"], [row]))


if __name__ == "__main__":
    main()
