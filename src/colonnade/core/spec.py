"""BatchSpec: all that a network may know of the data, so that nothing about the data is typed twice."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import Any

from torch import Tensor

from colonnade.core.batch import Batch


@dataclass
class BatchSpec:
    """Counts, cardinalities and scales of the encoded data.

    Args:
        num_names: encoded numeric columns, in the order of ``Batch.num``.
        cat_names: encoded categorical columns, in the order of ``Batch.cat``.
        cardinalities: number of codes of each categorical column, the missing (0) and unknown (1) slots included.
        target_kind: a :class:`~colonnade.core.schema.TargetKind` value.
        target_names: names of the target columns.
        classes: labels in class order, for a ``class`` target, and for the type of an ``event``.
        class_counts: train rows of each class (``class``), or positive train rows of each label (``multilabel``).
        target_mean, target_scale: of each ``real`` target, and of the time of an ``event``; the decoder gives ``value *
            scale + mean``.
        n_train: number of train rows.
        out_shape: shape of the output of one member for one row; set from the task before a network is built.
        roles: of each number that the task asks for a target, see :attr:`colonnade.tasks.base.Task.roles`; set with
            ``out_shape``.
        n_steps: steps of the longest train sequence; None for tables.
        horizon: steps that are forecast; None: nothing is. Then ``target_names`` are those of all steps ahead, and
            ``n_steps`` is how many are looked back at.
        channels: positions in ``num_names`` of what is forecast.
        known: of a forecast, encoded columns that are known at the steps that are forecast. Where there are any, a
            window in ``Batch`` has ``n_steps + horizon`` steps; of the last ``horizon`` nothing else may be looked at.
        static: encoded columns that are the same in all steps of a series.
        season: steps of a season of what is forecast; 1: none is known.
        n_series: of a forecast, how many series it was trained on.
        naive_error: of what is forecast at each step, as ``target_names`` stand: mean absolute difference of the train
            steps to those a season before, in the units of the target.
        counts: whether all steps of what is forecast are 0, 1, 2, ...
        gaps: whether values of what is forecast may be missing: they are NaN in ``Batch.target``.
        num_sample: encoded numeric train rows ``(S, F)``, from which embeddings take their bins; not stored: the bins
            are buffers of the network.
        train_rows: all encoded train rows with targets and ids, as views of the store: what networks that look rows up
            keep, and where initialisations that depend on data look; not stored: both are in the network's state.
    """

    num_names: tuple[str, ...]
    cat_names: tuple[str, ...]
    cardinalities: tuple[int, ...]
    target_kind: str
    target_names: tuple[str, ...]
    classes: tuple[str, ...] = ()
    class_counts: tuple[int, ...] = ()
    target_mean: tuple[float, ...] = ()
    target_scale: tuple[float, ...] = ()
    n_train: int = 0
    out_shape: tuple[int, ...] = ()
    roles: tuple[str, ...] = ()
    n_steps: int | None = None
    horizon: int | None = None
    channels: tuple[int, ...] = ()
    known: tuple[str, ...] = ()
    static: tuple[str, ...] = ()
    season: int = 1
    n_series: int = 1
    naive_error: tuple[float, ...] = ()
    counts: bool = False
    gaps: bool = False
    num_sample: Tensor | None = field(default=None, compare=False, repr=False)
    train_rows: Batch | None = field(default=None, compare=False, repr=False)

    @property
    def n_num(self) -> int:
        """Number of encoded numeric columns."""
        return len(self.num_names)

    @property
    def n_cat(self) -> int:
        """Number of encoded categorical columns."""
        return len(self.cat_names)

    @property
    def ahead(self) -> int:
        """Steps that a window goes on beyond its context."""
        return self.horizon or 0 if self.known else 0

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON data, without rows."""
        data = asdict(self.bare())
        del data["num_sample"], data["train_rows"]
        return data

    def bare(self) -> BatchSpec:
        """The same without rows: what a stored network is rebuilt from."""
        return replace(self, num_sample=None, train_rows=None)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> BatchSpec:
        """Restore from :meth:`to_dict`."""
        values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in data.items()}
        return cls(**values)
