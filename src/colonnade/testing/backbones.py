"""What every backbone must do inside a network. Each check raises AssertionError and says what went wrong.

Example: the whole suite over one's own backbone::

    def build(spec):
        return Network(spec=spec, backbone=partial(MyBackbone, d_block=8))

    for check in CHECKS:
        check(build)
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from colonnade.core.batch import Batch
from colonnade.core.errors import ConfigError
from colonnade.core.optional import optional_import
from colonnade.core.spec import BatchSpec
from colonnade.nn.backbones.base import Backbone
from colonnade.nn.network import Network
from colonnade.testing.networks import close, near_under_autocast, seeded, trained_a_little

if TYPE_CHECKING:
    from types import ModuleType

Build = Callable[[BatchSpec], Network]

OUT_SHAPES = ((1,), (3,), (2,), (1, 3))
EXPORT_BATCHES = (1, 2, 7)


def backbones_in(package: ModuleType) -> list[type[Backbone]]:
    """Every concrete backbone that the modules of ``package`` define, by name."""
    found = set()
    for info in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        module = importlib.import_module(info.name)
        for value in vars(module).values():
            if inspect.isclass(value) and issubclass(value, Backbone) and not inspect.isabstract(value):
                found.add(value)
    return sorted(found, key=lambda backbone: backbone.__name__)


def toy_spec(
    *, n_num: int = 4, cardinalities: tuple[int, ...] = (5, 14), out_shape: tuple[int, ...] = (1,)
) -> BatchSpec:
    """A specification with 200 train rows; ``out_shape`` begins with the number of targets, and the last numeric column
    is 0/1."""
    rows = _rows(200, n_num, cardinalities, seed=1)
    rows.target = torch.randn((200, out_shape[0]), generator=torch.Generator().manual_seed(2))
    rows.row_id = torch.arange(200)
    return BatchSpec(
        num_names=tuple(f"num{i}" for i in range(n_num)),
        cat_names=tuple(f"cat{i}" for i in range(len(cardinalities))),
        cardinalities=cardinalities,
        target_kind="real",
        target_names=tuple(f"y{i}" for i in range(out_shape[0])),
        n_train=len(rows),
        out_shape=out_shape,
        num_sample=rows.num,
        train_rows=rows,
    )


def toy_batch(spec: BatchSpec, n_rows: int = 16, *, seed: int = 0) -> Batch:
    """Random rows; missing and unknown codes among them."""
    return _rows(n_rows, spec.n_num, spec.cardinalities, seed=seed)


def check_shapes(build: Build) -> None:
    """``raw`` is ``(B, members, *out_shape)`` whatever the task, also for one row in evaluation; a task of several
    quantiles may be refused."""
    for out_shape in OUT_SHAPES:
        spec = toy_spec(out_shape=out_shape)
        network = _built_unless_refused(build, spec)
        if network is None:
            continue
        for n_rows in (16, 1):
            network.train(n_rows > 1)
            raw = network(toy_batch(spec, n_rows)).raw
            expected = (n_rows, network.backbone.n_members, *out_shape)
            assert raw.shape == expected, f"raw has the shape {tuple(raw.shape)}: expected {expected}"
            assert raw.dtype == torch.float32, f"raw is {raw.dtype}: expected float32"


def check_columns(build: Build) -> None:
    """Tables without numbers, without categories, and with a single column of either work."""
    for n_num, cardinalities in ((3, ()), (0, (4, 30)), (1, ()), (0, (3,)), (1, (2,))):
        spec = toy_spec(n_num=n_num, cardinalities=cardinalities)
        network = seeded(build, spec)
        assert sorted(network.layout.names) == sorted((*spec.num_names, *spec.cat_names)), "a column has no segment"
        assert network.embed(toy_batch(spec)).shape == (16, network.layout.d_flat), "embed does not fit the layout"
        assert network(toy_batch(spec)).raw.isfinite().all(), f"not finite with {n_num=}, {cardinalities=}"


def check_rows_independent(build: Build) -> None:
    """In evaluation a row's output does not depend on the other rows, nor on its place."""
    spec = toy_spec(out_shape=(2,))
    network = _trained_a_little(build, spec)
    batch = toy_batch(spec, 16)
    with torch.no_grad():
        whole = network(batch).raw
        order = torch.randperm(16, generator=torch.Generator().manual_seed(3))
        shuffled = network(Batch(num=batch.num[order], cat=batch.cat[order])).raw
        close(shuffled, whole[order], "rows in another order give other outputs")
        close(network(batch.rows(5, 6)).raw, whole[5:6], "a row alone gives another output")


def check_gradients(build: Build) -> None:
    """Every parameter gets a finite gradient that is not zero throughout."""
    spec = toy_spec(out_shape=(3,))
    network = seeded(build, spec).train()
    output = network(toy_batch(spec, 64))
    loss = output.raw.square().mean()
    if output.penalty is not None:
        loss = loss + output.penalty
    loss.backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, f"no gradient reaches {name}"
        assert parameter.grad.isfinite().all(), f"the gradient of {name} is not finite"
        assert parameter.grad.any(), f"the gradient of {name} is zero"


