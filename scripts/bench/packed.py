"""Packed training: five folds of four seeds as packs, against trainings by themselves.

Apart from the benchmarks that run by default: ``python scripts/bench/packed.py``. Where torch sees a GPU it is measured
there, from one process, and a few trainings by themselves stand for all.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import machine

if TYPE_CHECKING:
    from omegaconf import DictConfig

MLP = "model.backbone.d_hidden="
NETS = {"MLP 2x64": (("model=mlp", f"{MLP}[64,64]"), 0.35), "MLP 3x256": (("model=mlp", f"{MLP}[256,256,256]"), 0.80)}
GPU_NETS = {**{name: words for name, (words, _) in NETS.items()}, "TabM 2x512, k 32": ("model=tabm",)}
FOLDS, SEEDS, EPOCHS = 5, 4, 40
GPU_EPOCHS, GPU_SOLO = 8, 2
# Columns of many levels are left out: folds that do not see the same ones cannot be in one pack.
WORDS = (
    "data=churn_sim",
    "data.source.n_rows=10000",
    "data.exclude=[cell_tower,last_note]",
    "split=kfold",
    f"split.folds={FOLDS}",
    "trainer.enable_progress_bar=false",
)
CELLS = [(fold, seed) for fold in range(FOLDS) for seed in range(SEEDS)]
WHAT = (
    "of 10,000 rows of churn_sim, from reading the data to the last result.json, with early stopping, checkpoints, "
    "metrics, TensorBoard and predictions, without figures and the start and end of Python"
)


def configured(words: Sequence[str], cells: Sequence[tuple[int, int]]) -> list[DictConfig]:
    """A configuration for each fold and seed."""
    from colonnade.config.compose import compose

    return [compose([*words, *WORDS, f"split.fold={fold}", f"seed={seed}", "threads=1"]) for fold, seed in cells]


def train(how: str, cfgs: Sequence[DictConfig], folders: Sequence[Path]) -> None:
    """Train by themselves, one after the other, or as a pack."""
    from colonnade.runs.fit import fit_in
    from colonnade.runs.folder import RunFolder
    from colonnade.runs.packed import fit_packed

    if how == "packed":
        fit_packed(cfgs, folders)
        return
    for cfg, folder in zip(cfgs, folders, strict=True):
        # Without figures, as in a pack.
        fit_in(cfg, RunFolder(folder), shown=False)


def outcomes(folder: Path) -> dict[str, dict[str, float]]:
    """Validation log loss and epochs of each training."""
    results = {path.parent.name: json.loads(path.read_text()) for path in folder.glob("*/result.json")}
    return {
        name: {"loss": result["metrics"]["val"]["log_loss"], "epochs": result["epochs"]}
        for name, result in results.items()
    }


def apart(one: dict[str, dict[str, float]], other: dict[str, dict[str, float]]) -> float:
    """The largest difference of a loss between trainings of the same name."""
    return max(abs(one[name]["loss"] - other[name]["loss"]) for name in one)


def work(how: str, folder: Path, share: int, of: int, words: list[str]) -> None:
    """One of several processes: train a share of the cells when all are ready to begin."""
    import torch

    torch.set_num_threads(1)
    cells = CELLS[share::of]
    cfgs = configured(words, cells)
    # What a program loads once is loaded: the start of Python is not measured.
    with tempfile.TemporaryDirectory() as first:
        short = configured([*words, "trainer.max_epochs=1"], cells[:2])
        train(how, short, [Path(first) / "0", Path(first) / "1"])
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    begun = time.process_time()
    train(how, cfgs, [folder / f"fold{fold}-seed{seed}" for fold, seed in cells])
    sys.stdout.write(f"{time.process_time() - begun}\n")
    # The end of Python is not measured either.
    sys.stdout.flush()


def measure(how: str, slots: int, words: Sequence[str]) -> tuple[float, float, dict[str, dict[str, float]]]:
    """Wall and CPU seconds of all processes together, and the outcomes."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        processes = [
            subprocess.Popen(
                [sys.executable, __file__, "--work", how, folder, str(i), str(slots), *words],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                env=environment,
            )
            for i in range(slots)
        ]
        for process in processes:
            assert process.stdout is not None
            process.stdout.readline()
        start = time.perf_counter()
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        said = [process.stdout.readline() for process in processes if process.stdout is not None]
        seconds = time.perf_counter() - start
        for process in processes:
            process.communicate()
        codes = [process.returncode for process in processes]
        if any(codes):
            sys.exit(f"a process of '{how}' ended with {codes}")
        found = outcomes(Path(folder))
        assert len(found) == len(CELLS)
        return seconds, sum(map(float, said)), found


