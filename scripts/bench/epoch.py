"""One training epoch with everything on, against a bare PyTorch loop on the same tensors, in one process."""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import machine
import torch
from torch.nn import functional as F

from colonnade.core.batch import Batch

ROUNDS, EPOCHS = 5, 4
NETS = {"MLP 3x256": (3, 256, 1.05), "MLP 1x16": (1, 16, 1.20)}
BATCH = 256


def parts(run_dir: Path, layers: int, width: int) -> Any:
    """Our training, assembled as ``train.py`` does it."""
    from colonnade.config.compose import compose
    from colonnade.runs.assemble import assemble, build_trainer

    cfg = compose(
        [
            "model=mlp",
            "data=adult",
            f"model.backbone.d_hidden={[width] * layers}",
            # The bare loop has no averaged weights.
            "module.ema=null",
            f"loader.batch_size={BATCH}",
            f"trainer.max_epochs={EPOCHS + 1}",
        ]
    )
    return assemble(cfg), build_trainer(cfg, run_dir)


def ours(layers: int, width: int) -> list[float]:
    """CPU seconds of each epoch, with validation, metrics, early stopping, checkpoints, TensorBoard and progress."""
    from lightning.pytorch import Callback, LightningModule, Trainer

    class Clock(Callback):
        """Notes the CPU time at each epoch's start and at the end."""

        def __init__(self) -> None:
            self.times: list[float] = []

        def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
            self.times.append(time.process_time())

        def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
            self.times.append(time.process_time())

    with tempfile.TemporaryDirectory() as folder:
        made, trainer = parts(Path(folder), layers, width)
        clock = Clock()
        trainer.callbacks.append(clock)
        trainer.fit(made.module, datamodule=made.datamodule)
    return [b - a for a, b in zip(clock.times, clock.times[1:], strict=False)][1 : EPOCHS + 1]


def rows_of(datamodule: Any, part: str) -> Batch:
    """All rows of a part, as one batch."""
    batches = list(datamodule.loader_for(part))
    num, cat, target = (torch.cat(of) for of in zip(*((b.num, b.cat, b.target) for b in batches), strict=True))
    return Batch(num=num, cat=cat, target=target)


def bare(layers: int, width: int) -> list[float]:
    """CPU seconds of each epoch of the plain loop: the same network, tensors, optimiser and validation rows."""
    with tempfile.TemporaryDirectory() as folder:
        made, _ = parts(Path(folder), layers, width)
    network, train, val = made.module.network, rows_of(made.datamodule, "train"), rows_of(made.datamodule, "val")
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3, fused=True)
    seconds = []
    for _ in range(EPOCHS + 1):
        start = time.process_time()
        network.train()
        for rows in torch.randperm(len(train.target)).split(BATCH):
            batch = Batch(num=train.num.index_select(0, rows), cat=train.cat.index_select(0, rows))
            raw = network(batch).raw[:, 0, 0]
            loss = F.binary_cross_entropy_with_logits(raw, train.target.index_select(0, rows).float())
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
        network.eval()
        with torch.inference_mode():
            raw = network(Batch(num=val.num, cat=val.cat)).raw[:, 0, 0]
            F.binary_cross_entropy_with_logits(raw, val.target.float())
        seconds.append(time.process_time() - start)
    return seconds[1:]


def main() -> None:
    """Measure in turn, and write ``docs/benchmarks/epoch.md``."""
    if "COLONNADE_DATA" not in os.environ:
        sys.exit("set COLONNADE_DATA to the folder that holds adult.data.gz and adult.test.gz")
    torch.set_num_threads(1)
    rows = []
    for name, (layers, width, target) in NETS.items():
        b, o = [], []
        for _ in range(ROUNDS):
            b.append(statistics.median(bare(layers, width)))
            o.append(statistics.median(ours(layers, width)))
        rows.append([name, f"{statistics.median(b):.3f}", f"{statistics.median(o):.3f}", machine.ratio(o, b), target])
    text = machine.header(
        "One epoch with everything on",
        "COLONNADE_DATA=... make bench BENCH=epoch",
        f"Adult, batch {BATCH}, one thread, CPU seconds of an epoch; ours with "
        "early stopping, best and recovery checkpoints, metrics, TensorBoard and progress bar; bare: one gather per "
        f"batch, fused AdamW, a validation pass. {ROUNDS} rounds in turn, median of {EPOCHS} epochs each.",
    )
    machine.write("epoch", text + "\n" + machine.table(["net", "bare s", "ours s", "ratio", "target"], rows))


if __name__ == "__main__":
    main()
