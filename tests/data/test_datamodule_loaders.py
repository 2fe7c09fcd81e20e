"""What a data module hands to a trainer: shares, positions, stores in memory, on disk and on devices."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from fakes import build, example, ready, rows
from lightning.pytorch import LightningModule, Trainer
from sklearn.datasets import load_breast_cancer
from sklearn.preprocessing import StandardScaler

from colonnade.core.errors import ConfigError
from colonnade.core.schema import TargetKind
from colonnade.data.datamodule import TableDataModule
from colonnade.data.dataset import TableDataset
from colonnade.data.loader import LoaderOptions
from colonnade.data.pipeline import FittedPipeline, Pipeline
from colonnade.data.rows import Balanced, BlockShuffle, Permutation
from colonnade.data.simulate import ChurnSim
from colonnade.data.sources.embedded import Embedded
from colonnade.data.split import Auto
from colonnade.data.steps.calendar import Calendar
from colonnade.data.steps.impute import Impute
from colonnade.data.steps.scale import Standard
from colonnade.data.steps.target_encode import TargetEncode


def trainer(rank: int = 0, world: int = 1, epoch: int = 0, done: int = 0, device: str = "cpu") -> SimpleNamespace:
    progress = SimpleNamespace(current=SimpleNamespace(ready=done))
    return SimpleNamespace(
        global_rank=rank,
        world_size=world,
        current_epoch=epoch,
        fit_loop=SimpleNamespace(epoch_loop=SimpleNamespace(batch_progress=progress)),
        strategy=SimpleNamespace(root_device=torch.device(device)),
    )


def test_every_process_holds_the_same_rows_and_takes_its_share():
    datamodules = [ready(example()) for _ in range(2)]
    for rank, datamodule in enumerate(datamodules):
        datamodule.trainer = trainer(rank, 2, epoch=3)
    shares = [rows(d.train_dataloader()) for d in datamodules]
    single = ready(example())
    single.trainer = trainer(epoch=3)
    assert (
        sorted(shares[0] + shares[1])
        == sorted(rows(single.train_dataloader()))
        == sorted(rows(single.loader_for("train")))
    )
    assert not set(shares[0]) & set(shares[1])
    assert [i for d in datamodules for i in rows(d.val_dataloader())] == rows(single.loader_for("val"))
    assert [i for d in datamodules for i in rows(d.test_dataloader())] == rows(datamodules[0].loader_for("test"))


def test_position_is_the_trainers():
    datamodule = ready(example())
    whole = rows(datamodule.train_dataloader())
    datamodule.trainer = trainer(epoch=0, done=1)
    assert rows(datamodule.train_dataloader()) == whole[48:]
    datamodule.trainer = trainer(epoch=1)
    assert rows(datamodule.train_dataloader()) != whole
    assert rows(ready(example(), seed=1).train_dataloader()) != whole


def test_beyond_the_memory_limit_rows_lie_on_disk(tmp_path):
    table = example()
    options = {"memory_limit": "1KiB", "cache_dir": str(tmp_path)}
    ram, disk = ready(table), ready(table, **options)
    assert disk._unfitted.fitted.encoded == 200
    for part in ("train", "val", "test"):
        for one, other in zip(ram.loader_for(part), disk.loader_for(part), strict=True):
            assert torch.equal(one.num, other.num)
            assert torch.equal(one.cat, other.cat)
            assert torch.equal(one.target, other.target)
            assert torch.equal(one.row_id, other.row_id)
    again = ready(table, **options)
    assert again._unfitted.fitted.encoded == 0
    (one,), (other,) = again.loader_for("train"), ram.loader_for("train")
    assert torch.equal(one.num, other.num)
    assert isinstance(disk.train_dataloader().order, BlockShuffle)
    assert isinstance(ram.train_dataloader().order, Permutation)
    assert sorted(rows(disk.train_dataloader())) == sorted(rows(ram.loader_for("train")))
    ready(table, seed=1, **options)
    assert len([p for p in tmp_path.iterdir() if p.is_dir()]) == 2


def test_balanced():
    table = example(y=["no"] * 190 + ["yes"] * 10)
    datamodule = ready(table, balanced=True)
    assert isinstance(datamodule.train_dataloader().order, Balanced)
    share = torch.cat([chunk.batch.target for chunk in datamodule.train_dataloader()]).float().mean()
    assert 0.35 < share < 0.65
    with pytest.raises(ConfigError, match=r"loader\.balanced=true needs classes, but the target of this task is real"):
        build(table, kind=TargetKind.REAL, balanced=True)


def test_the_store_moves_only_where_asked():
    datamodule = ready(example(), store_device="cuda")
    datamodule.trainer = trainer()
    with pytest.raises(ConfigError, match=r"loader\.store_device=cuda, but the trainer runs on cpu"):
        datamodule.train_dataloader()
    datamodule = ready(example(), store_device="cpu")
    datamodule.trainer = trainer(device="cuda")
    assert datamodule.train_dataloader().store.device.type == "cpu"


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_the_store_lies_on_the_gpu():
    datamodule = ready(example())
    cpu = next(iter(datamodule.train_dataloader()))
    datamodule.trainer = trainer(device="cuda")
    gpu = next(iter(datamodule.train_dataloader()))
    assert gpu.batch.num.is_cuda
    assert gpu.norms.is_cuda
    assert torch.equal(gpu.batch.num.cpu(), cpu.batch.num)
    assert torch.equal(gpu.batch.row_id.cpu(), cpu.batch.row_id)


class Counter(LightningModule):
    """Counts rows by epoch; stops dead once."""

    def __init__(self, n: int, crash: tuple[int, int] | None = None) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.layer = torch.nn.Linear(2, 1)
        self.register_buffer("seen", torch.zeros(2, n, dtype=torch.int64))
        self.crash = crash

    def training_step(self, chunk, index):
        if (self.current_epoch, index) == self.crash:
            raise KeyError("crash")
        self.optimizers().step()
        self.seen[chunk.epoch] += torch.bincount(chunk.batch.row_id - 1000, minlength=self.seen.shape[1])

    def on_train_batch_end(self, outputs, batch, index):
        if self.crash:
            self.trainer.save_checkpoint(Path(self.trainer.default_root_dir) / "recovery.ckpt")

    def validation_step(self, batch, _):
        self.layer(batch.num)

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


def test_a_real_trainer_resumes(tmp_path):
    def fit(crash=None, path=None):
        datamodule, module = build(example()), Counter(200, crash)
        quiet = dict.fromkeys(("enable_checkpointing", "enable_progress_bar", "enable_model_summary", "logger"), False)
        lightning = Trainer(max_epochs=2, accelerator="cpu", default_root_dir=tmp_path, **quiet)
        lightning.fit(module, datamodule=datamodule, ckpt_path=path, weights_only=True)
        return datamodule, module

    with pytest.raises(KeyError, match="crash"):
        fit(crash=(1, 2))
    datamodule, module = fit(path=tmp_path / "recovery.ckpt")
    expected = torch.zeros(200, dtype=torch.int64)
    expected[torch.from_numpy(datamodule.split.train)] = 1
    assert torch.equal(module.seen, expected.expand(2, -1))


def real(dataset: TableDataset, **options) -> TableDataModule:
    steps = {"calendar": Calendar(), "target": TargetEncode(), "impute": Impute(), "standard": Standard()}
    datamodule = TableDataModule(
        dataset=dataset,
        splitter=Auto(),
        pipeline=Pipeline(steps=steps),
        target_kind=TargetKind.CLASS,
        loader=LoaderOptions(**options),
        seed=0,
    )
    datamodule.setup("fit")
    return datamodule


def test_breast_cancer_from_source_to_batches(tmp_path):
    dataset = TableDataset(source=Embedded(name="breast_cancer"), target="target")
    datamodule = real(dataset)
    data, spec = load_breast_cancer(), datamodule.spec
    assert (spec.n_num, spec.n_cat, spec.classes) == (30, 0, ("benign", "malignant"))
    (train,), (val,), (test,) = (datamodule.loader_for(part) for part in ("train", "val", "test"))
    assert (len(train), len(val), len(test)) == (364, 91, 114)
    scaler = StandardScaler().fit(data.data[train.row_id])
    for batch in (train, val, test):
        np.testing.assert_allclose(batch.num, scaler.transform(data.data[batch.row_id]), atol=1e-4)
        assert [spec.classes[i] for i in batch.target] == [data.target_names[i] for i in data.target[batch.row_id]]
    assert [c.sizes for c in datamodule.train_dataloader()] == [(256, 108)]
    datamodule.save(tmp_path)
    loaded = FittedPipeline.load(tmp_path)
    assert torch.equal(loaded.encode(dataset.read().frame, rows=datamodule.split.test)[0], test.num)


def test_a_mapped_store_with_cross_fitted_steps(tmp_path):
    def churn(**options):
        return real(TableDataset(source=ChurnSim(n_rows=2000), target="churned"), **options)

    ram = churn()
    first, again = (churn(memory_limit=0, cache_dir=str(tmp_path)) for _ in range(2))
    assert len([p for p in tmp_path.iterdir() if p.is_dir()]) == 1
    assert ram.spec.n_cat > 0
    for part in ("train", "val", "test"):
        (one,), *mapped = (d.loader_for(part) for d in (ram, first, again))
        for (batch,) in mapped:
            assert torch.equal(one.num, batch.num)
            assert torch.equal(one.cat, batch.cat)
            assert torch.equal(one.target, batch.target)
