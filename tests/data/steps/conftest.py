"""A step fitted on a few columns, without the rest of the pipeline."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from colonnade.data.columns import FIRST_LEVEL, Columns, Layout, TrainRows
from colonnade.data.steps.base import Fitted, Step


def columns(num=None, cat=None, time=None) -> Columns:
    """Columns from arrays with the rows first."""
    n = next(len(values) for values in (num, cat, time) if values is not None)
    num = np.empty((n, 0)) if num is None else np.asarray(num, dtype=np.float64)
    cat = np.empty((n, 0), dtype=np.int64) if cat is None else np.asarray(cat, dtype=np.int64)
    time = np.empty((n, 0), dtype=np.int64) if time is None else np.asarray(time, dtype=np.int64)
    return Columns.of(torch.from_numpy(num), torch.from_numpy(cat), torch.from_numpy(time))


def fit_step(step: Step, num=None, cat=None, time=None, target=None, flags=None) -> tuple[Fitted, Columns]:
    """The fitted step, and the columns it was fitted on. Names: a, b, ..; k, l, .. with levels 0, 1, ..; t, u, .."""
    given = columns(num, cat, time)
    if flags is not None:
        given = given._replace(flag=torch.as_tensor(flags, dtype=torch.float32).T)
    n = given.num.shape[1]
    levels = tuple(tuple(str(i) for i in range(max(0, int(c.max()) - FIRST_LEVEL + 1))) for c in given.cat)
    sizes = [len(text) + FIRST_LEVEL for text in levels]
    counts = tuple(torch.bincount(c, minlength=size) for c, size in zip(given.cat, sizes, strict=True))
    layout = Layout(
        num=tuple("abcdefghij"[: given.num.shape[0]]),
        flag=tuple(f"flag{i}" for i in range(given.flag.shape[0])),
        cat=tuple("klmnop"[: given.cat.shape[0]]),
        levels=levels,
        counts=counts,
        time=tuple("tuvw"[: given.time.shape[0]]),
    )
    target = torch.zeros(n, dtype=torch.int64) if target is None else torch.as_tensor(target)
    train = TrainRows(torch.arange(n), target, lambda: given, lambda: given.cat)
    return step.fit(train, layout, torch.Generator().manual_seed(0)), given


@pytest.fixture
def fit() -> Callable[..., tuple[Fitted, Columns]]:
    """Fits a step, see :func:`fit_step`."""
    return fit_step


@pytest.fixture
def of() -> Callable[..., Columns]:
    """Columns from arrays, see :func:`columns`."""
    return columns
