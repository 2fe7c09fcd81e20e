"""Small stand-ins: a network, a task and loaders that keep the contracts of the rooms next door."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch
from lightning.pytorch import Callback, LightningDataModule, Trainer
from torch import Tensor, nn

from colonnade.core.batch import Batch
from colonnade.core.chunk import Chunk
from colonnade.core.output import Output
from colonnade.core.schema import TargetKind
from colonnade.core.spec import BatchSpec
from colonnade.tasks.base import Task
from colonnade.training.callbacks.best import Best
from colonnade.training.callbacks.early_stopping import EarlyStopping
from colonnade.training.callbacks.metrics_log import MetricsLog
from colonnade.training.callbacks.progress import Progress
from colonnade.training.callbacks.recovery import Recovery
from colonnade.training.callbacks.throughput import Throughput
from colonnade.training.checkpoint_io import AtomicCheckpointIO
from colonnade.training.module import SupervisedModule
from colonnade.training.optim import OptimizerBuilder

SPEC = BatchSpec(
    num_names=("a", "b", "c", "d", "e", "f"),
    cat_names=(),
    cardinalities=(),
    target_kind="class",
    target_names=("y",),
    classes=("no", "yes"),
    out_shape=(),
)


class Net(nn.Module):
    """A perceptron with dropout and, on demand, batch norm and members."""

    def __init__(self, d_in=6, width=8, depth=1, dropout=0.1, norm=False, members=1, penalty=False):
        super().__init__()
        # The same weights in every network of a shape.
        torch.manual_seed(0)
        layers: list[nn.Module] = []
        for _ in range(depth):
            layers += [nn.Linear(d_in, width), nn.ReLU()]
            layers += [nn.BatchNorm1d(width)] if norm else []
            layers += [nn.Dropout(dropout)] if dropout else []
            d_in = width
        self.body = nn.Sequential(*layers)
        self.head = nn.Linear(d_in, members)
        self.penalty = penalty

    def forward(self, batch: Batch) -> Output:
        hidden = self.body(batch.num)
        return Output(raw=self.head(hidden), penalty=hidden.square().mean() if self.penalty else None)


class Sigmoid(nn.Module):
    def forward(self, raw: Tensor) -> dict[str, Tensor]:
        return {"probability": raw.sigmoid().mean(1)}


class FakeTask(Task):
    """Binary, one logit a member; metrics: accuracy, and whatever ``extra`` returns."""

    target_kind = TargetKind.CLASS

    def __init__(self, monitor="val/loss", mode="min", extra=None):
        self.name, self.monitor, self.mode, self.extra = "fake", monitor, mode, extra
        self.decoded = 0

    def out_shape(self, spec):
        return ()

    def row_loss(self, raw, target):
        target = target.float().unsqueeze(1).expand_as(raw)
        return nn.functional.binary_cross_entropy_with_logits(raw, target, reduction="none").mean(1)

    def decoder(self, spec):
        return Sigmoid()

    def truth(self, target):
        return target

    def decode(self, raw):
        self.decoded += 1
        return Sigmoid()(raw)

    def epoch_metrics(self, prediction, target, weight):
        found = {"accuracy": ((prediction["probability"] > 0.5) == target.bool()).float().mean().item()}
        return found | (self.extra(self.decoded) if self.extra else {})


def rows(n=400, d=6, seed=0, weighted=False) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    num = torch.randn(n, d, generator=generator)
    target = ((num[:, 0] + 0.5 * num[:, 1] * num[:, 2]) > 0).long()
    weight = torch.rand(n, generator=generator) + 0.5 if weighted else None
    return Batch(
        num=num, cat=torch.zeros(n, 0, dtype=torch.int64), target=target, weight=weight, row_id=torch.arange(n) + 1000
    )


def take(batch: Batch, index: Tensor) -> Batch:
    pick = (None if t is None else t.index_select(0, index) for t in (batch.target, batch.weight, batch.row_id))
    return Batch(batch.num.index_select(0, index), batch.cat.index_select(0, index), None, *pick)


class FakeChunkLoader:
    """As ``colonnade.data.loader.ChunkLoader``: order from (seed, epoch), position read at the first next."""

    def __init__(self, data: Batch, batch_size=32, chunk=4, seed=0, datamodule=None, rank=0, world=1):
        self.data, self.batch_size, self.chunk, self.seed = data, batch_size, chunk, seed
        self.datamodule, self.rank, self.world = datamodule, rank, world

    @property
    def n_steps(self) -> int:
        return -(-len(self.data) // self.batch_size)

    def __len__(self) -> int:
        return -(-self.n_steps // self.chunk)

    def position(self) -> tuple[int, int]:
        if self.datamodule is None or self.datamodule.trainer is None:
            return 0, 0
        trainer = self.datamodule.trainer
        return trainer.current_epoch, trainer.fit_loop.epoch_loop.batch_progress.current.ready

    def __iter__(self) -> Iterator[Chunk]:
        epoch, done = self.position()
        order = torch.randperm(len(self.data), generator=torch.Generator().manual_seed(1000 * self.seed + epoch))
        steps = order.split(self.batch_size)
        norms = torch.tensor([len(step) for step in steps], dtype=torch.float32) / self.world
        if self.data.weight is not None:
            norms = torch.stack([self.data.weight[step].sum() for step in steps]) / self.world
        for first in range(done * self.chunk, len(steps), self.chunk):
            whole = steps[first : first + self.chunk]
            shares = [step[self.rank :: self.world] for step in whole]
            yield Chunk(
                batch=take(self.data, torch.cat(shares)),
                sizes=tuple(len(s) for s in shares),
                norms=norms[first : first + self.chunk],
                epoch=epoch,
                first_step=first,
            )

    def state_dict(self):
        return {}

    def load_state_dict(self, state):
        pass


class Batches:
    """An evaluation loader; a plain list would be several loaders to Lightning."""

    def __init__(self, batches: list[Batch]) -> None:
        self.batches = batches

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[Batch]:
        return iter(self.batches)


class FakeData(LightningDataModule):
    def __init__(
        self, n=400, n_val=150, batch_size=32, chunk=4, d=6, weighted=False, train=None, val=None, eval_batch=64
    ):
        super().__init__()
        self.train = rows(n, d=d, weighted=weighted) if train is None else train
        self.val = rows(n_val, d=d, seed=1, weighted=weighted) if val is None else val
        self.batch_size, self.chunk, self.eval_batch = batch_size, chunk, eval_batch

    def world(self):
        return (0, 1) if self.trainer is None else (self.trainer.global_rank, self.trainer.world_size)

    def train_dataloader(self):
        rank, world = self.world()
        return FakeChunkLoader(self.train, self.batch_size, self.chunk, datamodule=self, rank=rank, world=world)

    def val_dataloader(self):
        rank, world = self.world()
        # Uneven shares, and not in order.
        bounds = [0, len(self.val) // 3 + 1, len(self.val)] if world == 2 else [0, len(self.val)]
        return Batches(self.val.rows(bounds[rank], bounds[rank + 1]).split(self.eval_batch))


def module(net=None, task=None, optim=None, seed=0, **options) -> SupervisedModule:
    return SupervisedModule(
        network=Net() if net is None else net,
        task=task or FakeTask(),
        optim=optim or OptimizerBuilder(lr=1e-2),
        spec=SPEC,
        seed=seed,
        **options,
    )


def callbacks(folder: Path, *, patience=100, monitor="val/loss", mode="min", **recovery) -> list[Callback]:
    """The default callbacks, as ``conf/callbacks/default.yaml`` has them."""
    return [
        EarlyStopping(monitor=monitor, mode=mode, patience=patience),
        Throughput(),
        Progress(monitor=monitor, mode=mode),
        MetricsLog(path=str(folder / "metrics.jsonl")),
        Best(dirpath=str(folder / "checkpoints"), monitor=monitor, mode=mode),
        Recovery(dirpath=str(folder / "checkpoints"), **recovery),
    ]


def trainer(folder: Path, *, epochs=3, callbacks=(), logger=False, plugins=(), **options) -> Trainer:
    given = {"accelerator": "cpu", "devices": 1, "enable_checkpointing": bool(callbacks), "enable_progress_bar": False}
    given |= options
    if any(isinstance(c, Progress) for c in callbacks):
        given["enable_progress_bar"] = True
    return Trainer(
        max_epochs=epochs,
        callbacks=list(callbacks),
        logger=logger,
        plugins=[AtomicCheckpointIO(), *plugins],
        default_root_dir=str(folder),
        enable_model_summary=False,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
        log_every_n_steps=1,
        **given,
    )


def same(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    """Equal bit for bit."""
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)
