"""Contract of tasks: what each must keep. For our tests, and for those of anyone who writes a task.

>>> from colonnade.tasks.binary import Binary
>>> for check in CHECKS:
...     check(ready(Binary()))
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from torch import Tensor

from colonnade.core.errors import TrainingError
from colonnade.core.schema import TargetKind
from colonnade.core.spec import BatchSpec
from colonnade.tasks.base import LOSS, Task
from colonnade.tasks.forecast import ForecastTask
from colonnade.tasks.times import LEAST_TIME

N_ROWS = 60
MEMBERS = 3
N_CLASSES = 4
CERTAIN = 40.0


def example_spec(kind: TargetKind, *, n_classes: int = N_CLASSES, n_targets: int = 2) -> BatchSpec:
    """A specification with a target of a kind.

    Args:
        kind: class, several labels, or real numbers.
        n_classes: number of classes, of a class target.
        n_targets: number of targets, of another.
    """
    if kind is TargetKind.CLASS:
        n_targets = 1
    classed, real = (kind in (one, TargetKind.EVENT) for one in (TargetKind.CLASS, TargetKind.REAL))
    counts = n_classes if classed else n_targets if kind is TargetKind.MULTILABEL else 0
    n_real = 1 if kind is TargetKind.EVENT else n_targets
    return BatchSpec(
        num_names=("x",),
        cat_names=(),
        cardinalities=(),
        target_kind=kind,
        target_names=tuple(f"target {i}" for i in range(n_targets)),
        classes=tuple(f"class {i}" for i in range(n_classes)) if classed else (),
        class_counts=tuple(range(10, 10 + counts)),
        target_mean=tuple(1000.0 * (i + 1) for i in range(n_real)) if real else (),
        target_scale=tuple(10.0 ** (i - 1) for i in range(n_real)) if real else (),
        n_train=100,
        n_steps=5 if kind is TargetKind.EVENT else None,
    )


def ready(task: Task) -> Task:
    """The task, set up on an example: as many classes as it learns, two targets, or two steps of a forecast."""
    n_classes = 2 if task.name == "binary" else N_CLASSES
    spec = example_spec(TargetKind(task.target_kind), n_classes=n_classes)
    if isinstance(task, ForecastTask):
        # Units and errors are those of a value: the same at all steps ahead.
        spec = replace(
            spec,
            target_names=("x+1", "x+2"),
            target_mean=(1000.0, 1000.0),
            target_scale=(10.0, 10.0),
            n_steps=5,
            horizon=2,
            channels=(0,),
            naive_error=(4.0, 4.0),
        )
    task.setup(spec)
    return task


def example_raw(task: Task, n_rows: int = N_ROWS, members: int = MEMBERS) -> Tensor:
    """Random raw outputs ``(n_rows, members, *out)``."""
    generator = torch.Generator().manual_seed(1)
    return torch.randn(n_rows, members, *task.out_shape(task.spec), generator=generator)


def example_target(task: Task, n_rows: int = N_ROWS) -> Tensor:
    """A target in which every class or label occurs, as a batch holds it."""
    generator = torch.Generator().manual_seed(2)
    n_targets = len(task.spec.target_names)
    match task.target_kind:
        case TargetKind.CLASS:
            return torch.arange(n_rows)[torch.randperm(n_rows, generator=generator)] % len(task.spec.classes)
        case TargetKind.MULTILABEL:
            return (torch.rand(n_rows, n_targets, generator=generator) < 0.4).float()
        case TargetKind.REAL:
            return torch.randn(n_rows, n_targets, generator=generator)
        case TargetKind.EVENT:
            return torch.stack([torch.arange(n_rows) % len(task.spec.classes), torch.rand(n_rows) * 3], dim=1)


def perfect_raw(task: Task, target: Tensor) -> Tensor:
    """Raw outputs ``(N, 1, *out)`` that are certain of the truth."""
    shape = task.out_shape(task.spec)
    if "log_scale" in task.roles:
        sure = {"level": target, "log_scale": torch.full_like(target, -CERTAIN), "free": torch.zeros_like(target)}
        return torch.stack([sure[role] for role in task.roles], dim=-1)[:, None]
    if task.target_kind is TargetKind.EVENT:
        certain = CERTAIN * (2 * torch.nn.functional.one_hot(target[:, 0].long(), len(task.spec.classes)).float() - 1)
        time = torch.stack([(target[:, 1] + LEAST_TIME).log(), torch.full_like(target[:, 1], -CERTAIN)], dim=1)
        return torch.cat([certain, time], dim=1)[:, None]
    if task.target_kind is TargetKind.REAL:
        return target.reshape(*target.shape, *([1] * (len(shape) - 1))).expand(-1, *shape)[:, None]
    if task.target_kind is TargetKind.CLASS:
        target = torch.nn.functional.one_hot(target, shape[0]) if shape[0] > 1 else target[:, None]
    return (CERTAIN * (2 * target.float() - 1))[:, None]


def check_shapes(task: Task) -> None:
    """One loss for each row, of no dimension more, for several members and one; predictions for each row."""
    target = example_target(task)
    for members in (1, MEMBERS):
        raw = example_raw(task, members=members)
        loss = task.row_loss(raw, target)
        assert loss.shape == (N_ROWS,)
        assert loss.isfinite().all()
        # A density may be above 1.
        assert (loss >= 0).all() or "log_scale" in task.roles or task.target_kind is TargetKind.EVENT
        for values in task.decode(raw).values():
            assert values.shape[0] == N_ROWS
    prediction = task.decode(example_raw(task))
    if task.spec.classes:
        assert prediction["label"].shape == (N_ROWS,)
        assert prediction["probability"].shape == (N_ROWS, len(task.spec.classes))
        torch.testing.assert_close(prediction["probability"].sum(1), torch.ones(N_ROWS))
    elif task.target_kind is TargetKind.MULTILABEL:
        assert prediction["label"].shape == prediction["probability"].shape == target.shape
    elif task.target_kind is TargetKind.EVENT:
        assert prediction["value"].shape == (N_ROWS, 1)
    else:
        assert prediction["value"].shape == target.shape


def check_half_precision(task: Task) -> None:
    """Raw outputs in bfloat16 are accepted, and the loss is taken in float32."""
    loss = task.row_loss(example_raw(task).bfloat16(), example_target(task))
    assert loss.dtype == torch.float32
    assert all(
        not v.is_floating_point() or v.dtype.itemsize >= 4 for v in task.decode(example_raw(task).bfloat16()).values()
    )


def check_members(task: Task) -> None:
    """The loss is the mean of the losses of the members, and a prediction the mean of their predictions."""
    raw, target = example_raw(task), example_target(task)
    alone = [raw[:, [i]] for i in range(MEMBERS)]
    torch.testing.assert_close(task.row_loss(raw, target), sum(task.row_loss(r, target) for r in alone) / MEMBERS)
    together = task.decode(raw)
    for name in {"probability", "value", "quantile"} & set(together):
        torch.testing.assert_close(together[name], sum(task.decode(r)[name] for r in alone) / MEMBERS)


def check_gradients(task: Task) -> None:
    """The loss of a row reaches every raw output of that row and none of another."""
    raw = example_raw(task).requires_grad_()
    task.row_loss(raw, example_target(task))[0].backward()
    assert raw.grad is not None
    assert (raw.grad[0] != 0).all()
    assert (raw.grad[1:] == 0).all()


def check_inference_mode(task: Task) -> None:
    """A loss taken in inference mode first, as in a validation, leaves nothing behind that a backward pass refuses."""
    raw, target = example_raw(task).double(), example_target(task)
    with torch.inference_mode():
        task.row_loss(raw, target)
    task.row_loss(raw.requires_grad_(), target).sum().backward()
    assert raw.grad is not None
    assert raw.grad.isfinite().all()


def check_perfect(task: Task) -> None:
    """Certainty of the truth gives the best value of every measure, and a loss near the least possible."""
    target = example_target(task)
    raw = perfect_raw(task, target)
    assert (task.row_loss(raw, target) <= task.row_loss(-raw, target)).all()
    found = task.metrics(task.decode(raw), target, None)
    for name, measure in task.measures.items():
        if measure.mode is not None:
            np.testing.assert_allclose(found[name], {"max": 1.0, "min": 0.0}[measure.mode], atol=1e-4, err_msg=name)


def check_weights(task: Task) -> None:
    """In every measure a row of weight two is that row twice, and one of weight zero is no row."""
    raw, target = example_raw(task), example_target(task)
    weight = torch.arange(N_ROWS) % 3
    rows = torch.arange(N_ROWS).repeat_interleave(weight)
    weighted = task.metrics(task.decode(raw), target, weight.float())
    repeated = task.metrics(task.decode(raw[rows]), target[rows], None)
    assert weighted.keys() == repeated.keys()
    assert not any(np.isnan(v) for v in weighted.values())
    for name, value in repeated.items():
        np.testing.assert_allclose(weighted[name], value, rtol=1e-5, atol=1e-6, err_msg=name)


def check_epoch_metrics(task: Task) -> None:
    """Measures at an epoch's end are some of all measures, with what is monitored always among them."""
    raw, target = example_raw(task), example_target(task)
    everything = task.metrics(task.decode(raw), target, None)
    some = task.epoch_metrics(task.decode(raw), target, None)
    assert some.items() <= everything.items()
    name = task.monitor.removeprefix("val/")
    assert name == LOSS or name in some


