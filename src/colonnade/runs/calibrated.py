"""Calibrated: what follows the decoder of a run, from its fit on validation rows to its files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from omegaconf import DictConfig
from torch import Tensor

from colonnade.config.build import build
from colonnade.core.errors import ConfigError
from colonnade.core.files import write_json
from colonnade.core.schema import TargetKind
from colonnade.data.lookup import Lookup
from colonnade.evaluation.conformal import coverage, fit_conformal, need_rows, rank, windows_apart
from colonnade.evaluation.options import NONE, WINDOW, Calibration, Uncertainty
from colonnade.evaluation.reliability import belief, reliability
from colonnade.evaluation.scaling import fit_scaling
from colonnade.runs.covered import LEVELS, Covered, Rows
from colonnade.runs.fitted import CALIBRATION, KEYS, OPTIONS, STATE, Groups, calibrates
from colonnade.tasks.base import Task
from colonnade.tasks.calibrator import Calibrator
from colonnade.tasks.conformal import DRAW, Conformal
from colonnade.tasks.disagreement import by_member, disagreement
from colonnade.tasks.forecast import ForecastTask
from colonnade.tasks.measures.rows import rows_that_count
from colonnade.tasks.window_scale import WindowScale

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FITTED_ON = "val"
NO_DRAW = "a row has its draw from columns of numbers and categories, and series have none: leave it out"


@dataclass(frozen=True)
class Scored:
    """Predictions of a part beside what is true, on the processor.

    Args:
        prediction: what a decoder gives, with the draw of each row where sets are randomized.
        truth: as ``Task.truth`` gives it.
        weight: ``(N,)``; None means one.
        codes: ``(N,)`` the group of each row, where groups have thresholds of their own.
        scale: ``(N, T)``, by which intervals are stretched, where they are.
        row_id: ``(N,)``, of forecasts the step at which each begins; None: rows follow each other.
    """

    prediction: dict[str, Tensor]
    truth: Tensor
    weight: Tensor | None
    codes: Tensor | None = None
    scale: Tensor | None = None
    row_id: np.ndarray | None = None


@dataclass
class Calibrated:
    """A calibrator on its way: fitted on one part, applied to all, each measured.

    Args:
        calibration: how probabilities are calibrated; None: not.
        uncertainty: what is said beside a prediction; None: nothing.
        task: set up.
        groups: see :class:`Groups`; None: there is one.
        scale: see :class:`~colonnade.tasks.calibrator.Calibrator`.
        disagreement: whether predictions say how far members are apart.
        drawn: see :class:`~colonnade.tasks.calibrator.Calibrator`.
    """

    calibration: Calibration | None
    uncertainty: Uncertainty | None
    task: Task
    groups: Groups | None = None
    scale: WindowScale | None = None
    disagreement: bool = False
    drawn: int | None = None
    calibrator: Calibrator = field(init=False)
    rows: int = field(init=False)
    reliability: dict[str, Any] = field(init=False, default_factory=dict)
    coverage: dict[str, Any] = field(init=False, default_factory=dict)
    figures: dict[str, Figure] = field(init=False, default_factory=dict)
    covered: Covered | None = field(init=False, default=None)

    def fit(self, scored: Scored) -> None:
        """Fit on rows that the model did not learn from.

        Raises:
            DataError: they are too few.
        """
        spec, kind = self.task.spec, str(self.task.spec.target_kind)
        self.rows = len(scored.truth)
        group = None if self.groups is None else self.groups.position
        self.calibrator = Calibrator(kind, group=group, drawn=self.drawn)
        if self.calibration is not None:
            names = spec.classes if kind == TargetKind.CLASS else spec.target_names
            probability = scored.prediction["probability"]
            method = self.calibration.method
            self.calibrator.scaling = fit_scaling(method, probability, scored.truth, scored.weight, kind, names)
        if self.method != NONE:
            assert self.uncertainty is not None
            # Of what the scaling has made of probabilities.
            after = self.calibrator.apply_to(scored.prediction)
            whole, ids = self._whole(scored)
            apart = self._apart(whole, ids)
            level = self.uncertainty.level
            at = {
                each: self._conformal(replace(scored, prediction=after), each, apart)
                for each in sorted({*LEVELS, level})
                if each == level or rank(apart or whole, each) <= (apart or whole)
            }
            self.calibrator.conformal = at[level]
            counted = self.rows if scored.weight is None else int((scored.weight > 0).sum())
            exchangeable = apart is None and self.groups is None and not self.uncertainty.by_class
            names = () if self.groups is None else self.groups.names
            self.covered = Covered(at, level, counted if exchangeable else None, self.task, names)

    def _conformal(self, scored: Scored, level: float, apart: int | None) -> Conformal:
        return fit_conformal(
            self.method,
            Uncertainty(**vars(self.uncertainty) | {"level": level}),
            scored.prediction,
            scored.truth,
            scored.weight,
            codes=scored.codes,
            n_codes=1 if self.groups is None else len(self.groups.names),
            scale=scored.scale,
            quantiles=self.task.quantiles,
            apart=apart,
        )

    def check(self, rows: int, row_id: np.ndarray | None) -> None:
        """Refuse, before anything is trained, a level for which the rows are too few.

        Args:
            rows: to fit on.
            row_id: see :class:`Scored`.

        Raises:
            DataError: naming how many it takes.
        """
        if self.uncertainty is not None and self.method != NONE:
            need_rows(self.uncertainty.level, rows, self._apart(rows, row_id))

    def _whole(self, scored: Scored) -> tuple[int, np.ndarray | None]:
        """How many rows there are without a missing value, and their ids."""
        if scored.row_id is None or not scored.truth.isnan().any():
            return self.rows, scored.row_id
        whole = scored.row_id[~scored.truth.isnan().any(1).numpy()]
        return len(whole), whole

    def _apart(self, rows: int, row_id: np.ndarray | None) -> int | None:
        """How many windows share no step; None where nothing is forecast."""
        horizon = self.task.spec.horizon
        if horizon is None:
            return None
        return windows_apart(np.arange(rows) if row_id is None else row_id, horizon)

    @property
    def method(self) -> str:
        """Of conformal prediction."""
        return NONE if self.uncertainty is None else self.uncertainty.method(self.task)

    def apply(self, part: str, scored: Scored, *, drawn: bool) -> tuple[dict[str, Tensor], dict[str, float]]:
        """The prediction of a part with all that follows; what is measured is kept.

        Args:
            part: its name.
            scored: what was predicted.
            drawn: whether a figure is made.

        Returns:
            The prediction, and metrics beside those of the task.
        """
        after = self.calibrator.apply_to(scored.prediction, scored.codes, scored.scale)
        if self.calibration is not None:
            self._measure(part, scored, after, drawn=drawn)
        if self.calibrator.conformal is None:
            return after, {}
        found = coverage(
            after,
            scored.truth,
            scored.weight,
            classes=self.task.spec.classes,
            codes=scored.codes,
            groups=() if self.groups is None else self.groups.names,
        )
        if self.covered is not None:
            rows = Rows.of(after, scored.truth, scored.weight, scored.codes, scored.scale)
            found["by_level"] = self.covered.measure(rows)
            if drawn:
                self.figures["intervals"] = self.covered.draw(rows, part)
        self.coverage[part] = found
        return {name: values for name, values in after.items() if name != DRAW}, conformal_metrics(found, self.task)

    def _measure(self, part: str, scored: Scored, after: Mapping[str, Tensor], *, drawn: bool) -> None:
        """How far probabilities are off, before and after."""
        kind = self.calibrator.kind
        both = [prediction["probability"] for prediction in (scored.prediction, after)]
        measured = [reliability(each, scored.truth, scored.weight, kind) for each in both]
        self.reliability[part] = dict(zip(("before", "after"), (found and asdict(found) for found in measured)))
        if not drawn or measured[0] is None or measured[1] is None:
            return
        from colonnade.report.calibration import before_and_after

        rows = [rows_that_count({"probability": each}, scored.truth, scored.weight) for each in both]
        believed, came_true = ([of.flatten().numpy() for of in each] for each in zip(*(belief(r, kind) for r in rows)))
        errors = (measured[0].calibration_error, measured[1].calibration_error)
        self.figures["calibration"] = before_and_after(
            (believed[0], believed[1]), (came_true[0], came_true[1]), errors=errors, rows=f"{part} rows"
        )

    def write(self, folder: Path, part: str = FITTED_ON) -> None:
        """Write ``calibration.json`` and ``calibration.safetensors``.

        Args:
            folder: of the run.
            part: what it was fitted on.
        """
        from safetensors.torch import save_file

        told: dict[str, Any] = {"fitted_on": part, "rows": self.rows, "disagreement": self.disagreement}
        if self.calibration is not None:
            told["calibration"] = {"method": self.calibration.method, "reliability": self.reliability}
        if self.uncertainty is not None and self.calibrator.conformal is not None:
            options = {key: value for key, value in vars(self.uncertainty).items() if key in OPTIONS}
            options["scaling"] = NONE if self.scale is None else WINDOW
            told["conformal"] = {"method": self.method, **options, "measured": self.coverage}
        write_json(folder / CALIBRATION, told)
        save_file({name: t.contiguous() for name, t in self.calibrator.state_dict().items()}, folder / STATE)


def conformal_metrics(found: Mapping[str, Any], task: Task) -> dict[str, float]:
    """Coverage and size as metrics: of several targets the mean, then each; of forecasts, of each value over all steps.

    Args:
        found: see :func:`~colonnade.evaluation.conformal.coverage`.
        task: set up.
    """
    if "size" in found:
        return {"conformal_coverage": found["coverage"], "conformal_size": found["size"]}
    metrics: dict[str, float] = {}
    names = task.values if isinstance(task, ForecastTask) else task.spec.target_names
    for what in ("coverage", "width"):
        values = torch.tensor(found[what], dtype=torch.float64).view(-1, len(names)).mean(0).tolist()
        metrics[f"conformal_{what}"] = sum(values) / len(values)
        if len(values) > 1:
            metrics |= {f"conformal_{what}/{name}": value for name, value in zip(names, values)}
    return metrics


def wanted(cfg: DictConfig, task: Task, lookup: Lookup, *, rows: int, members: int = 1) -> Calibrated | None:
    """What a configuration asks for; None: nothing.

    Args:
        cfg: the configuration.
        task: set up.
        lookup: of the raw columns.
        rows: for validation.
        members: of the model.

    Raises:
        ConfigError: the task has no probabilities or intervals of the kind, there are no validation rows, the model
            sees no such column of groups, or nothing that a row could have its draw from.
    """
    if not calibrates(cfg):
        return None
    calibration, uncertainty = (None if cfg.get(key) is None else build(cfg[key]) for key in KEYS)
    for options in (calibration, uncertainty):
        if options is not None:
            options.check(task)
    if not rows:
        asked = " ".join(f"{key}=none" for key in KEYS if cfg.get(key) is not None)
        raise ConfigError(f"{KEYS[0]}: there are no validation rows to fit it on: {asked}, or another split=")
    groups, scale, disagrees, drawn = None, None, False, None
    if uncertainty is not None:
        disagrees = members > 1 and uncertainty.disagreement
        if uncertainty.group is not None and uncertainty.method(task) != NONE:
            groups = Groups.find(lookup, uncertainty.group)
        if isinstance(task, ForecastTask) and uncertainty.by_window(task):
            scale = WindowScale.of(task.spec, task.values, lookup.num)
        if uncertainty.randomized:
            if task.spec.n_steps is not None or not (lookup.num or lookup.cat):
                raise ConfigError(f"uncertainty.randomized: {NO_DRAW}")
            drawn = len(lookup.num)
    return Calibrated(calibration, uncertainty, task, groups=groups, scale=scale, disagreement=disagrees, drawn=drawn)


def member_disagreement(task: Task, raw: Tensor, *, rows: int = 4096) -> Tensor:
    """How far the members of a network are apart, ``rows`` rows at a time.

    Args:
        task: set up.
        raw: ``(N, M, *out)``.
        rows: at a time: each member is decoded by itself.
    """
    kind = str(task.target_kind)
    return torch.cat([disagreement(by_member(task.decode, part), kind) for part in raw.split(rows)])
