from __future__ import annotations

import inspect
import logging
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from lightning.pytorch import Callback, LightningDataModule, LightningModule, Trainer
from omegaconf import OmegaConf

from colonnade.core.errors import ConfigError, DataError
from colonnade.data.loader import ChunkLoader, EvalLoader, LoaderOptions, parse_bytes
from colonnade.data.rows import Permutation
from colonnade.data.store import Store


def example(n: int, *, weighted: bool = False) -> Store:
    generator = torch.Generator().manual_seed(n)
    return Store(
        num=torch.randn(n, 4, generator=generator),
        cat=torch.randint(0, 9, (n, 2), generator=generator, dtype=torch.int32),
        row_id=torch.arange(n),
        target=torch.randn(n, 1, generator=generator),
        weight=torch.rand(n, generator=generator) if weighted else None,
    )


def loader(
    store: Store, epoch: int = 0, done: int = 0, *, batch_size: int = 8, chunk: int = 3, **options
) -> ChunkLoader:
    order = Permutation(len(store), seed=5)
    return ChunkLoader(store, order, batch_size=batch_size, chunk=chunk, position=lambda: (epoch, done), **options)


def steps(chunks: ChunkLoader) -> list[tuple[int, list[int]]]:
    """Index and rows of every step."""
    return [(i, batch.row_id.tolist()) for chunk in chunks for i, batch, _ in chunk.steps()]


def test_chunks_hold_the_rows_of_the_order():
    store = example(50)
    chunks = list(loader(store, epoch=2))
    assert len(chunks) == len(loader(store)) == 3
    assert loader(store).n_steps == 7
    assert [c.sizes for c in chunks] == [(8, 8, 8), (8, 8, 8), (2,)]
    assert [(c.epoch, c.first_step) for c in chunks] == [(2, 0), (2, 3), (2, 6)]
    order = Permutation(50, seed=5).rows(2)
    assert torch.equal(torch.cat([c.batch.row_id for c in chunks]), order)
    assert torch.equal(torch.cat([c.batch.num for c in chunks]), store.num[order])
    assert torch.equal(torch.cat([c.norms for c in chunks]), torch.tensor([8.0, 8, 8, 8, 8, 8, 2]))
    assert chunks[0].batch.cat.dtype == torch.int64


@given(n=st.integers(2, 200), batch_size=st.integers(1, 40), chunk=st.integers(1, 20), done=st.integers(0, 6))
def test_steps_depend_neither_on_the_chunk_nor_on_where_they_begin(n, batch_size, chunk, done):
    store = example(n)
    batch_size = min(batch_size, n)
    whole = steps(loader(store, 1, batch_size=batch_size, chunk=1))
    assert sorted(row for _, rows in whole for row in rows) == list(range(n))
    part = loader(store, 1, done, batch_size=batch_size, chunk=chunk)
    assert len(list(part)) == max(len(part) - done, 0)
    assert steps(part) == whole[done * chunk :]


def test_the_position_is_read_when_the_first_chunk_is_asked_for():
    position = (0, 0)
    chunks = ChunkLoader(example(50), Permutation(50, seed=5), batch_size=8, chunk=2, position=lambda: position)
    iterator = iter(chunks)
    position = (3, 1)
    chunk = next(iterator)
    assert (chunk.epoch, chunk.first_step) == (3, 2)
    position = (9, 9)
    assert next(iterator).first_step == 4


@pytest.mark.parametrize("world", [2, 3])
@pytest.mark.parametrize("weighted", [False, True])
def test_averaged_gradients_of_processes_equal_one_process(world, weighted):
    store = example(55, weighted=weighted)
    ranks = [list(loader(store, rank=r, world=world)) for r in range(world)]
    single = list(loader(store))
    assert len({len(chunks) for chunks in ranks}) == 1

    def gradient(batch, norm):
        w = torch.ones(4, requires_grad=True)
        loss = (batch.num @ w - batch.target[:, 0]).square()
        ((loss if batch.weight is None else loss * batch.weight).sum() / norm).backward()
        return w.grad

    for chunk, *shares in zip(single, *ranks):
        for (_, batch, norm), *pieces in zip(chunk.steps(), *(s.steps() for s in shares)):
            assert torch.equal(torch.cat([b.row_id for _, b, _ in pieces]), batch.row_id)
            weight = torch.ones(len(batch)) if batch.weight is None else batch.weight
            torch.testing.assert_close(norm, weight.sum())
            mean = torch.stack([gradient(b, n) for _, b, n in pieces]).mean(0)
            torch.testing.assert_close(mean, gradient(batch, norm))


