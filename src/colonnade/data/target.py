"""Target coding: class labels to indices, several labels to 0/1, real values to a standard scale, events to both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl
import torch
from torch import Tensor

from colonnade.core.errors import DataError, collect
from colonnade.core.schema import Schema, TargetKind

# Torch's losses skip rows of this index without a word.
IGNORE_INDEX = -100
# Text that a multi-label column may hold for its two values, besides numbers and booleans.
LABEL_TEXT = {"0": 0.0, "1": 1.0, "0.0": 0.0, "1.0": 1.0, "false": 0.0, "true": 1.0}
_SHOWN = 5


@dataclass(frozen=True)
class TargetCoder:
    """Codes of the target columns, learned from the train rows.

    Args:
        kind: what the target is to a task.
        names: target columns; one for a class, type and time of an event, one or more otherwise.
        classes: labels in class order, as text; empty unless ``kind`` is ``class`` or ``event``.
        mean, scale: of each real target over the train rows, 0 and 1 when not standardised; ``value = code * scale +
            mean``. Of the time of an event 0 and its mean.
        gaps: whether real targets may be missing; they are NaN then.
    """

    kind: TargetKind
    names: tuple[str, ...]
    classes: tuple[str, ...] = ()
    mean: tuple[float, ...] = ()
    scale: tuple[float, ...] = ()
    gaps: bool = False

    @classmethod
    def fit(
        cls,
        frame: pl.DataFrame,
        schema: Schema,
        kind: TargetKind,
        *,
        standardise: bool,
        row_ids: np.ndarray | None = None,
    ) -> TargetCoder:
        """Learn classes, or mean and population standard deviation.

        Classes stand in the order of the schema's levels where it declares them, otherwise sorted: labels that are all
        numbers by value, others as text.

        Args:
            frame: train rows, typed as the schema says.
            schema: names the targets.
            kind: what the target is to the task.
            standardise: bring real targets to mean 0 and standard deviation 1.
            row_ids: ``(N,)`` position of each row in its source, for messages; None: position in ``frame``.

        Raises:
            DataError: no target, a missing or infinite target, one class only, a constant target, a label that is not
                0/1, a real target that is no number.
        """
        names = schema.targets
        if frame.is_empty():
            raise DataError("no train rows: check the filters of data: and the shares of split:")
        check_target(frame, schema, kind, row_ids=row_ids)
        match kind:
            case TargetKind.CLASS:
                classes = _classes(frame[names[0]], schema.columns[names[0]].levels)
                if len(classes) < 2:
                    raise DataError(
                        f"target '{names[0]}': all {frame.height} train rows are of one class '{classes[0]}'; "
                        "nothing can be learned: check data.target= and the split"
                    )
                return cls(kind=kind, names=names, classes=classes)
            case TargetKind.MULTILABEL:
                labels = _labels(frame, names, row_ids)
                with collect(DataError, "target") as faults:
                    for name, share in zip(names, labels.mean(axis=0)):
                        if share in (0.0, 1.0):
                            faults.add(f"label '{name}' is {share:.0f} in all train rows; leave it out of data.target")
                return cls(kind=kind, names=names)
            case TargetKind.REAL:
                values = _reals(frame, names)
                with np.errstate(over="ignore"):
                    mean, scale = values.mean(axis=0), values.std(axis=0)
                with collect(DataError, "target") as faults:
                    for name, low, high, spread in zip(names, values.min(axis=0), values.max(axis=0), scale):
                        if low == high:
                            faults.add(f"'{name}' is {low:g} in all {frame.height} train rows: nothing can be learned")
                        elif not 0 < spread < np.inf:
                            faults.add(f"'{name}' runs from {low:g} to {high:g}: bring it to another unit")
                if not standardise:
                    mean, scale = np.zeros_like(mean), np.ones_like(scale)
                return cls(kind=kind, names=names, mean=tuple(mean.tolist()), scale=tuple(scale.tolist()))
            case TargetKind.EVENT:
                of_type = cls.fit(
                    frame, replace(schema, targets=names[:1]), TargetKind.CLASS, standardise=False, row_ids=row_ids
                )
                mean_time = float(_times(frame, names[1], row_ids).mean())
                if not mean_time > 0:
                    raise DataError(f"target '{names[1]}': all events of the train rows come at once")
                return cls(kind=kind, names=names, classes=of_type.classes, mean=(0.0,), scale=(mean_time,))

    def encode(
        self, frame: pl.DataFrame, *, row_ids: np.ndarray | None = None, where: str = "data", new: bool = False
    ) -> Tensor:
        """Targets as :class:`~colonnade.core.batch.Batch` holds them.

        Args:
            frame: ``N`` typed rows with the target columns.
            row_ids: ``(N,)`` position of each row in its source, for messages; None: position in ``frame``.
            where: what the rows are ("test rows"), for messages.
            new: the rows are of a further file, so that the split is no remedy.

        Returns:
            Class index ``(N,)`` int64, labels ``(N, L)`` float32, standardised values ``(N, T)`` float32, or class
            index and time over its mean ``(N, 2)`` float32.

        Raises:
            DataError: a missing or infinite target, a class that the train rows lack, a label that is not 0/1.
        """
        if not self.gaps:
            _check_present(frame, self.names, row_ids, new=new)
        match self.kind:
            case TargetKind.CLASS:
                return torch.from_numpy(self._indices(frame[self.names[0]], where, new=new))
            case TargetKind.MULTILABEL:
                return torch.from_numpy(_labels(frame, self.names, row_ids).astype(np.float32))
            case TargetKind.REAL:
                values = (_reals(frame, self.names) - np.asarray(self.mean)) / np.asarray(self.scale)
                return torch.from_numpy(values.astype(np.float32))
            case TargetKind.EVENT:
                kinds = self._indices(frame[self.names[0]], where, new=new)
                times = _times(frame, self.names[1], row_ids) / self.scale[0]
                return torch.from_numpy(np.stack([kinds, times], axis=1).astype(np.float32))

    def counts(self, target: Tensor) -> tuple[int, ...]:
        """Rows of each class or type, or positive rows of each label, in encoded targets; empty for real targets."""
        match self.kind:
            case TargetKind.EVENT:
                return tuple(torch.bincount(target[:, 0].long(), minlength=len(self.classes)).tolist())
            case TargetKind.CLASS:
                return tuple(torch.bincount(target, minlength=len(self.classes)).tolist())
            case TargetKind.MULTILABEL:
                return tuple(int(n) for n in target.sum(0, dtype=torch.float64).tolist())
            case TargetKind.REAL:
                return ()

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON data; :meth:`from_dict` restores an equal coder."""
        return {
            "kind": self.kind.value,
            "names": list(self.names),
            "classes": list(self.classes),
            "mean": list(self.mean),
            "scale": list(self.scale),
            "gaps": self.gaps,
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> TargetCoder:
        """Restore from :meth:`to_dict`."""
        return cls(
            kind=TargetKind(data["kind"]),
            names=tuple(data["names"]),
            classes=tuple(data["classes"]),
            mean=tuple(data["mean"]),
            scale=tuple(data["scale"]),
            # Earlier versions had none.
            gaps=data.get("gaps", False),
        )

    def _indices(self, column: pl.Series, where: str, *, new: bool) -> np.ndarray:
        text = column.cast(pl.String)
        codes = text.cast(pl.Enum(self.classes), strict=False).to_physical()
        if codes.null_count():
            counts = text.filter(codes.is_null()).value_counts(sort=True)
            unseen = ", ".join(f"'{label}' ({n} rows)" for label, n in counts.head(_SHOWN).iter_rows())
            more = f" and {counts.height - _SHOWN} more" if counts.height > _SHOWN else ""
            fix = "split with split=stratified, or group or drop rare classes"
            if new:
                fix = f"leave those rows out, or train on rows of them; known: {', '.join(self.classes[: _SHOWN * 2])}"
            raise DataError(
                f"target '{column.name}': {where} hold classes that the train rows lack: {unseen}{more}; {fix}"
            )
        return codes.cast(pl.Int64).to_numpy().copy()


def check_target(frame: pl.DataFrame, schema: Schema, kind: TargetKind, *, row_ids: np.ndarray | None = None) -> None:
    """Refuse targets that are not named, missing, infinite, or of a type that the task cannot use.

    Args:
        frame: typed rows.
        schema: names the targets.
        kind: what the target is to the task.
        row_ids: ``(N,)`` position of each row in its source, for messages; None: position in ``frame``.

    Raises:
        DataError: with the number of such rows and the first of them, for all columns at once.
    """
    names = schema.targets
    if not names:
        raise DataError("no target column is named: set data.target=<column>")
    if kind is TargetKind.CLASS and len(names) > 1:
        raise DataError(f"a class target is one column, but data.target names {len(names)}: {', '.join(names)}")
    if kind is TargetKind.EVENT and len(names) != 2:
        raise DataError(f"an event has a type and a time, and data.target names {', '.join(names)}: [type,elapsed]")
    _check_present(frame, names, row_ids, notes={name: schema.columns[name].note for name in names})
    with collect(DataError, "target") as faults:
        for name in names:
            dtype = frame.schema[name]
            if kind is TargetKind.REAL and not (dtype.is_numeric() or dtype == pl.Boolean):
                faults.add(f"'{name}' is {schema.columns[name].kind}, but a regression task needs numbers: task=auto")
            if kind is TargetKind.CLASS and dtype.is_integer():
                ignored = frame[name] == IGNORE_INDEX
                if ignored.any():
                    faults.add(
                        f"'{name}' is {IGNORE_INDEX} in {_rows(ignored, row_ids)}; torch takes that for 'ignore'; "
                        "drop those rows, or give the class another number"
                    )


def _check_present(
    frame: pl.DataFrame,
    names: Sequence[str],
    row_ids: np.ndarray | None,
    *,
    new: bool = False,
    notes: Mapping[str, str] | None = None,
) -> None:
    fix = "leave those rows out" if new else "leave those rows out with data.drop_missing_target=true"
    with collect(DataError, "target") as faults:
        for name in names:
            column = frame[name]
            absent = column.is_null()
            if column.dtype.is_float():
                absent |= ~column.is_finite().fill_null(True)
            if absent.any():
                # Such as: NA was read as missing.
                note = f" ({notes[name]})" if notes and notes[name] else ""
                faults.add(
                    f"'{name}' is missing or infinite in {_rows(absent, row_ids)}{note}; mend the data, or {fix}"
                )


def _rows(mask: pl.Series, row_ids: np.ndarray | None) -> str:
    """``"3 of 9 rows (from 0: 1, 4, 5)"``, the first few of them."""
    at = mask.arg_true().to_numpy()
    ids = at if row_ids is None else row_ids[at]
    shown = ", ".join(str(i) for i in ids[:_SHOWN]) + (", ..." if len(ids) > _SHOWN else "")
    return f"{len(at)} of {len(mask)} rows (from 0: {shown})"


def _classes(column: pl.Series, levels: tuple[str, ...] | None) -> tuple[str, ...]:
    present: list[str] = column.cast(pl.String).unique().to_list()
    if levels is not None:
        rank = {level: i for i, level in enumerate(levels)}
        return tuple(sorted(present, key=lambda label: (rank.get(label, len(rank)), label)))
    try:
        return tuple(sorted(present, key=lambda label: (float(label), label)))
    except ValueError:
        return tuple(sorted(present))


def _labels(frame: pl.DataFrame, names: Sequence[str], row_ids: np.ndarray | None) -> np.ndarray:
    """``(N, L)`` float64 of 0 and 1."""
    columns = []
    with collect(DataError, "target") as faults:
        for name in names:
            column = frame[name]
            if column.dtype == pl.String:
                column = column.str.to_lowercase().replace_strict(LABEL_TEXT, default=None, return_dtype=pl.Float64)
            column = column.cast(pl.Float64)
            wrong = ~column.is_in([0.0, 1.0]).fill_null(False)
            if wrong.any():
                examples = frame[name].filter(wrong).unique(maintain_order=True).head(_SHOWN).to_list()
                faults.add(f"label '{name}' must be 0 or 1, but is {examples} in {_rows(wrong, row_ids)}")
            columns.append(column.fill_null(0.0).to_numpy())
    return np.stack(columns, axis=1)


def _times(frame: pl.DataFrame, name: str, row_ids: np.ndarray | None) -> np.ndarray:
    """``(N,)`` float64, 0 and above."""
    if not frame.schema[name].is_numeric():
        raise DataError(
            f"target '{name}' holds {frame.schema[name]}: the time of an event is a number, such as elapsed"
        )
    values = frame[name].cast(pl.Float64)
    if (values < 0).any():
        raise DataError(f"target '{name}', the time of an event, is negative in {_rows(values < 0, row_ids)}")
    return values.to_numpy()


def _reals(frame: pl.DataFrame, names: Sequence[str]) -> np.ndarray:
    """``(N, T)`` float64."""
    return np.stack([frame[name].cast(pl.Float64).to_numpy() for name in names], axis=1)
