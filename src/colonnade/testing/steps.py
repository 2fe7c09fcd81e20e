"""Contract of steps: what each must keep. For our tests, and for those of anyone who writes a step.

>>> from colonnade.data.steps.scale import Standard
>>> for check in CHECKS:
...     check(Standard())
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import torch
from torch import Tensor

from colonnade.core.schema import Column, Kind, Schema
from colonnade.data.features import Origins
from colonnade.data.pipeline import FittedPipeline, Pipeline
from colonnade.data.steps.base import Step
from colonnade.data.steps.impute import Impute

N_ROWS = 240
N_TRAIN = 160
N_ALONE = 40
SEED = 3


def example(n_rows: int = N_ROWS, seed: int = 0) -> tuple[pl.DataFrame, Schema]:
    """A table with every kind of column, missing values, ties, outliers, rare and constant values."""
    rng = np.random.default_rng(seed)
    missing = rng.random(n_rows) < 0.2
    start = datetime(1964, 2, 27, 22, 30, tzinfo=UTC)
    levels = np.array(["red", "green", "blue", "", "nan", "größer"])
    frame = pl.DataFrame(
        {
            "plain": rng.normal(50, 10, n_rows),
            "skewed": pl.Series(np.exp(2 * rng.normal(size=n_rows))).set(pl.Series(missing), None),
            "zeros": np.where(rng.random(n_rows) < 0.7, 0.0, rng.normal(0, 1e6, n_rows)),
            "count": rng.integers(-3, 4, n_rows),
            "same": np.full(n_rows, 7.0),
            "empty": pl.Series([None] * n_rows, dtype=pl.Float64),
            "colour": pl.Series(levels[rng.integers(0, len(levels), n_rows)]).set(pl.Series(missing[::-1]), None),
            "many": [f"level {i}" for i in rng.integers(0, 40, n_rows) ** 2 // 40],
            "yes": pl.Series(rng.random(n_rows) < 0.4).set(pl.Series(missing), None),
            "when": pl.Series([start + timedelta(minutes=int(m)) for m in rng.integers(0, 40_000_000, n_rows)])
            .set(pl.Series(missing), None)
            .dt.cast_time_unit("us"),
        }
    )
    kinds = {
        "count": Kind.INTEGER,
        "colour": Kind.CATEGORICAL,
        "many": Kind.TEXT,
        "yes": Kind.BOOLEAN,
        "when": Kind.DATETIME,
    }
    return frame, Schema({name: Column(name, kinds.get(name, Kind.NUMERIC)) for name in frame.columns})


def example_target(n_rows: int = N_ROWS, n_classes: int = 3) -> Tensor:
    """A class for each row."""
    return torch.from_numpy(np.random.default_rng(1).integers(0, n_classes, n_rows))


def fitted(step: Step, frame: pl.DataFrame | None = None) -> FittedPipeline:
    """The step fitted on the example's train rows, with an imputation behind it."""
    table, schema = example()
    steps: dict[str, Step | None] = {"step": step, "impute": Impute()}
    rows = np.random.default_rng(2).permutation(N_ROWS)[:N_TRAIN]
    return Pipeline(steps=steps).fit(
        table if frame is None else frame, schema, example_target()[torch.from_numpy(rows)], rows, SEED
    )


def check_train_only(step: Step) -> None:
    """Other values in the rows outside the train part change nothing that is learned."""
    frame, _ = example()
    others = np.setdiff1d(np.arange(N_ROWS), np.random.default_rng(2).permutation(N_ROWS)[:N_TRAIN])
    strange, _ = example(seed=99)
    changed = frame.with_row_index("row").with_columns(
        pl.when(pl.col("row").is_in(others.tolist())).then(strange[name]).otherwise(pl.col(name)).alias(name)
        for name in frame.columns
    )
    first, second = fitted(step), fitted(step, changed.drop("row"))
    assert first.lookup.to_dict() == second.lookup.to_dict()
    assert first.module.to_list() == second.module.to_list()
    one, other = first.module.state_dict(), second.module.state_dict()
    assert one.keys() == other.keys()
    assert all(_identical(one[name], other[name]) for name in one)
    assert first.log == second.log


def check_layout(step: Step) -> None:
    """Each column that is given has one name, and codes stay below the cardinality."""
    pipeline = fitted(step)
    num, cat = pipeline.encode(example()[0])
    assert num.shape == (N_ROWS, len(pipeline.num_names))
    assert cat.shape == (N_ROWS, len(pipeline.cat_names))
    assert (num.dtype, cat.dtype) == (torch.float32, torch.int64)
    names = (*pipeline.num_names, *pipeline.cat_names)
    assert len(set(names)) == len(names)
    assert len(pipeline.cardinalities) == len(pipeline.cat_names)
    assert (cat >= 0).all()
    assert (cat < torch.tensor(pipeline.cardinalities, dtype=torch.int64)).all()


def check_finite(step: Step) -> None:
    """Whatever the input, nothing behind the pipeline is NaN or infinite: empty, huge, unseen."""
    frame, _ = example()
    pipeline = fitted(step)
    huge = [1e300, -1e300, 1e15, -1e-300]
    strange = frame[:4].with_columns(
        *(pl.Series(name, huge) for name in ("plain", "skewed", "zeros", "same", "empty")),
        pl.Series("count", [2**53, -(2**53), 0, 1]),
        colour=pl.lit("never seen"),
        many=pl.lit(""),
        when=pl.Series(
            [datetime(1, 1, 1), datetime(9999, 12, 31), None, None], dtype=pl.Datetime("us")
        ).dt.replace_time_zone("UTC"),
    )
    nothing = frame[:3].select(pl.lit(None, dtype=dtype).alias(name) for name, dtype in frame.schema.items())
    for table in (frame, strange, nothing, pl.concat([nothing] * 3), frame[:0]):
        assert pipeline.encode(table)[0].isfinite().all()


