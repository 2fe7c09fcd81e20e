"""Training steps compiled and in bfloat16, against the same steps in eager float32, in one process.

Apart from the benchmarks that run by default: ``python scripts/bench/compiled.py``.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import machine
import torch

MODELS = ("tabm", "mlp")
HALF = "trainer.precision=bf16-mixed"
VARIANTS: dict[str, tuple[str, ...]] = {
    "float32": (),
    "bfloat16": (HALF,),
    "bfloat16 by 32 rows": (HALF, "module.micro_batch=32"),
    "bfloat16, compiled": (HALF, "module.compile=true"),
    "bfloat16, compiled, by 64 rows": (HALF, "module.compile=true", "module.micro_batch=64"),
    "float32 again": (),
}
TARGET = 0.40
ROWS, EPOCHS, WARM = 3_000, 4, 2


def times(model: str, words: tuple[str, ...]) -> list[tuple[float, float, int]]:
    """CPU seconds, wall seconds and optimizer steps of the training part of each epoch."""
    from lightning.pytorch import Callback, LightningModule, Trainer

    from colonnade.config.compose import compose
    from colonnade.core.chunk import Chunk
    from colonnade.runs.assemble import assemble, build_trainer

    class Clock(Callback):
        """Adds up what chunks take."""

        def __init__(self) -> None:
            self.epochs: list[tuple[float, float, int]] = []

        def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
            self.epochs.append((0.0, 0.0, 0))

        def on_train_batch_start(
            self, trainer: Trainer, pl_module: LightningModule, batch: Chunk, batch_idx: int
        ) -> None:
            self.begun = (time.process_time(), time.perf_counter())

        def on_train_batch_end(
            self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Chunk, batch_idx: int
        ) -> None:
            cpu, wall, steps = self.epochs[-1]
            spent = (time.process_time() - self.begun[0], time.perf_counter() - self.begun[1])
            self.epochs[-1] = (cpu + spent[0], wall + spent[1], steps + len(batch))

    cfg = compose(
        [
            f"model={model}",
            "data=churn_sim",
            f"data.source.n_rows={ROWS}",
            "data.exclude=[last_note]",
            f"trainer.max_epochs={EPOCHS}",
            "trainer.enable_progress_bar=false",
            "logger=none",
            "callbacks=minimal",
            "trainer=cpu",
            *words,
        ]
    )
    with tempfile.TemporaryDirectory() as folder:
        made, clock = assemble(cfg), Clock()
        trainer = build_trainer(cfg, Path(folder))
        trainer.callbacks.append(clock)  # type: ignore[attr-defined]
        trainer.fit(made.module, datamodule=made.datamodule)
    return clock.epochs


def step(epochs: list[tuple[float, float, int]]) -> float:
    """Median CPU milliseconds of a step, once everything is warm or compiled."""
    return statistics.median(1e3 * cpu / steps for cpu, _, steps in epochs[WARM:])


def main() -> None:
    """Measure each model in each way, and write ``docs/benchmarks/compiled.md``."""
    torch.set_num_threads(1)
    rows = []
    for model in MODELS:
        measured = {name: times(model, words) for name, words in VARIANTS.items()}
        steps = {name: step(epochs) for name, epochs in measured.items()}
        eager = statistics.mean([steps["float32"], steps["float32 again"]])
        for name, epochs in measured.items():
            # The shapes of whole and of last batches are compiled in the first epochs.
            wall = statistics.median(w / n for _, w, n in epochs[WARM:])
            cost = sum(w - n * wall for _, w, n in epochs[:WARM])
            wanted = f"{TARGET:.2f}" if model == "tabm" and "compiled" in name else ""
            rows.append([model, name, f"{steps[name]:.1f}", f"{steps[name] / eager:.2f}", wanted, f"{cost:.0f}"])
    text = machine.header(
        "Compiled, and in bfloat16",
        "python scripts/bench/compiled.py",
        f"Training steps of models with their defaults on {ROWS:,} rows of churn_sim, one thread: CPU milliseconds, "
        f"median of epochs {WARM} to {EPOCHS - 1}, against the mean of both runs in float32; last, the wall seconds "
        f"that the first {WARM} epochs took longer. {HALF}, module.micro_batch=32 or 64, module.compile=true.",
    )
    columns = ["model", "how", "ms", "ratio", "target", "beginning s"]
    machine.write("compiled", text + "\n" + machine.table(columns, rows))


if __name__ == "__main__":
    main()
