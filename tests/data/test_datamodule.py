from __future__ import annotations

import json
import logging
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest
import torch
from lightning.pytorch import LightningModule, Trainer
from sklearn.datasets import load_breast_cancer
from sklearn.preprocessing import StandardScaler

from colonnade.core.errors import ConfigError, DataError, LeakageError
from colonnade.core.schema import Column, Kind, Schema, TargetKind
from colonnade.core.spec import BatchSpec
from colonnade.data.datamodule import TableDataModule
from colonnade.data.dataset import TableDataset
from colonnade.data.loader import LoaderOptions
from colonnade.data.pipeline import FittedPipeline
from colonnade.data.pipeline import Pipeline as RealPipeline
from colonnade.data.rows import Balanced, BlockShuffle, Permutation
from colonnade.data.simulate import ChurnSim
from colonnade.data.sources.embedded import Embedded
from colonnade.data.split import Auto, Random, Split
from colonnade.data.steps.calendar import Calendar
from colonnade.data.steps.impute import Impute
from colonnade.data.steps.scale import Standard
from colonnade.data.steps.target_encode import TargetEncode
from colonnade.data.table import Table
from colonnade.data.target import TargetCoder


def example(n: int = 200, *, kind: TargetKind = TargetKind.CLASS, **columns) -> Table:
    rng = np.random.default_rng(0)
    data = {
        "a": rng.normal(5, 2, n),
        "b": rng.normal(size=n),
        "c": rng.choice(["x", "y", "z"], n).tolist(),
        "y": rng.choice(["no", "yes"], n).tolist() if kind is TargetKind.CLASS else rng.normal(3, 2, n),
    }
    frame = pl.DataFrame(data | columns)
    kinds = {pl.String: Kind.CATEGORICAL, pl.Float64: Kind.NUMERIC, pl.Int64: Kind.INTEGER}
    return Table(
        frame=frame,
        schema=Schema(
            columns={name: Column(name, kinds[dtype.base_type()]) for name, dtype in frame.schema.items()},
            targets=("y",),
            weight="w" if "w" in columns else None,
        ),
        notes=["read with care"],
        row_ids=np.arange(1000, 1000 + n),
    )


class Dataset:
    """Gives a table, and counts how often it was asked."""

    def __init__(self, table: Table, waive: tuple[str, ...] = ()) -> None:
        self.table, self.waive, self.reads = table, waive, 0

    def read(self) -> Table:
        self.reads += 1
        return self.table


class Fitted:
    """Centred numbers and codes of one category."""

    num_names, cat_names, cardinalities, log = ("a", "b"), ("c",), (5,), ["nothing dropped"]

    def __init__(self, mean: list[float]) -> None:
        self.mean, self.encoded = mean, 0

    def encode(self, frame, *, rows=None, num_out=None, cat_out=None):
        frame = frame if rows is None else frame[rows]
        self.encoded += frame.height
        num = torch.from_numpy(frame.select("a", "b").to_numpy() - self.mean).float()
        codes = frame["c"].replace_strict({"x": 2, "y": 3, "z": 4}, default=1)
        cat = torch.tensor(codes.to_list())[:, None]
        if num_out is not None:
            num_out.copy_(num)
            cat_out.copy_(cat)
        return num, cat

    encode_train = encode

    def save(self, folder: Path) -> None:
        (folder / "pipeline.json").write_text(json.dumps(self.mean))


class Pipeline:
    """Remembers what it was fitted on."""

    def fit(self, frame, schema, target, train_rows, seed):
        self.rows, self.target, self.fits = train_rows, target, getattr(self, "fits", 0) + 1
        self.fitted = Fitted(frame[train_rows].select("a", "b").mean().row(0))
        return self.fitted


def build(
    table: Table, *, kind: TargetKind = TargetKind.CLASS, waive=(), given=False, seed=0, **options
) -> TableDataModule:
    return TableDataModule(
        dataset=Dataset(table, waive),
        splitter=Random(),
        pipeline=Pipeline(),
        target_kind=kind,
        loader=LoaderOptions(**{"batch_size": 16, "chunk": 3, **options}),
        seed=seed,
        table=table if given else None,
    )


def ready(*args, **options) -> TableDataModule:
    datamodule = build(*args, **options)
    datamodule.setup("fit")
    return datamodule


def rows(loader) -> list[int]:
    return [i for part in loader for i in getattr(part, "batch", part).row_id.tolist()]


def trainer(rank: int = 0, world: int = 1, epoch: int = 0, done: int = 0, device: str = "cpu") -> SimpleNamespace:
    progress = SimpleNamespace(current=SimpleNamespace(ready=done))
    return SimpleNamespace(
        global_rank=rank,
        world_size=world,
        current_epoch=epoch,
        fit_loop=SimpleNamespace(epoch_loop=SimpleNamespace(batch_progress=progress)),
        strategy=SimpleNamespace(root_device=torch.device(device)),
    )


def test_rows_targets_and_codes_stay_together():
    table = example()
    datamodule = ready(table)
    parts = {part: rows(datamodule.loader_for(part)) for part in ("train", "val", "test")}
    assert sorted(sum(parts.values(), [])) == list(range(1000, 1200))
    assert {part: len(ids) for part, ids in parts.items()} == {"train": 128, "val": 32, "test": 40}
    for part, ids in parts.items():
        (batch,) = datamodule.loader_for(part)
        frame = table.frame[[i - 1000 for i in ids]]
        assert [datamodule.spec.classes[i] for i in batch.target] == frame["y"].to_list()
        mean = datamodule.pipeline.mean
        np.testing.assert_allclose(batch.num, frame.select("a", "b").to_numpy() - mean, rtol=1e-5, atol=1e-5)
        assert batch.cat[:, 0].tolist() == [2 + "xyz".index(c) for c in frame["c"]]
        assert batch.weight is None


