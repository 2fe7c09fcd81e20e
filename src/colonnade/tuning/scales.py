"""Scales: the parameters of trials as positions on an axis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from colonnade.report import style

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

FEW = 6


@dataclass(frozen=True)
class Scale:
    """A parameter of several trials.

    Args:
        name: its key.
        values: ``(N,)``, NaN for a trial that does not have it; of a choice its position.
        log: whether its logarithm is what counts.
        choices: of a categorical parameter.
        whole: whether it takes whole numbers only.
    """

    name: str
    values: np.ndarray
    log: bool = False
    choices: tuple[str, ...] = ()
    whole: bool = False

    def positions(self, values: np.ndarray | None = None) -> np.ndarray:
        """The values, or others, on a scale from 0 to 1, from the lowest to the highest; in the middle when all agree.

        >>> Scale("lr", np.array([1e-4, 1e-3, 1e-2]), log=True).positions()
        array([0. , 0.5, 1. ])
        """
        low, high = self._ends()
        given = self._shift(self.values if values is None else values)
        return (given - low) / (high - low) if high > low else np.where(np.isnan(given), np.nan, 0.5)

    def ticks(self) -> list[tuple[float, str]]:
        """Positions from 0 to 1 and what to write there: each choice, each of few whole numbers, or five values."""
        if self.choices:
            return list(zip(self.positions(np.arange(len(self.choices), dtype=float)).tolist(), self.choices))
        present = np.unique(self.values[~np.isnan(self.values)])
        if len(present) == 1 or (self.whole and not self.log and np.ptp(present) < FEW):
            shown = present if len(present) == 1 else np.arange(present[0], present[-1] + 1)
        else:
            low, high = self._ends()
            steps = np.linspace(low, high, 5)
            shown = 10.0**steps if self.log else steps
            shown = np.unique(np.round(shown)) if self.whole else shown
        return [(float(at), _number(value)) for at, value in zip(self.positions(shown), shown)]

    def _ends(self) -> tuple[float, float]:
        """The lowest and highest value; of a choice the first and last, whether a trial took it or not."""
        if self.choices:
            return 0.0, float(len(self.choices) - 1)
        given = self._shift(self.values)
        return float(np.nanmin(given)), float(np.nanmax(given))

    def _shift(self, values: np.ndarray) -> np.ndarray:
        return np.log10(values) if self.log else values


def scales_of(trials: Sequence[FrozenTrial]) -> list[Scale]:
    """The parameters of trials, in the order in which they were first sampled."""
    distributions: dict[str, Any] = {}
    for trial in trials:
        for name, distribution in trial.distributions.items():
            distributions.setdefault(name, distribution)
    return [_scale(name, distribution, trials) for name, distribution in distributions.items()]


def _scale(name: str, distribution: Any, trials: Sequence[FrozenTrial]) -> Scale:
    from optuna.distributions import CategoricalDistribution, IntDistribution

    given = [trial.params.get(name) for trial in trials]
    if isinstance(distribution, CategoricalDistribution):
        # Of trials that know other choices, too.
        texts = [None if value is None and name not in t.params else str(value) for value, t in zip(given, trials)]
        choices = dict.fromkeys([*map(str, distribution.choices), *(text for text in texts if text is not None)])
        place = {choice: i for i, choice in enumerate(choices)}
        values = [np.nan if text is None else float(place[text]) for text in texts]
        return Scale(name, np.asarray(values), choices=tuple(choices))
    values = [np.nan if value is None else float(value) for value in given]
    whole = isinstance(distribution, IntDistribution)
    return Scale(name, np.asarray(values), log=bool(distribution.log), whole=whole)


def _number(value: float) -> str:
    return f"{value:.3g}" if abs(value) < 1000 else style.number(value)
