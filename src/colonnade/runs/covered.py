"""Covered: what intervals and sets hold at several levels, beside that of the run, and where."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from colonnade.evaluation.chance import Chance, expected_coverage
from colonnade.evaluation.conformal import covered
from colonnade.tasks.base import Task
from colonnade.tasks.conformal import Conformal

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from colonnade.report.intervals import Parts

LEVELS = (0.8, 0.9, 0.95)
TENTHS = 10


@dataclass(frozen=True)
class Rows:
    """Predictions of rows that count, beside what is true.

    Args:
        prediction: calibrated, with the interval or set of the run.
        truth: as ``Task.truth`` gives it.
        codes: group of each; None: there is one.
        scale: see :class:`~colonnade.tasks.conformal.Conformal`.
    """

    prediction: Mapping[str, Tensor]
    truth: Tensor
    codes: Tensor | None
    scale: Tensor | None = None

    @classmethod
    def of(
        cls,
        prediction: Mapping[str, Tensor],
        truth: Tensor,
        weight: Tensor | None,
        codes: Tensor | None,
        scale: Tensor | None = None,
    ) -> Rows:
        """Those whose weight is above zero and of which all is known."""
        kept = ~truth.reshape(len(truth), -1).isnan().any(1)
        kept = kept if weight is None else kept & (weight > 0)
        if kept.all():
            return cls(prediction, truth, codes, scale)
        codes, scale = (None if of is None else of[kept] for of in (codes, scale))
        return cls({name: values[kept] for name, values in prediction.items()}, truth[kept], codes, scale)


@dataclass(frozen=True)
class Covered:
    """Thresholds at several levels, to be measured.

    Args:
        at: the thresholds of each level.
        level: of the run, one of them.
        calibrated: rows that each was taken from; None where these are not one draw of rows, such as windows that share
            steps, or groups.
        task: set up.
        groups: names by code.
    """

    at: Mapping[float, Conformal]
    level: float
    calibrated: int | None
    task: Task
    groups: Sequence[str] = ()

    def measure(self, rows: Rows) -> list[dict[str, Any]]:
        """Level, coverage and mean size, over all targets, and what chance lets coverage be; for each level."""
        told = []
        for level, module in self.at.items():
            inside, size = self._inside(module, rows)
            line: dict[str, Any] = {"level": level, "coverage": inside.mean().item(), "size": size.mean().item()}
            chance = self._chance(level, inside)
            told.append(line | ({} if chance is None else {"by_chance": asdict(chance)}))
        return told

    def draw(self, rows: Rows, part: str) -> Figure:
        """Coverage by level, and coverage and size by parts of the rows."""
        from colonnade.report.intervals import Levels, intervals

        inside, size = self._inside(self.at[self.level], rows)
        told = self.measure(rows)
        chances = [line.get("by_chance") for line in told]
        ends = {end: np.array([chance[end] for chance in chances if chance]) for end in ("low", "high")}
        levels = Levels(
            asked=np.array([line["level"] for line in told]),
            measured=np.array([line["coverage"] for line in told]),
            rows=len(inside) if self._independent(inside) else None,
            **ends if all(chances) else {},
        )
        sets, what = "set" in rows.prediction, "rows" if self.task.spec.horizon is None else "windows"
        return intervals(
            levels,
            self._parts(rows, inside, size),
            level=self.level,
            title=f"{'Sets of classes' if sets else 'Intervals'} of {len(inside):,} {part} {what}",
            size="classes in a set, mean" if sets else "width of the interval, mean",
        )

    def _inside(self, module: Conformal, rows: Rows) -> tuple[Tensor, Tensor]:
        return covered({**rows.prediction, **module(rows.prediction, rows.codes, rows.scale)}, rows.truth)

    def _independent(self, inside: Tensor) -> bool:
        return inside.shape[1] == 1 and self.task.spec.horizon is None

    def _chance(self, level: float, inside: Tensor) -> Chance | None:
        if self.calibrated is None or not self._independent(inside):
            return None
        return expected_coverage(level, self.calibrated, len(inside))

    def _parts(self, rows: Rows, inside: Tensor, size: Tensor) -> Parts:
        """By group, class, step ahead or target, or by tenths of what is predicted."""
        from colonnade.report.intervals import Parts

        spec = self.task.spec
        if spec.horizon is not None or inside.shape[1] > 1:
            steps = spec.horizon or inside.shape[1]
            means = [values.mean(0).view(steps, -1).mean(1).numpy() for values in (inside, size)]
            if spec.horizon is None:
                return Parts("target", spec.target_names, means[0], means[1], np.full(steps, len(inside)))
            return Parts("step ahead", [str(i + 1) for i in range(steps)], means[0], means[1], None)
        if rows.codes is not None:
            what, names, place = "group", list(self.groups), rows.codes
        elif "set" in rows.prediction:
            what, names, place = "true class", list(spec.classes), rows.truth
        else:
            what = "prediction, by tenths of the rows"
            value = rows.prediction["value"][:, 0]
            order = value.argsort(stable=True)
            place = torch.empty_like(order)
            tenths = min(TENTHS, len(order))
            place[order] = torch.arange(len(order)) * tenths // len(order)
            names = [f"{value[place == i].mean().item():.3g}" for i in range(tenths)]
        present = place.unique().tolist()
        means = [np.array([values[place == i].mean().item() for i in present]) for values in (inside, size)]
        counted = np.array([int((place == i).sum()) for i in present])
        return Parts(what, [names[i] for i in present], means[0], means[1], counted)
