"""One training epoch on a GPU with everything on, against a bare PyTorch loop there.

Not among the benchmarks that run by default: ``python scripts/bench gpu``.
"""

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
from epoch import rows_of
from torch.nn import functional as F

from colonnade.core.batch import Batch

ROUNDS, EPOCHS = 2, 4
CASES = (("mlp", 256), ("ft_transformer", 256), ("tabm", 256))


def parts(run_dir: Path, model: str, batch: int, words: list[str]) -> Any:
    """Our training, assembled as ``train.py`` does it."""
    from colonnade.config.compose import compose
    from colonnade.runs.assemble import assemble, build_trainer

    cfg = compose(
        [f"model={model}", "data=adult", "trainer=gpu", "module.ema=null", f"loader.batch_size={batch}"]
        + ["module.micro_batch=null", f"trainer.max_epochs={EPOCHS + 2}", *words]
    )
    return assemble(cfg), build_trainer(cfg, run_dir)


def ours(model: str, batch: int, words: list[str]) -> list[float]:
    """Seconds of each epoch but the first two, with validation, checkpoints, early stopping, TensorBoard and bar."""
    from lightning.pytorch import Callback, LightningModule, Trainer

    class Clock(Callback):
        """Notes the time at each epoch's start and at the end, the work on the device done."""

        def __init__(self) -> None:
            self.times: list[float] = []

        def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
            torch.cuda.synchronize()
            self.times.append(time.perf_counter())

        def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
            self.on_train_epoch_start(trainer, pl_module)

    with tempfile.TemporaryDirectory() as folder:
        made, trainer = parts(Path(folder), model, batch, words)
        clock = Clock()
        trainer.callbacks.append(clock)
        trainer.fit(made.module, datamodule=made.datamodule)
    return [b - a for a, b in zip(clock.times, clock.times[1:], strict=False)][2:]


def bare(model: str, batch: int) -> list[float]:
    """Seconds of each epoch of the plain loop: the same network, tensors on the device, optimiser, validation rows."""
    with tempfile.TemporaryDirectory() as folder:
        made, _ = parts(Path(folder), model, batch, [])
    device = torch.device("cuda")
    network = made.module.network.to(device)
    train, val = rows_of(made.datamodule, "train").to(device), rows_of(made.datamodule, "val").to(device)
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3, fused=True)
    seconds = []
    for _ in range(EPOCHS + 2):
        torch.cuda.synchronize()
        start = time.perf_counter()
        network.train()
        for rows in torch.randperm(len(train.target), device=device).split(batch):
            raw = network(Batch(num=train.num[rows], cat=train.cat[rows])).raw[..., 0]
            target = train.target.index_select(0, rows).float()[:, None].expand_as(raw)
            loss = F.binary_cross_entropy_with_logits(raw, target)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
        network.eval()
        with torch.inference_mode():
            for rows in torch.arange(len(val.target), device=device).split(4096):
                network(Batch(num=val.num[rows], cat=val.cat[rows])).raw.cpu()
        torch.cuda.synchronize()
        seconds.append(time.perf_counter() - start)
    return seconds[2:]


def main() -> None:
    """Measure in turn, and write ``docs/benchmarks/gpu.md``."""
    if "COLONNADE_DATA" not in os.environ:
        sys.exit("set COLONNADE_DATA to the folder that holds adult.data.gz and adult.test.gz")
    rows = []
    for model, batch in CASES:
        b, o = [], []
        for _ in range(ROUNDS):
            b.append(statistics.median(bare(model, batch)))
            o.append(statistics.median(ours(model, batch, [])))
        half = statistics.median(ours(model, batch, ["trainer.precision=bf16-mixed"]))
        rows.append([model, batch, f"{statistics.median(b):.3f}", f"{statistics.median(o):.3f}", machine.ratio(o, b)])
        rows[-1].append(f"{half:.3f}")
        print(rows[-1], flush=True)
    text = machine.header(
        "One epoch on a GPU",
        "COLONNADE_DATA=... python scripts/bench gpu",
        f"{torch.cuda.get_device_name()}. Adult, wall seconds of an epoch (the first two left out); ours with early "
        "stopping, best and recovery checkpoints, metrics, TensorBoard and progress bar; bare: float32, rows on the "
        "device, one gather per batch, fused AdamW, no clipping (tabm clips in ours), a validation pass. "
        f"{ROUNDS} rounds in turn of {EPOCHS} epochs.",
    )
    machine.write(
        "gpu", text + "\n" + machine.table(["model", "batch", "bare s", "ours s", "ratio", "bf16-mixed s"], rows)
    )


if __name__ == "__main__":
    main()