def check_state_round_trip(build: Build) -> None:
    """A network rebuilt without the sample takes the state and gives the same outputs."""
    spec = toy_spec()
    network = _trained_a_little(build, spec)
    bare = BatchSpec.from_dict(spec.to_dict())
    assert bare.num_sample is bare.train_rows is None
    rebuilt = seeded(build, bare, seed=9)
    rebuilt.load_state_dict(network.state_dict())
    batch = toy_batch(spec)
    assert torch.equal(rebuilt.eval()(batch).raw, network(batch).raw), "a reloaded network gives other outputs"


def check_seeded(build: Build) -> None:
    """The same seed gives the same weights and, dropout included, the same training outputs; another seed others."""
    spec = toy_spec()
    batch = toy_batch(spec)
    first, same, other = (seeded(build, spec, seed=seed).train()(batch).raw for seed in (5, 5, 6))
    assert torch.equal(first, same), "the same seed gives other outputs"
    assert not torch.equal(first, other), "the seed has no effect"


def check_codes(build: Build) -> None:
    """Missing (0) and unknown (1) give finite outputs, and unknown differs from no level by accident of memory."""
    spec = toy_spec()
    network = _trained_a_little(build, spec)
    batch = toy_batch(spec)
    for code in (0, 1):
        raw = network(Batch(num=batch.num, cat=torch.full_like(batch.cat, code))).raw
        assert raw.isfinite().all(), f"code {code} gives outputs that are not finite"


def check_penalty(build: Build) -> None:
    """A penalty is a finite scalar that can be differentiated; evaluation has none."""
    spec = toy_spec()
    network = seeded(build, spec)
    penalty = network.train()(toy_batch(spec)).penalty
    if penalty is not None:
        assert penalty.shape == (), f"the penalty has the shape {tuple(penalty.shape)}: expected a scalar"
        assert penalty.isfinite(), "the penalty is not finite"
        assert penalty.requires_grad, "no gradient comes from the penalty"
    assert network.eval()(toy_batch(spec)).penalty is None, "evaluation has a penalty"


def check_autocast(build: Build) -> None:
    """Training under bfloat16 autocast runs, and comes near to float32."""
    spec = toy_spec()
    near_under_autocast(_trained_a_little(build, spec), toy_batch(spec))


def check_export(build: Build) -> None:
    """The network exports to ONNX with a free batch size and gives the same numbers at 1, 2 and 7 rows.

    Raises:
        MissingExtraError: if onnx, onnxscript or onnxruntime is not installed.
    """
    for package in ("onnx", "onnxscript"):
        optional_import(package, "dev")
    runtime = optional_import("onnxruntime", "dev")
    spec = toy_spec(out_shape=(2,))
    network = _trained_a_little(build, spec)
    batch = toy_batch(spec, 3)
    free = {0: torch.export.Dim.DYNAMIC}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own
        program = torch.onnx.export(
            _Flat(network),
            (batch.num, batch.cat),
            dynamo=True,
            opset_version=20,
            external_data=False,
            verbose=False,
            dynamic_shapes=(free, free),
            input_names=["num", "cat"],
        )
    assert program is not None
    session = runtime.InferenceSession(program.model_proto.SerializeToString(), providers=["CPUExecutionProvider"])
    for n_rows in EXPORT_BATCHES:
        rows = toy_batch(spec, n_rows, seed=n_rows)
        (found,) = session.run(None, {"num": rows.num.numpy(), "cat": rows.cat.numpy()})
        with torch.no_grad():
            close(torch.from_numpy(found), network(rows).raw, f"the exported network differs at {n_rows} rows")


CHECKS = (
    check_shapes,
    check_columns,
    check_rows_independent,
    check_gradients,
    check_state_round_trip,
    check_seeded,
    check_codes,
    check_penalty,
    check_autocast,
    check_export,
)


class _Flat(nn.Module):
    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    def forward(self, num: Tensor, cat: Tensor) -> Tensor:
        raw: Tensor = self.network(Batch(num=num, cat=cat)).raw
        return raw


def _rows(n_rows: int, n_num: int, cardinalities: tuple[int, ...], *, seed: int) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    codes = [torch.randint(0, c, (n_rows, 1), generator=generator) for c in cardinalities]
    cat = torch.cat(codes, 1) if codes else torch.zeros((n_rows, 0), dtype=torch.int64)
    return Batch(num=_numbers(n_rows, n_num, seed=seed), cat=cat)


def _numbers(n_rows: int, n_num: int, *, seed: int) -> Tensor:
    numbers = torch.randn((n_rows, n_num), generator=torch.Generator().manual_seed(seed))
    if n_num > 1:
        numbers[:, -1] = (numbers[:, -1] > 0).float()
    return numbers


def _built_unless_refused(build: Build, spec: BatchSpec) -> Network | None:
    """The network; None where it says that it does not learn several quantiles."""
    try:
        return seeded(build, spec)
    except ConfigError as error:
        if len(spec.out_shape) > 1 and "does not learn the loss" in str(error):
            return None
        raise


def _trained_a_little(build: Build, spec: BatchSpec) -> Network:
    return trained_a_little(seeded(build, spec), (toy_batch(spec, 32, seed=seed) for seed in range(3)))