def on_processor() -> None:
    """Write ``docs/benchmarks/packed.md``."""
    slots = os.cpu_count() or 1
    rows = []
    for name, (words, target) in NETS.items():
        words = (*words, "trainer=cpu", f"trainer.max_epochs={EPOCHS}")
        (solo, cpu, one), (packed, own, other) = (measure(how, slots, words) for how in ("solo", "packed"))
        epochs = sum(each["epochs"] for each in one.values()) / len(one)
        rows.append(
            [
                *(name, f"{epochs:.0f}", f"{solo:.1f}", f"{packed:.1f}", f"{packed / solo:.2f}", f"{target:.2f}"),
                *(f"{cpu:.1f}", f"{own:.1f}", f"{own / cpu:.2f}", f"{apart(one, other):.1e}"),
            ]
        )
    text = machine.header(
        "Packed training",
        "python scripts/bench/packed.py",
        f"{FOLDS} folds x {SEEDS} seeds {WHAT}, {EPOCHS} epochs at most. Wall seconds of {slots} processes of one "
        f"thread that train by themselves, and of {slots} that train packs; then their CPU seconds, which other "
        "programs disturb less (where wall seconds are twice as many, others were at work: believe the ratio of the "
        "CPU), and the largest difference of a validation log loss.",
    )
    columns = ["net", "epochs", "solo s", "packed s", "ratio", "target", "solo CPU s", "packed CPU s", "CPU ratio"]
    machine.write("packed", text + "\n" + machine.table([*columns, "difference"], rows))


def on_gpu() -> None:
    """Write ``docs/benchmarks/packed-gpu.md``."""
    import torch

    torch.set_num_threads(1)
    rows = []
    for name, words in GPU_NETS.items():
        words = (*words, f"trainer.max_epochs={GPU_EPOCHS}")
        with tempfile.TemporaryDirectory() as folder:
            seconds = {}
            # What a process loads and a GPU chooses once is loaded and chosen.
            train("solo", configured((*words, "trainer.max_epochs=1"), CELLS[:1]), [Path(folder) / "first"])
            for how, cells in (("solo", CELLS[:: len(CELLS) // GPU_SOLO]), ("packed", CELLS)):
                cfgs = configured(words, cells)
                torch.cuda.synchronize()
                start = time.perf_counter()
                train(how, cfgs, [Path(folder) / how / f"fold{fold}-seed{seed}" for fold, seed in cells])
                seconds[how] = (time.perf_counter() - start) / len(cells)
            difference = apart(outcomes(Path(folder) / "solo"), outcomes(Path(folder) / "packed"))
        ratio = seconds["packed"] / seconds["solo"]
        rows.append([name, f"{seconds['solo']:.2f}", f"{seconds['packed']:.2f}", f"{ratio:.2f}", f"{difference:.1e}"])
    text = machine.header(
        "Packed training on a GPU",
        "python scripts/bench/packed.py",
        f"{torch.cuda.get_device_name()}: {FOLDS} folds x {SEEDS} seeds {WHAT}, {GPU_EPOCHS} epochs: wall seconds of a "
        f"training, of {GPU_SOLO} one after the other by themselves and of all {len(CELLS)} in one pack, by one "
        "process of one thread; and the largest difference of a validation log loss.",
    )
    columns = ["net", "solo s", "packed s", "ratio", "difference"]
    machine.write("packed-gpu", text + "\n" + machine.table(columns, rows))


def main() -> None:
    """Measure where torch would train."""
    import torch

    (on_gpu if torch.cuda.is_available() else on_processor)()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--work"]:
        how, folder, share, of, *words = sys.argv[2:]
        work(how, Path(folder), int(share), int(of), words)
    else:
        main()
