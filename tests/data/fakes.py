"""A table of two numbers and a category, and a pipeline that can be checked by hand, for tests of the data module."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import torch

from colonnade.core.schema import Column, Kind, Schema, TargetKind
from colonnade.data.datamodule import TableDataModule
from colonnade.data.loader import LoaderOptions
from colonnade.data.split import Random
from colonnade.data.table import Table


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

    def code(self, frame):
        return frame

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

    def document(self, folder: Path) -> None:
        (folder / "features.md").write_text("# Features")


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