def test_the_pipeline_is_fitted_on_the_train_rows():
    datamodule = ready(example())
    (train,) = datamodule.loader_for("train")
    fitted = datamodule._unfitted
    assert (fitted.rows + 1000).tolist() == train.row_id.tolist()
    assert torch.equal(fitted.target, train.target)
    assert train.num.mean(0).abs().max() < 1e-6


def test_spec():
    datamodule = ready(example())
    (train,) = datamodule.loader_for("train")
    spec = datamodule.spec
    assert (spec.num_names, spec.cat_names, spec.cardinalities) == (("a", "b"), ("c",), (5,))
    assert (spec.target_kind, spec.target_names, spec.classes) == ("class", ("y",), ("no", "yes"))
    assert spec.class_counts == tuple(torch.bincount(train.target).tolist())
    assert spec.n_train == 128
    assert torch.equal(spec.num_sample, train.num)


def test_the_sample_is_limited(monkeypatch):
    monkeypatch.setattr("colonnade.data.datamodule.SAMPLE_ROWS", 50)
    first, second = ready(example()), ready(example())
    assert first.spec.num_sample.shape == (50, 2)
    assert torch.equal(first.spec.num_sample, second.spec.num_sample)
    (train,) = first.loader_for("train")
    assert len(np.unique(first.spec.num_sample.numpy(), axis=0)) == 50
    assert np.isin(first.spec.num_sample[:, 0], train.num[:, 0]).all()


def test_real_target_scale():
    table = example(kind=TargetKind.REAL)
    datamodule = ready(table, kind=TargetKind.REAL)
    (batch,) = datamodule.loader_for("train")
    values = table.frame["y"].to_numpy()[batch.row_id - 1000]
    np.testing.assert_allclose(datamodule.spec.target_mean, [values.mean()])
    np.testing.assert_allclose(datamodule.spec.target_scale, [values.std()])
    np.testing.assert_allclose(batch.target[:, 0], (values - values.mean()) / values.std(), atol=1e-6)
    (raw,) = ready(table, kind=TargetKind.REAL, standardise_target=False).loader_for("train")
    np.testing.assert_allclose(raw.target[:, 0], values, rtol=1e-6)


def test_setup_is_idempotent_and_reads_once():
    datamodule = build(example())
    for stage in ("fit", "fit", "test"):
        datamodule.setup(stage)
    assert datamodule._dataset.reads == datamodule._unfitted.fits == 1
    given = ready(example(), given=True)
    assert given._dataset.reads == 0


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


def test_a_copy_of_the_target_is_a_leak():
    table = example(2000)
    copied = example(2000, copy=table.frame["y"])
    with pytest.raises(LeakageError, match="column 'copy' alone foretells the target 'y'"):
        ready(copied)
    notes = ready(copied, waive=("copy",)).notes
    assert notes[0] == "read with care"
    assert any("'copy'" in note and "waived" in note for note in notes)
    assert notes[-1] == "nothing dropped"


def test_rows_in_two_parts_are_reported(caplog):
    table = example(100)
    table.frame = pl.concat([table.frame] * 2)
    table.row_ids = None
    with caplog.at_level(logging.WARNING):
        datamodule = ready(table)
    text = "of test have the same features as a row of train"
    assert any(text in note for note in datamodule.notes)
    assert text in caplog.text
    assert "split.group_duplicates=true" in caplog.text


def test_missing_targets_are_named_by_their_row_in_the_source():
    values = ["no", "yes"] * 100
    values[7] = None
    with pytest.raises(
        DataError, match=r"'y' is missing or infinite in 1 of 200 rows \(from 0: 1007\).*data\.drop_missing"
    ):
        ready(example(y=values))


def test_weights_reach_batches_and_norms():
    weights = np.random.default_rng(1).random(200)
    table = example(w=weights)
    datamodule = ready(table)
    chunk = next(iter(datamodule.train_dataloader()))
    np.testing.assert_allclose(chunk.batch.weight, weights[chunk.batch.row_id - 1000], rtol=1e-6)
    for _, batch, norm in chunk.steps():
        torch.testing.assert_close(norm, batch.weight.sum())
    assert "w" not in datamodule.spec.num_names


def test_no_weight_in_train():
    weights = np.ones(200)
    datamodule = build(example(w=weights))
    train = datamodule._splitter.split(example(), TargetKind.CLASS, 0).train
    weights[train] = 0
    with pytest.raises(DataError, match=r"weight column 'w' \(data\.weight\) is zero in all train rows"):
        ready(example(w=weights))


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


def test_saved_files_restore(tmp_path):
    datamodule = ready(example())
    datamodule.save(tmp_path)
    assert {p.name for p in tmp_path.iterdir()} == {
        "schema.json",
        "split.json",
        "pipeline.json",
        "spec.json",
        "target.json",
    }
    assert Schema.load(tmp_path / "schema.json") == datamodule.table.schema
    assert BatchSpec.from_dict(json.loads((tmp_path / "spec.json").read_text())) == datamodule.spec
    assert TargetCoder.from_dict(json.loads((tmp_path / "target.json").read_text())) == datamodule.target
    assert (Split.load(tmp_path / "split.json").val == datamodule.split.val).all()


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
        pipeline=RealPipeline(steps=steps),
        target_kind=TargetKind.CLASS,
        loader=LoaderOptions(**options),
        seed=0,
    )
    datamodule.setup("fit")
    return datamodule


def test_breast_cancer_from_source_to_batches(tmp_path):
    datamodule = real(TableDataset(source=Embedded(name="breast_cancer"), target="target"))
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
    assert torch.equal(loaded.encode(datamodule.table.frame, rows=datamodule.split.test)[0], test.num)


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