def test_a_step_without_weight_has_no_gradient():
    store = example(8)
    store = Store(**{**store.__dict__, "weight": torch.zeros(8)})
    (chunk,) = loader(store)
    assert chunk.norms.tolist() == [1.0]


def test_a_batch_larger_than_the_data_is_shrunk(caplog):
    with caplog.at_level(logging.WARNING):
        (chunk,) = loader(example(10), batch_size=256)
    assert chunk.sizes == (10,)
    assert "loader.batch_size=256 is more than the 10 train rows: shrunk to them" in caplog.text


def test_more_processes_than_rows():
    with pytest.raises(ConfigError, match=r"loader\.batch_size=2 is shared by 3 processes; it must be at least 3"):
        loader(example(10), batch_size=2, world=3)
    with pytest.raises(DataError, match="2 train rows cannot be shared by 3 processes"):
        loader(example(2), world=3)


@given(n=st.integers(0, 200), batch_size=st.integers(1, 50), world=st.integers(1, 5))
def test_evaluation_sees_every_row_once_in_as_many_batches_everywhere(n, batch_size, world):
    store = example(n)
    if 0 < n < world:
        with pytest.raises(DataError, match=f"{n} test rows cannot be shared by {world} processes"):
            EvalLoader(store, batch_size=batch_size, world=world, what="test")
        return
    loaders = [EvalLoader(store, batch_size=batch_size, rank=r, world=world) for r in range(world)]
    batches = [list(each) for each in loaders]
    assert [len(each) for each in loaders] == [len(each) for each in batches]
    assert len({len(each) for each in batches}) == 1
    assert [row for each in batches for b in each for row in b.row_id.tolist()] == list(range(n))
    assert all(0 < len(b) <= batch_size + (world > 1) for each in batches for b in each)


def test_evaluation_in_one_process_is_sliced():
    assert [len(b) for b in EvalLoader(example(10), batch_size=4)] == [4, 4, 2]


@pytest.mark.parametrize(
    ("text", "value"), [("4GiB", 4 * 2**30), ("512 MB", 512 * 2**20), ("1.5k", 1536), (10, 10), ("0", 0), ("7B", 7)]
)
def test_sizes(text, value):
    assert parse_bytes(text) == value


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"batch_size": 0}, "batch_size=0 must be at least 1"),
        ({"eval_batch_size": -1}, "eval_batch_size=-1 must be at least 1"),
        ({"chunk": 0}, "chunk=0 must be at least 1"),
        ({"memory_limit": "lots"}, "memory_limit='lots' must be a size such as 512MiB or 4GiB"),
        ({"store_device": "tpu"}, "store_device='tpu' must be one of auto, cpu, cuda"),
    ],
)
def test_options_out_of_range(options, text):
    with pytest.raises(ValueError, match=text):
        LoaderOptions(**options)


def test_the_configuration_says_what_the_signature_says():
    parameters = inspect.signature(LoaderOptions).parameters
    written = OmegaConf.load(Path(__file__).parents[2] / "conf" / "loader" / "default.yaml")
    assert written.pop("_target_") == f"{LoaderOptions.__module__}.{LoaderOptions.__name__}"
    assert dict(written) == {name: p.default for name, p in parameters.items()}


# Resuming under Lightning

N, EPOCHS, CHUNKS = 53, 3, 4


class Data(LightningDataModule):
    """53 rows: steps of 4, chunks of 4, 4 chunks an epoch."""

    def train_dataloader(self):
        def position():
            return self.trainer.current_epoch, self.trainer.fit_loop.epoch_loop.batch_progress.current.ready

        return ChunkLoader(example(N), Permutation(N, seed=0), batch_size=4, chunk=4, position=position)

    def val_dataloader(self):
        return EvalLoader(example(9), batch_size=4)


