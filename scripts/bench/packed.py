"""Packed training: five folds of four seeds as packs, against twenty trainings by themselves on the same cores.

Apart from the benchmarks that run by default: ``python scripts/bench/packed.py``, on a GPU with ``--gpu``.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import machine

ROOT = Path(__file__).parents[2]
NETS = {"MLP 2x64": ("[64,64]", 0.35), "MLP 3x256": ("[256,256,256]", 0.80)}
EPOCHS = 30
# Columns of many levels are left out: folds that do not see the same ones cannot be in one pack.
WORDS = (
    "model=mlp",
    "data=churn_sim",
    "data.source.n_rows=10000",
    "data.exclude=[cell_tower,last_note]",
    "split=kfold",
    "split.fold=range(0,5)",
    "seed=range(0,4)",
    f"trainer.max_epochs={EPOCHS}",
)


def search(folder: Path, *words: str) -> tuple[float, dict[str, float]]:
    """Wall seconds of a whole command, and the validation log loss of each training."""
    command = [sys.executable, "-m", "colonnade.cli", "train", "-m", *WORDS, *words, f"hydra.sweep.dir={folder}"]
    start = time.perf_counter()
    subprocess.run(command, check=True, cwd=ROOT, capture_output=True)
    seconds = time.perf_counter() - start
    results = {path.parent.name: json.loads(path.read_text()) for path in folder.rglob("result.json")}
    return seconds, {key: result["metrics"]["val"]["log_loss"] for key, result in results.items()}


def main() -> None:
    """Measure in turn, and write ``docs/benchmarks/packed.md`` or ``packed-gpu.md``."""
    gpu = "--gpu" in sys.argv[1:]
    # On a GPU one pack keeps the device busy, and trainings by themselves share it as far as that makes them faster.
    slots = {"packed": 1, "solo": 8} if gpu else dict.fromkeys(("packed", "solo"), os.cpu_count() or 1)
    common = ("trainer=gpu",) if gpu else ("trainer=cpu",)
    rows = []
    for name, (widths, target) in NETS.items():
        found = {}
        for how in ("solo", "packed"):
            with tempfile.TemporaryDirectory() as folder:
                words = (*common, f"model.backbone.d_hidden={widths}", f"tune.packed={str(how == 'packed').lower()}")
                found[how] = search(Path(folder) / "search", *words, f"launcher.trials_per_device={slots[how]}")
        (solo, one), (packed, other) = found["solo"], found["packed"]
        apart = max(abs(one[key] - other[key]) for key in one)
        rows.append(
            [name, f"{solo:.1f}", f"{packed:.1f}", f"{packed / solo:.2f}", "" if gpu else target, f"{apart:.1e}"]
        )
    device = ""
    if gpu:
        import torch

        device = f"{torch.cuda.get_device_name()}, {slots['solo']} trainings by themselves at once. "
    text = machine.header(
        "Packed training" + (" on a GPU" if gpu else ""),
        "python scripts/bench/packed.py" + (" --gpu" if gpu else ""),
        f"{device}Wall seconds of `colonnade train -m split.fold=0,...,4 seed=0,...,3` on 10,000 rows of churn_sim, "
        f"{EPOCHS} epochs at most, early stopping, checkpoints, metrics, TensorBoard, predictions and figures on: "
        "twenty trainings by themselves, one for each core at a time, and the same command with `tune.packed=true`, one pack "
        "for each core. Reading, encoding and the start of Python are counted. Last: the largest difference of a "
        "validation log loss.",
    )
    columns = ["net", "solo s", "packed s", "ratio", "target", "difference"]
    machine.write("packed-gpu" if gpu else "packed", text + "\n" + machine.table(columns, rows))


if __name__ == "__main__":
    main()