def check_rows(step: Step) -> None:
    """A row is encoded by itself, in whatever company and order."""
    frame, _ = example()
    pipeline = fitted(step)
    whole = pipeline.encode(frame)
    _assert_same(pipeline.encode(frame, block=7), whole)
    _assert_same(pipeline.encode(frame, rows=np.arange(N_ALONE), block=1), (whole[0][:N_ALONE], whole[1][:N_ALONE]))
    order = np.random.default_rng(5).permutation(N_ROWS)[:50]
    _assert_same(pipeline.encode(frame, rows=order), (whole[0][order], whole[1][order]))
    _assert_same(pipeline.encode(frame[order]), (whole[0][order], whole[1][order]))


def check_seed(step: Step) -> None:
    """Fitting again gives the same, to the bit."""
    one, other = fitted(step).module.state_dict(), fitted(step).module.state_dict()
    assert all(_identical(one[name], other[name]) for name in one)


def check_storage(step: Step) -> None:
    """What was stored and loaded encodes as before, to the bit."""
    frame, _ = example()
    pipeline = fitted(step)
    with tempfile.TemporaryDirectory() as name:
        pipeline.save(Path(name))
        json.loads((Path(name) / "pipeline.json").read_text(encoding="utf-8"))
        loaded = FittedPipeline.load(Path(name))
    assert loaded.num_names == pipeline.num_names
    assert loaded.cat_names == pipeline.cat_names
    assert loaded.cardinalities == pipeline.cardinalities
    assert loaded.describe() == pipeline.describe()
    assert loaded.log == pipeline.log
    for one, other in zip(loaded.encode(frame), pipeline.encode(frame), strict=True):
        assert torch.equal(one, other)


def check_description(step: Step) -> None:
    """Every encoded column says how it came about, in terms of columns that were there, down to raw ones."""
    pipeline = fitted(step)
    outputs = (*pipeline.num_names, *pipeline.cat_names)
    assert tuple(pipeline.describe()) == outputs
    known = {*pipeline.lookup.names}
    for module in pipeline.module.fitted():
        told = module.features()
        assert len({feature.name for feature in told}) == len(told)
        for feature in told:
            assert feature.formula
            assert feature.inputs, f"{feature.name} is made of something"
            assert known.issuperset(feature.inputs)
            assert all(values.numel() for values in feature.numbers.values())
            known.add(feature.name)
    assert known.issuperset(outputs), "what is new is told"
    origins = Origins(pipeline)
    assert all(origins.of(name) for name in outputs)


def check_export(step: Step) -> None:
    """The fitted step exports to ONNX with a free number of rows, and encodes there as here, to 1e-6."""
    from onnxruntime import InferenceSession

    pipeline = fitted(step)
    if not pipeline.module.exportable:
        return
    raw = pipeline.lookup(example()[0])
    inputs = {"num": raw.num.contiguous(), "cat": raw.cat.contiguous(), "time": raw.time.contiguous()}
    rows = torch.export.Dim.DYNAMIC
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "pipeline.onnx"
        torch.onnx.export(
            pipeline.module,
            tuple(inputs.values()),
            path,
            input_names=list(inputs),
            output_names=["num_out", "cat_out"],
            dynamic_shapes=({0: rows}, {0: rows}, {0: rows}),
            opset_version=20,
            dynamo=True,
            external_data=False,
            verbose=False,
        )
        session = InferenceSession(path)
        # The number of columns is fixed; an input that no step reads is no input of the graph.
        used = {given.name for given in session.get_inputs()}
        assert all(given.shape[0] != N_ROWS for given in session.get_inputs())
        for n_rows in (1, 2, 7, N_ROWS):
            part = {name: values[:n_rows] for name, values in inputs.items()}
            fed = {name: values.numpy() for name, values in part.items() if name in used}
            num, cat = session.run(["num_out", "cat_out"], fed)
            with torch.no_grad():
                expected = pipeline.module(**part)
            np.testing.assert_allclose(num, expected[0].numpy(), rtol=1e-6, atol=1e-6)
            np.testing.assert_array_equal(cat, expected[1].numpy())


def _identical(one: Tensor, other: Tensor) -> bool:
    """Equal to the bit, NaN where the other is."""
    return torch.equal(one.isnan(), other.isnan()) and torch.equal(one.nan_to_num(), other.nan_to_num())


def _assert_same(found: tuple[Tensor, Tensor], expected: tuple[Tensor, Tensor]) -> None:
    # Vectorised and scalar functions of the processor may differ in the last bit.
    torch.testing.assert_close(found[0], expected[0], rtol=1e-6, atol=1e-6)
    assert torch.equal(found[1], expected[1])


CHECKS: tuple[Callable[[Step], None], ...] = (
    check_train_only,
    check_layout,
    check_finite,
    check_rows,
    check_seed,
    check_storage,
    check_description,
    check_export,
)
"""Every check; each takes a step that is not fitted, and raises AssertionError."""