class Toy(LightningModule):
    """Counts in a buffer, which checkpoints hold, how often each row of each epoch was trained on."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.automatic_optimization = False
        self.layer = torch.nn.Linear(4, 1)
        self.register_buffer("seen", torch.zeros(EPOCHS, N, dtype=torch.int64))

    def training_step(self, chunk, _):
        optimizer = self.optimizers()
        for _, batch, norm in chunk.steps():
            optimizer.zero_grad()
            self.manual_backward((self.layer(batch.num) - batch.target).square().sum() / norm)
            optimizer.step()
        self.seen[chunk.epoch] += torch.bincount(chunk.batch.row_id, minlength=N)

    def validation_step(self, batch, _):
        self.layer(batch.num)

    def configure_optimizers(self):
        return torch.optim.AdamW(self.parameters(), lr=0.01)


class Crash(Exception):
    pass


class Recovery(Callback):
    """Saves whenever ``save`` is called; raises at the given moment."""

    def __init__(self, path, save: str, crash: tuple[str, int, int] | None) -> None:
        self.path, self.save, self.crash = path, save, crash

    def _at(self, trainer, hook: str, index: int = 0) -> None:
        if hook == self.save:
            trainer.save_checkpoint(self.path)
        if self.crash == (hook, trainer.current_epoch, index):
            raise Crash

    def on_train_batch_start(self, trainer, module, batch, index):
        self._at(trainer, "batch_start", index)

    def on_train_batch_end(self, trainer, module, outputs, batch, index):
        self._at(trainer, "batch_end", index)

    def on_validation_batch_end(self, trainer, module, outputs, batch, index, dataloader_idx=0):
        if not trainer.sanity_checking:
            self._at(trainer, "validation", index)

    def on_validation_end(self, trainer, module):
        if not trainer.sanity_checking:
            self._at(trainer, "validation_end")

    def on_train_epoch_end(self, trainer, module):
        self._at(trainer, "epoch_end")


def train(path, save: str = "never", crash: tuple[str, int, int] | None = None, resume: bool = False, **options) -> Toy:
    module = Toy()
    trainer = Trainer(
        max_epochs=EPOCHS,
        accelerator="cpu",
        logger=False,
        callbacks=[Recovery(path, save, crash)],
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        **options,
    )
    trainer.fit(module, datamodule=Data(), ckpt_path=path if resume else None, weights_only=True)
    return module


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    module = train(tmp_path_factory.mktemp("whole") / "x.ckpt")
    assert (module.seen == 1).all()
    return module


SAVES = ("batch_end", "validation_end", "epoch_end")
CRASHES = [
    ("batch_end", 1, 1),  # in the middle of an epoch
    ("batch_start", 1, 2),
    ("batch_end", 1, CHUNKS - 1),  # at its last chunk
    ("validation", 1, 0),
    ("validation_end", 1, 0),
    ("epoch_end", 1, 0),
    ("batch_start", 2, 0),  # at the first of the next
]


@pytest.mark.parametrize("save", SAVES)
@pytest.mark.parametrize("crash", CRASHES)
def test_interrupt_and_resume_sees_every_row_once(tmp_path, uninterrupted, save, crash):
    path = tmp_path / "recovery.ckpt"
    with pytest.raises(Crash):
        train(path, save, crash)
    module = train(path, save, resume=True)
    assert (module.seen == 1).all()
    assert torch.equal(module.layer.weight, uninterrupted.layer.weight)


def test_validation_within_the_epoch(tmp_path):
    """Saved at validation after every second chunk."""
    path = tmp_path / "recovery.ckpt"
    options = {"val_check_interval": 2}
    whole = train(tmp_path / "whole.ckpt", **options)
    with pytest.raises(Crash):
        train(path, "validation_end", ("batch_end", 1, 2), **options)
    module = train(path, "never", resume=True, **options)
    assert (module.seen == 1).all()
    assert torch.equal(module.layer.weight, whole.layer.weight)


def test_interrupted_twice(tmp_path, uninterrupted):
    path = tmp_path / "recovery.ckpt"
    for resume, crash in pairwise([False, ("batch_end", 0, 1), ("batch_end", 2, 0)]):
        with pytest.raises(Crash):
            train(path, "batch_end", crash, resume=bool(resume))
    module = train(path, "batch_end", resume=True)
    assert (module.seen == 1).all()
    assert torch.equal(module.layer.weight, uninterrupted.layer.weight)
