"""Figures of predictions: which ones a task gets, and the drawing of all of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from torch import Tensor

from colonnade.report import classification, forecast, regression, style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MAX_TARGETS = 8


@dataclass(frozen=True)
class Scored:
    """Predictions beside what is true.

    Args:
        prediction: what a decoder gives, as arrays of ``N`` rows.
        truth: class index ``(N,)``, labels ``(N, L)``, or values in original units ``(N, T)``.
        classes: names of the classes.
        target_names: names of the targets.
        quantiles: predicted levels.
        past: what stands before the forecasts that are shown; None: it is not known.
    """

    prediction: Mapping[str, np.ndarray]
    truth: np.ndarray
    classes: tuple[str, ...]
    target_names: tuple[str, ...]
    quantiles: tuple[float, ...]
    past: forecast.Past | None = None


def draw(
    task_name: str,
    prediction: Mapping[str, Tensor],
    truth: Tensor,
    *,
    classes: Sequence[str] = (),
    target_names: Sequence[str] = (),
    quantiles: Sequence[float] = (),
    rows: str = "",
    past: forecast.Past | None = None,
) -> dict[str, Figure]:
    """The figures of a task. At most 800 pixels wide, and nobody else's: close nothing, save with ``savefig``.

    Args:
        task_name: ``task.name``.
        prediction: what ``task.decode`` gives.
        truth: what ``task.truth`` gives: class indices, labels, or values in original units.
        classes: names of the classes, in order.
        target_names: names of the targets.
        quantiles: ``task.quantiles``.
        rows: which rows these are, such as ``"test rows"``; added to the titles.
        past: of forecasts, what stands before those of :func:`colonnade.report.forecast.shown`.

    Returns:
        Figures by name; nothing without rows. A figure of one of several targets has its position in the name, such as
        ``residuals_1``; the first eight targets are drawn.

    Raises:
        ValueError: no such task.
    """
    if task_name not in _FIGURES:
        raise ValueError(f"task_name='{task_name}' must be one of {', '.join(_FIGURES)}")
    if len(truth) == 0:
        return {}
    scored = Scored(
        prediction={name: values.detach().cpu().numpy() for name, values in prediction.items()},
        truth=truth.detach().cpu().numpy(),
        classes=tuple(classes),
        target_names=tuple(target_names),
        quantiles=tuple(quantiles),
        past=past,
    )
    figures = _FIGURES[task_name](scored)
    for figure in figures.values() if rows else ():
        style.head(figure, f"{figure.get_suptitle()}, {rows}")
    return figures


def _binary(s: Scored) -> dict[str, Figure]:
    probability = s.prediction["probability"]
    return {
        "confusion": classification.confusion(s.prediction["label"], s.truth, s.classes),
        "curves": classification.curves(probability[:, 1], s.truth, s.classes[1]),
        "reliability": classification.reliability(probability[:, 1], s.truth, f"probability of {s.classes[1]}"),
    }


def _multiclass(s: Scored) -> dict[str, Figure]:
    label, probability = s.prediction["label"], s.prediction["probability"]
    return {
        "confusion": classification.confusion(label, s.truth, s.classes),
        "classes": classification.class_bars(label, s.truth, s.classes),
        "reliability": classification.reliability(
            probability.max(axis=1), label == s.truth, "probability of the predicted class"
        ),
    }


def _multilabel(s: Scored) -> dict[str, Figure]:
    probability = s.prediction["probability"]
    return {
        "labels": classification.label_bars(s.prediction["label"], probability, s.truth, s.target_names),
        "reliability": classification.reliability(probability.ravel(), s.truth.ravel(), "probability of a label"),
    }


def _regression(s: Scored) -> dict[str, Figure]:
    value = s.prediction["value"]
    return {
        f"residuals{suffix}": regression.residuals(value[:, t], s.truth[:, t], name) for t, name, suffix in _targets(s)
    }


def _quantile(s: Scored) -> dict[str, Figure]:
    figures: dict[str, Figure] = {}
    for t, name, suffix in _targets(s):
        quantile, truth = s.prediction["quantile"][:, t], s.truth[:, t]
        figures[f"fan{suffix}"] = regression.fan(quantile, truth, s.quantiles, name)
        figures[f"coverage{suffix}"] = regression.coverage(quantile, truth, s.quantiles, name)
    return figures | _regression(s)


def _next_event(s: Scored) -> dict[str, Figure]:
    (kind, time), value = s.truth.T, s.prediction["value"][:, 0]
    of_type = replace(s, truth=kind.astype(np.int64))
    name, quantile = s.target_names[1], s.prediction["quantile"][:, 0]
    return {
        **_multiclass(of_type),
        "time": regression.residuals(value, time, name),
        "coverage": regression.coverage(quantile, time, s.quantiles, name),
    }


def _forecast(s: Scored) -> dict[str, Figure]:
    steps = [name.rpartition("+")[0] for name in s.target_names]
    names = list(dict.fromkeys(steps))
    value, truth = (a.reshape(len(a), -1, len(names)) for a in (s.prediction["value"], s.truth))
    figures = {"steps": forecast.by_step(value, truth, names)}
    bands: list[forecast.Band] = []
    if "lower" in s.prediction:
        low, high = (s.prediction[end].reshape(value.shape)[:, :, -1] for end in ("lower", "upper"))
        bands = [forecast.Band("conformal", low, high)]
    if s.quantiles:
        quantile = s.prediction["quantile"].reshape(*value.shape, -1)
        bands = bands or forecast.bands_of(quantile[:, :, -1], s.quantiles)
        came = truth[:, :, -1].ravel()
        there = ~np.isnan(came)
        flat = quantile[:, :, -1].reshape(-1, len(s.quantiles))[there]
        figures["coverage"] = regression.coverage(flat, came[there], s.quantiles, names[-1])
        figures["coverage_steps"] = forecast.coverage_by_step(quantile, truth, s.quantiles)
    shown = forecast.windows(value[:, :, -1], truth[:, :, -1], names[-1], bands=bands, past=s.past)
    return {"forecasts": shown, **figures}


def _targets(s: Scored) -> list[tuple[int, str, str]]:
    """Position, name, and ending of the figure's name of each drawn target."""
    several = len(s.target_names) > 1
    return [(t, name, f"_{t}" if several else "") for t, name in enumerate(s.target_names[:MAX_TARGETS])]


_FIGURES: dict[str, Callable[[Scored], dict[str, Figure]]] = {
    "binary": _binary,
    "multiclass": _multiclass,
    "multilabel": _multilabel,
    "regression": _regression,
    "multitarget_regression": _regression,
    "quantile": _quantile,
    "forecast": _forecast,
    "forecast_quantile": _forecast,
    "forecast_distribution": _forecast,
    "next_event": _next_event,
}
