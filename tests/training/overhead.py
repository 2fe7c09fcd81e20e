"""Time of an epoch under the trainer with everything on, against a bare loop: ``python tests/training/overhead.py``.

Rows as many and columns as Adult's, encoded; a one-hot MLP. Bare: one ``index_select`` per tensor and batch, fused
AdamW, ``zero_grad(set_to_none=True)``, no look at the loss, the same network, loss and validation. The two are
interleaved in one process, and medians of processor time are compared.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parent))
import kit
from lightning.pytorch import Callback

from colonnade.core.batch import Batch
from colonnade.core.spec import BatchSpec
from colonnade.nn.backbones.mlp import MLP
from colonnade.nn.network import Network
from colonnade.tasks.binary import Binary
from colonnade.training.loggers import TensorBoard
from colonnade.training.module import SupervisedModule
from colonnade.training.optim import OptimizerBuilder

N_TRAIN, N_VAL, BATCH, CHUNK = 26_048, 6_513, 256, 16
CARDINALITIES = (10, 18, 9, 16, 8, 7, 4, 43)
SPEC = BatchSpec(
    num_names=tuple("abcdef"),
    cat_names=tuple("ABCDEFGH"),
    cardinalities=CARDINALITIES,
    target_kind="class",
    target_names=("y",),
    classes=("no", "yes"),
    class_counts=(N_TRAIN // 2, N_TRAIN // 2),
    n_train=N_TRAIN,
)


class Interleave(Callback):
    """Times an epoch of the trainer from the start of one to the start of the next, then runs a bare one."""

    def __init__(self, bare) -> None:
        self.bare, self.start, self.theirs, self.ours = bare, None, [], []

    def on_train_epoch_start(self, trainer, pl_module) -> None:
        if self.start is not None:
            self.ours.append(time.process_time() - self.start)
            begin = time.process_time()
            self.bare()
            self.theirs.append(time.process_time() - begin)
        self.start = time.process_time()


def adult(n: int, seed: int) -> Batch:
    """Random rows of Adult's shape, with a target to be learned."""
    rows = kit.rows(n, d=6, seed=seed)
    generator = torch.Generator().manual_seed(seed)
    rows.cat = torch.stack([torch.randint(0, c, (n,), generator=generator) for c in CARDINALITIES], 1)
    return rows


def build(width: int, depth: int, task: Binary) -> Network:
    spec = BatchSpec(**{**SPEC.__dict__, "out_shape": task.out_shape(SPEC)})
    return Network(spec=spec, backbone=partial(MLP, d_hidden=[width] * depth, dropout=0.1))


def bare_epoch(net, task, optimizer, train, val):
    order = torch.randperm(len(train))
    net.train()
    for start in range(0, len(train), BATCH):
        index = order[start : start + BATCH]
        batch = Batch(train.num.index_select(0, index), train.cat.index_select(0, index))
        target = train.target.index_select(0, index)
        optimizer.zero_grad(set_to_none=True)
        loss = task.row_loss(net(batch).raw, target).mean()
        loss.backward()
        optimizer.step()
    net.eval()
    with torch.inference_mode():
        raw = torch.cat([net(piece).raw for piece in val.split(4096)])
        task.row_loss(raw, val.target).mean().item()
        task.epoch_metrics(task.decode(raw), val.target, None)


def measure(width: int, depth: int, epochs: int) -> tuple[float, float]:
    """Seconds of an epoch: ours, bare."""
    task = Binary()
    task.setup(SPEC)
    data = kit.FakeData(train=adult(N_TRAIN, 0), val=adult(N_VAL, 1), batch_size=BATCH, chunk=CHUNK, eval_batch=4096)
    net = build(width, depth, task)
    optimizer = torch.optim.AdamW(net.parameters(), fused=True)
    timing = Interleave(lambda: bare_epoch(net, task, optimizer, data.train, data.val))
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder)
        module = SupervisedModule(
            network=build(width, depth, task), task=task, optim=OptimizerBuilder(), spec=SPEC, seed=0
        )
        callbacks = [timing, *kit.callbacks(run, monitor=task.monitor)]
        trainer = kit.trainer(run, epochs=epochs, callbacks=callbacks, logger=TensorBoard(run_dir=folder))
        trainer.fit(module, datamodule=data)
    return statistics.median(timing.ours[2:]), statistics.median(timing.theirs[2:])


if __name__ == "__main__":
    torch.set_num_threads(1)
    for width, depth, epochs in ((16, 1, 30), (256, 3, 10)):
        ours, theirs = measure(width, depth, epochs)
        steps = -(-N_TRAIN // BATCH)
        print(
            f"MLP {depth}x{width}: {1e6 * ours / steps:.0f} us a step against {1e6 * theirs / steps:.0f} bare: "
            f"{ours / theirs:.3f}"
        )
