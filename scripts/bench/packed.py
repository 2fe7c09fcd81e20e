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

NETS = {"MLP 2x64": ("[64,64]", 0.35), "MLP 3x256": ("[256,256,256]", 0.80)}
FOLDS, SEEDS, EPOCHS, GPU_SOLO = 5, 4, 40, 8
# Columns of many levels are left out: folds that do not see the same ones cannot be in one pack.
WORDS = (
    "model=mlp",
    "data=churn_sim",
    "data.source.n_rows=10000",
    "data.exclude=[cell_tower,last_note]",
    "split=kfold",
    f"split.folds={FOLDS}",
    f"trainer.max_epochs={EPOCHS}",
    "trainer.enable_progress_bar=false",
)


def work(how: str, folder: Path, share: int, of: int, words: list[str]) -> None:
    """One of several processes: train a share of the cells when all are ready to begin."""
    import torch

    from colonnade.config.compose import compose
    from colonnade.runs.fit import fit_in
    from colonnade.runs.folder import RunFolder
    from colonnade.runs.packed import fit_packed

    torch.set_num_threads(1)
    cells = [(fold, seed) for fold in range(FOLDS) for seed in range(SEEDS)][share::of]
    cfgs = [compose([*WORDS, *words, f"split.fold={fold}", f"seed={seed}", "threads=1"]) for fold, seed in cells]
    folders = [folder / f"fold{fold}-seed{seed}" for fold, seed in cells]
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    begun = time.process_time()
    if how == "packed":
        fit_packed(cfgs, folders)
    else:
        for cfg, own in zip(cfgs, folders, strict=True):
            # Without figures, as in a pack.
            fit_in(cfg, RunFolder(own), shown=False)
    sys.stdout.write(f"{time.process_time() - begun}\n")


def measure(how: str, slots: int, words: list[str]) -> tuple[float, float, dict[str, float], float]:
    """Wall and CPU seconds of all processes together, each training's validation log loss, and the mean of epochs."""
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
        said = [process.communicate()[0] for process in processes]
        seconds = time.perf_counter() - start
        codes = [process.returncode for process in processes]
        if any(codes):
            sys.exit(f"a process of '{how}' ended with {codes}")
        results = {path.parent.name: json.loads(path.read_text()) for path in Path(folder).glob("*/result.json")}
        assert len(results) == FOLDS * SEEDS
        losses = {key: result["metrics"]["val"]["log_loss"] for key, result in results.items()}
        cpu = sum(float(text.split()[-1]) for text in said)
        return seconds, cpu, losses, sum(result["epochs"] for result in results.values()) / len(results)


def main() -> None:
    """Measure in turn, and write ``docs/benchmarks/packed.md`` or ``packed-gpu.md``."""
    gpu = "--gpu" in sys.argv[1:]
    cores = os.cpu_count() or 1
    # On a GPU one pack has it for itself, and trainings by themselves share it.
    slots = {"solo": min(GPU_SOLO, cores), "packed": 1} if gpu else {"solo": cores, "packed": cores}
    rows = []
    for name, (widths, target) in NETS.items():
        words = ["trainer=gpu" if gpu else "trainer=cpu", f"model.backbone.d_hidden={widths}"]
        (solo, cpu, one, epochs), (packed, own, other, _) = (measure(how, slots[how], words) for how in slots)
        apart = max(abs(one[key] - other[key]) for key in one)
        wanted = "" if gpu else f"{target:.2f}"
        rows.append(
            [
                *(name, f"{epochs:.0f}", f"{solo:.1f}", f"{packed:.1f}", f"{packed / solo:.2f}", wanted),
                *(f"{own / cpu:.2f}", f"{apart:.1e}"),
            ]
        )
    device = ""
    if gpu:
        import torch

        device = (
            f"{torch.cuda.get_device_name()}: {slots['solo']} trainings by themselves at a time, against one pack. "
        )
    text = machine.header(
        "Packed training" + (" on a GPU" if gpu else ""),
        "python scripts/bench/packed.py" + (" --gpu" if gpu else ""),
        f"{device}{FOLDS} folds x {SEEDS} seeds of model=mlp on 10,000 rows of churn_sim, {EPOCHS} epochs at most. "
        "Wall seconds from reading the data to the last result.json, with early stopping, checkpoints, metrics, "
        "TensorBoard and predictions, without figures and the start of Python, by "
        f"{slots['solo']} processes of one thread that train by themselves and {slots['packed']} that train packs. "
        "Then the ratio of their CPU seconds, which other programs disturb less, and the largest difference of a "
        "validation log loss.",
    )
    columns = ["net", "epochs", "solo s", "packed s", "ratio", "target", "CPU ratio", "difference"]
    machine.write("packed-gpu" if gpu else "packed", text + "\n" + machine.table(columns, rows))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--work"]:
        how, folder, share, of, *words = sys.argv[2:]
        work(how, Path(folder), int(share), int(of), words)
    else:
        main()
