"""Forecasts of a run: tables of the errors by step ahead and by series, and what stands before the forecasts shown."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import polars as pl
import torch
from torch import Tensor

from colonnade.data.datamodule import TableDataModule
from colonnade.data.sequences.dataset import SequenceDataset
from colonnade.data.sequences.forecast import ForecastDataModule
from colonnade.data.sequences.windows import WindowStore
from colonnade.data.table import Table
from colonnade.evaluation.conformal import covered
from colonnade.report.forecast import Past, shown
from colonnade.runs.assemble import Parts
from colonnade.runs.forecast_tables import BY_SERIES, BY_STEP
from colonnade.runs.load import Loaded
from colonnade.tasks.forecast import ForecastTask
from colonnade.tasks.window_scale import WindowScale

# No measure is called so.
_PLACE = "\x00place"
# Steps that are looked back at together.
CHUNK = 2**22


def write_tables(parts: Parts, prediction: Mapping[str, Tensor], truth: Tensor, split: str, folder: Path) -> None:
    """Write ``by_step.csv``: every measure of each step ahead and value; and, of several series, ``by_series.csv``: of
    each series and value, where ``mase`` is over the naive error of the series itself. Nothing where nothing is
    forecast.

    Args:
        parts: what was trained.
        prediction, truth: of all windows of a part.
        split: the part.
        folder: of the run.
    """
    task, data = parts.task, parts.datamodule
    if not isinstance(task, ForecastTask) or not isinstance(data, ForecastDataModule):
        return
    horizon, values = parts.module.spec.horizon or 1, task.values
    by_step = {name: of_steps.flatten().tolist() for name, of_steps in task.by_step(prediction, truth).items()}
    steps = {"step": np.repeat(np.arange(1, horizon + 1), len(values)), "value": values * horizon}
    pl.DataFrame({**steps, **by_step}).write_csv(folder / BY_STEP)
    if len(data.names) > 1:
        _by_series(task, data, prediction, truth, split).write_csv(folder / BY_SERIES)


def past_of(parts: Parts, split: str) -> Past | None:
    """What stands before the forecasts of a part that figures show, of the value that they show; None where nothing is
    forecast."""
    data = parts.datamodule
    if not isinstance(data, ForecastDataModule):
        return None
    store, spec = _store(data, split), parts.module.spec
    index = torch.from_numpy(shown(len(store)))
    origins = store.origins(index.to(store.device)).cpu().numpy()
    series = _series(data, origins)
    # Where a window begins before its series, the first step is repeated.
    steps = np.maximum(origins[:, None] + np.arange(-store.context, 0), data.offsets[series][:, None])
    last = len(spec.channels) - 1
    values = store.target[:, last].cpu().numpy()[steps] * spec.target_scale[last] + spec.target_mean[last]
    named = len(data.names) > 1
    return Past(values, tuple(data.names[i] if named else "" for i in series))


def past_in(loaded: Loaded, table: Table, origins: np.ndarray) -> Past | None:
    """What :func:`past_of` gives, of forecasts that begin at such steps of a table, counted over all its series."""
    if loaded.spec.horizon is None:
        return None
    dataset = loaded.dataset
    assert isinstance(dataset, SequenceDataset)
    found = dataset.windows_from(table, origins[shown(len(origins))]).frame
    named = table.frame.height > 1
    names = tuple(str(name) if named else "" for name in found[dataset.id])
    return Past(np.stack(found[dataset.target[-1]].to_list()).astype(np.float64), names)


def origins_of(data: TableDataModule, split: str) -> np.ndarray | None:
    """Steps at which the forecasts of a part begin, ``(N,)``, counted over all series; None: nothing is forecast."""
    if not isinstance(data, ForecastDataModule):
        return None
    store = _store(data, split)
    found: np.ndarray = store.origins(torch.arange(len(store), device=store.device)).cpu().numpy()
    return found


def whole_of(data: TableDataModule, split: str) -> np.ndarray | None:
    """What :func:`origins_of` gives, of the forecasts of a part of which no value is missing."""
    origins = origins_of(data, split)
    if origins is None or not isinstance(data, ForecastDataModule):
        return None
    store = _store(data, split)
    if store.there is None:
        return origins
    gone = np.concatenate([[0], np.cumsum(~store.there.all(1).cpu().numpy())])
    whole: np.ndarray = origins[gone[origins + store.horizon] == gone[origins]]
    return whole


def scale_of(parts: Parts, scale: WindowScale | None, split: str) -> Tensor | None:
    """By which the interval of each window of a part is stretched, ``(N, T)``; None: by nothing."""
    data, spec = parts.datamodule, parts.module.spec
    if scale is None or not isinstance(data, ForecastDataModule):
        return None
    store, n = _store(data, split), len(spec.channels)
    unit, middle = (torch.tensor(of[:n], dtype=torch.float64) for of in (spec.target_scale, spec.target_mean))
    values, found = store.target.cpu(), []
    origins = store.origins(torch.arange(len(store), device=store.device)).cpu().numpy()
    for some in np.array_split(origins, -(-len(origins) * store.context // CHUNK)):
        past = np.maximum(some[:, None] + np.arange(-store.context, 0), data.offsets[_series(data, some)][:, None])
        found.append(scale.of_values(values[torch.from_numpy(past)] * unit + middle))
    return torch.cat(found)


def _by_series(
    task: ForecastTask, data: ForecastDataModule, prediction: Mapping[str, Tensor], truth: Tensor, split: str
) -> pl.DataFrame:
    origins = origins_of(data, split)
    assert origins is not None
    # Windows stand in the order of the series.
    present, start, count = np.unique(_series(data, origins), return_index=True, return_counts=True)
    width, tables = len(task.values), []
    for n in np.unique(count):
        # Series with as many windows are measured at once.
        places, first = present[count == n], start[count == n]
        rows = torch.from_numpy((first[:, None] + np.arange(n)).ravel()).to(truth.device)
        of_windows = {name: values[rows] for name, values in prediction.items()}
        found = task.of_series(of_windows, truth[rows], torch.from_numpy(data.naive_errors[places]))
        found |= _inside(of_windows, truth[rows], len(places), width)
        named = {
            "series": [data.names[i] for i in places for _ in range(width)],
            "value": task.values * len(places),
            "windows": np.full(len(places) * width, n),
            _PLACE: np.repeat(places, width),
        }
        tables.append(pl.DataFrame({**named, **{name: of.flatten().cpu().numpy() for name, of in found.items()}}))
    return pl.concat(tables).sort(_PLACE, maintain_order=True).drop(_PLACE)


def _inside(prediction: Mapping[str, Tensor], truth: Tensor, series: int, width: int) -> dict[str, Tensor]:
    """Of each series and value ``(S, C)``, the share of what came that lies in conformal intervals, and their mean
    width, where there are any; missing values do not count."""
    if "lower" not in prediction:
        return {}
    inside, wide = (of.reshape(series, -1, width) for of in covered(prediction, truth))
    there = ~truth.reshape(series, -1, width).isnan()
    return {"conformal_coverage": (inside * there).sum(1) / there.sum(1), "conformal_width": wide.mean(1)}


def _series(data: ForecastDataModule, origins: np.ndarray) -> np.ndarray:
    """Position of the series in which each step lies."""
    found: np.ndarray = np.searchsorted(data.offsets, origins, side="right") - 1
    return found


def _store(data: ForecastDataModule, split: str) -> WindowStore:
    store = data.loader_for(split).store
    assert isinstance(store, WindowStore)
    return store
