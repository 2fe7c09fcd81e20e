"""Options: what ``calibration:`` and ``uncertainty:`` of a configuration build."""

from __future__ import annotations

from colonnade.core.errors import ConfigError, closest
from colonnade.core.schema import TargetKind
from colonnade.tasks.base import Task
from colonnade.tasks.forecast import ForecastTask

METHODS = ("temperature", "vector", "isotonic")
AUTO, NONE = "auto", "none"
ABSOLUTE, CQR = "absolute", "cqr"
SETS = ("lac", "aps", "raps")
ADAPTIVE = SETS[1:]
WINDOW = "window"
SCALINGS = (AUTO, NONE, WINDOW)
CONFORMAL = (AUTO, NONE, ABSOLUTE, CQR, *SETS)


class Calibration:
    """How the probabilities of a model are calibrated on its validation rows.

    Args:
        method: ``temperature`` (one number, of labels one each; keeps the order of the rows and the likeliest class),
            ``vector`` (weight and bias for each class; of two classes Platt's), or ``isotonic`` (a rising curve for
            each class, which wants a thousand rows or more).

    Raises:
        ValueError: an unknown method.
    """

    def __init__(self, *, method: str = "temperature") -> None:
        if method not in METHODS:
            raise ValueError(f"method={method} must be one of {', '.join(METHODS)}{closest(method, METHODS)}")
        self.method = method

    def check(self, task: Task) -> None:
        """Refuse a task without probabilities.

        Raises:
            ConfigError: naming it.
        """
        if task.target_kind == TargetKind.EVENT:
            raise ConfigError(f"task={task.name} is not calibrated: calibration=none")
        if task.target_kind == TargetKind.REAL:
            raise ConfigError(f"task={task.name} predicts no probabilities to calibrate: calibration=none")


class Uncertainty:
    """What is said of each prediction beside it: an interval or a set of classes, and how far members disagree.

    Args:
        conformal: ``absolute`` (as wide everywhere) or ``cqr`` (around predicted quantiles) for values; ``lac`` (the
            smallest sets), ``aps`` or ``raps`` (wider for harder rows, never empty unless ``randomized``) for classes;
            ``none``; or ``auto``: ``cqr`` where quantiles are predicted, ``absolute`` for other values, ``lac`` for
            classes, none for labels.
        level: share of the rows whose interval or set holds what is true, in ``(0, 1)``.
        group: a column of categories, each with thresholds of its own, so that every group is covered (Mondrian).
        by_class: whether each class has a threshold of its own, from the rows of that class, so that rare ones are
            covered like all others (class-conditional sets); not together with ``group``.
        scaling: of the intervals of forecasts, ``window``: as wide as the window that is looked back at moves (see
            :class:`~colonnade.tasks.window_scale.WindowScale`), so that each series has intervals of its size;
            ``none``: as wide for all; or ``auto``: ``window`` where several series are forecast.
        disagreement: whether the members of an ensemble, or those within the network, tell how far they are apart.
        penalty: of ``raps``: added for each class beyond the first ``free`` of a set.
        free: of ``raps``.
        randomized: of ``aps`` and ``raps``: whether the class at which a set ends is in it by chance, as in the papers.
            Then as many rows are covered as the level says, and not more; sets are smaller, and may be empty. The
            chance follows from the raw columns, so that a row has the same set each time (see
            :func:`~colonnade.core.draw.row_draw`).

    Raises:
        ValueError: an unknown method, a number out of range, both ``group`` and ``by_class``, or ``randomized`` with
            another method.
    """

    def __init__(
        self,
        *,
        conformal: str = AUTO,
        level: float = 0.9,
        group: str | None = None,
        by_class: bool = False,
        scaling: str = AUTO,
        disagreement: bool = True,
        penalty: float = 0.01,
        free: int = 1,
        randomized: bool = False,
    ) -> None:
        if conformal not in CONFORMAL:
            named = f"{', '.join(CONFORMAL)}{closest(conformal, CONFORMAL)}"
            raise ValueError(f"conformal={conformal} must be one of {named}")
        if scaling not in SCALINGS:
            raise ValueError(f"scaling={scaling} must be one of {', '.join(SCALINGS)}{closest(scaling, SCALINGS)}")
        if not 0 < level < 1:
            raise ValueError(f"level={level} must lie in (0, 1)")
        if not penalty >= 0:
            raise ValueError(f"penalty={penalty} must be at least 0")
        if free < 0:
            raise ValueError(f"free={free} must be at least 0")
        if by_class and group is not None:
            raise ValueError(f"group={group} by_class=true: either has thresholds of its own, choose one")
        if randomized and conformal not in ADAPTIVE:
            raise ValueError(f"randomized=true goes with conformal={' or '.join(ADAPTIVE)}, not {conformal}")
        self.conformal = conformal
        self.by_class = by_class
        self.level = level
        self.group = group
        self.scaling = scaling
        self.disagreement = disagreement
        self.penalty = penalty
        self.free = free
        self.randomized = randomized

    def method(self, task: Task) -> str:
        """The method for a task; ``none`` where there is none.

        Raises:
            ConfigError: the one that is asked for does not fit the task.
        """
        fits = _fitting(task)
        if self.conformal == AUTO:
            return fits[0]
        if self.conformal not in (*fits, NONE):
            raise ConfigError(f"conformal={self.conformal} does not fit task={task.name}; use {' or '.join(fits)}")
        return self.conformal

    def by_window(self, task: Task) -> bool:
        """Whether intervals of a task, which is set up, are stretched by the window."""
        spec = task.spec
        if spec.horizon is None or self.method(task) == NONE:
            return False
        return self.scaling == WINDOW or (self.scaling == AUTO and spec.n_series > 1)

    def check(self, task: Task) -> None:
        """Refuse a method or a scaling that does not fit the task.

        Raises:
            ConfigError: naming both.
        """
        if self.method(task) not in SETS and self.by_class:
            raise ConfigError(f"by_class=true: task={task.name} has no sets of classes")
        if self.scaling == WINDOW and not isinstance(task, ForecastTask):
            raise ConfigError(f"scaling=window: task={task.name} looks back at no window: scaling=auto")


def _fitting(task: Task) -> tuple[str, ...]:
    """Methods for a task, the usual one first."""
    if task.target_kind == TargetKind.CLASS:
        return SETS
    if task.target_kind == TargetKind.REAL:
        return (CQR, ABSOLUTE) if len(task.quantiles) > 1 else (ABSOLUTE,)
    return (NONE,)