def check_undefined(task: Task) -> None:
    """Without rows every measure is NaN; with a single row nothing fails."""
    raw, target = example_raw(task), example_target(task)
    none = task.metrics(task.decode(raw[:0]), target[:0], None)
    assert none
    assert all(np.isnan(v) for v in none.values())
    assert task.metrics(task.decode(raw[:1]), target[:1], None).keys() >= none.keys()


def check_refused(task: Task) -> None:
    """A prediction that is not a number is an error that names its row."""
    raw, target = example_raw(task), example_target(task)
    raw[[3, 17]] = float("nan")
    try:
        task.metrics(task.decode(raw), target, None)
    except TrainingError as error:
        assert f"NaN or infinite in 2 of {N_ROWS} rows (positions 3, 17)" in str(error)  # noqa: PT017
    else:
        raise AssertionError("NaN predictions were measured")


def check_export(task: Task) -> None:
    """The decoder exports to ONNX with a free number of rows, and gives there what it gives here."""
    from onnxruntime import InferenceSession

    decoder = task.decoder(task.spec).eval()
    names = list(decoder(example_raw(task)))
    with TemporaryDirectory() as folder:
        path = Path(folder) / "decoder.onnx"
        torch.onnx.export(
            decoder,
            (example_raw(task),),
            path,
            input_names=["raw"],
            output_names=names,
            dynamic_shapes=({0: torch.export.Dim("rows")},),
            opset_version=20,
            dynamo=True,
            verbose=False,
        )
        session = InferenceSession(path)
        for n_rows in (1, 7):
            raw = example_raw(task, n_rows)
            expected = decoder(raw)
            for name, values in zip(names, session.run(names, {"raw": raw.numpy()})):
                np.testing.assert_allclose(values, expected[name].numpy(), rtol=1e-6, atol=1e-6, err_msg=name)


CHECKS: tuple[Callable[[Task], None], ...] = (
    check_shapes,
    check_half_precision,
    check_members,
    check_gradients,
    check_inference_mode,
    check_perfect,
    check_weights,
    check_epoch_metrics,
    check_undefined,
    check_refused,
    check_export,
)
"""Every check; each takes a task that is ``ready`` and raises AssertionError."""
