"""Leakage: columns that give the target away, and rows that the splits share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import lgamma, log

import numpy as np
import polars as pl

from colonnade.core.errors import Faults, LeakageError, closest
from colonnade.core.schema import Kind, Schema, TargetKind
from colonnade.data.doubts import dense_ranks, listed, quoted

_SAMPLE = 20_000
_STOP_CLASS, _STOP_REAL = 0.995, 0.9995
_SUSPECT_CLASS, _SUSPECT_REAL = 0.85, 0.97
_MANY_ROWS = 1000
"""With fewer rows a legitimate threshold may part the classes by chance; only a copy of the target stops a run then."""
_MIN_ROWS = 40
"""With fewer rows nothing can be learned from one half and told of the other; only what holds in every row counts."""
_LEAST_ROWS = 10
_GLANCE = 500
"""Rows that rule most columns out before all rows are looked at."""
_GLANCE_COLUMNS = 6
"""Columns of numbers that tell all rows apart, if any do."""
_CHANCE = 2e-5
"""A column that fits the target in every row is a leak where shuffled rows would fit less often than this."""
_COMPANION = 0.6


@dataclass(frozen=True)
class Leak:
    """A feature that says too much.

    Args:
        column: its name.
        score: share of the error of guessing that knowing this column alone removes on unseen rows: 1 is a copy.
        text: what was measured, and the fix.
        stops: whether a run must not go on unless the column is waived.
        copies: its values, not their absence, give the target away.
    """

    column: str
    score: float
    text: str
    stops: bool
    copies: bool = False


def find_leaks(frame: pl.DataFrame, schema: Schema, kind: TargetKind) -> list[Leak]:
    """Measure what each feature alone says about the target.

    First exactly, on some 20,000 rows. Classes leak when each value of a column, of which there are at most twice as
    many as classes, goes with one class in every row, or its presence does. Numbers leak when they stand in the same or
    the opposite order as the column in every row, as copies, other units and monotone functions do; a time is let pass,
    since much grows with it. Either may happen by chance in few rows: that is weighed as the number of ways to fit over
    the number of orders that the values of the target can take.

    Then on rows that it was not learned from. Half of the rows give the table "value -> majority class" (or mean), the
    other half is predicted by the same value, or for numbers and times by the nearest (classes) or by interpolation
    (numbers). A key that differs in every row therefore predicts nothing and is no leak, while a copy, a recoding or a
    monotone function of the target scores 1. Whether a value is present at all is measured too: a field that is filled
    in after the outcome tells it by being there. Numbers that move with such a leak are suspects. Columns that leak
    only together (two summands of a target) are beyond this test.

    Args:
        frame: typed by the schema.
        schema: with targets.
        kind: kind of the target.

    Returns:
        Leaks and suspects, the clearest first.
    """
    sample = _labelled(frame, schema)
    if sample.height < _LEAST_ROWS:
        return []
    worst: dict[str, Leak] = {}
    copies: list[str] = []
    for target, judge in _judges(sample, schema, kind):
        for name in schema.features:
            leak = judge(sample[name], _kind_of(name, schema), target)
            if leak is not None and (name not in worst or leak.score > worst[name].score):
                worst[name] = leak
                copies += [name] if leak.copies else []
    worst |= {leak.column: leak for leak in _companions(sample, schema, copies) if leak.column not in worst}
    return sorted(worst.values(), key=lambda leak: (not leak.stops, -leak.score))


def leak_scores(frame: pl.DataFrame, schema: Schema, kind: TargetKind) -> dict[str, float]:
    """The score of :class:`Leak` of every feature, of several targets the highest; NaN where nothing can be measured.

    Args:
        frame, schema, kind: see :func:`find_leaks`.
    """
    sample = _labelled(frame, schema)
    scores = dict.fromkeys(schema.features, float("nan"))
    if sample.height < _MIN_ROWS:
        return scores
    for _, judge in _judges(sample, schema, kind):
        for name in schema.features:
            found = judge.score(sample[name], _kind_of(name, schema))
            scores[name] = float(np.fmax(scores[name], found))
    return scores


def _labelled(frame: pl.DataFrame, schema: Schema) -> pl.DataFrame:
    """Some 20,000 rows that have a target, shuffled."""
    labelled = pl.all_horizontal(pl.col(schema.targets).is_not_null())
    sample = frame.gather_every(max(1, frame.height // _SAMPLE)).filter(labelled)
    return sample.sample(fraction=1.0, shuffle=True, seed=0)


def _judges(sample: pl.DataFrame, schema: Schema, kind: TargetKind) -> Iterator[tuple[str, _Judge]]:
    """Each target, and who scores columns against it."""
    learn = np.arange(sample.height) % 2 == 0
    real = kind is TargetKind.REAL
    for target in schema.targets:
        y = sample[target].cast(pl.Float64).to_numpy() if real else dense_ranks(sample[target])
        yield target, _Judge(y, learn, real=real)


def _kind_of(name: str, schema: Schema) -> Kind:
    return Kind.DATETIME if name == schema.time else schema.columns[name].kind


def check_leaks(frame: pl.DataFrame, schema: Schema, kind: TargetKind, *, waive: Sequence[str] = ()) -> list[str]:
    """Stop when a column gives the target away.

    Args:
        frame: typed by the schema.
        schema: with targets.
        kind: kind of the target.
        waive: columns that are known to be legitimate.

    Returns:
        Texts for the record: suspects, and leaks that were waived.

    Raises:
        LeakageError: leaks that are not waived, all together; a waived name that is no column.
    """
    faults, notes = Faults(), []
    for name in waive:
        if name not in schema.columns:
            faults.add(f"data.waive names {name!r}, which is no column{closest(name, schema.columns)}")
    faults.raise_if_any(LeakageError)
    for leak in find_leaks(frame, schema, kind):
        if leak.column in waive:
            notes.append(f"{leak.text} (waived)")
        elif leak.stops:
            out = f"data.exclude.{quoted(leak.column)}=leak leaves it out"
            faults.add(f"{leak.text}; {out}, data.waive={listed(leak.column)} if it is known beforehand")
        else:
            notes.append(leak.text)
    faults.raise_if_any(LeakageError, "the target leaks into the features")
    return notes


def duplicates(frame: pl.DataFrame, parts: Mapping[str, np.ndarray]) -> dict[str, int]:
    """Count the rows of a part whose values also stand in an earlier part.

    Args:
        frame: the features alone.
        parts: row positions by name, in the order train, val, test.

    Returns:
        For example ``{"val in train": 3, "test in train": 5, "test in val": 0}``.
    """
    if frame.width == 0:
        return {}
    names = list(parts)
    pairs = [(later, earlier) for i, later in enumerate(names) for earlier in names[:i]]
    some = frame.select(pl.selectors.float())[:, :_GLANCE_COLUMNS]
    if some.width and _differ(some):
        return {f"{later} in {earlier}": 0 for later, earlier in pairs}
    hashes = frame.hash_rows(seed=0)
    rows = {name: hashes.gather(pl.Series(index, dtype=pl.UInt32)) for name, index in parts.items()}
    known = {name: rows[name].unique().implode() for name in names[:-1]}
    return {f"{later} in {earlier}": int(rows[later].is_in(known[earlier]).sum()) for later, earlier in pairs}


def _differ(frame: pl.DataFrame) -> bool:
    """Whether no two rows are equal."""
    hashes = np.sort(frame.hash_rows(seed=0).to_numpy())  # several times as fast as a table of them
    return bool((hashes[1:] != hashes[:-1]).all())


def _companions(sample: pl.DataFrame, schema: Schema, copies: list[str]) -> list[Leak]:
    """Numbers that move with a number that gives the target away: they may be known only after it, too."""
    numbers = [n for n in schema.features if schema.columns[n].kind.is_number]
    found: dict[str, Leak] = {}
    for source in set(copies) & set(numbers):
        others = [n for n in numbers if n not in copies]
        if not others:
            break
        row = sample.select(pl.corr(source, n, method="spearman").fill_nan(None).alias(n) for n in others).row(
            0, named=True
        )
        for name, r in row.items():
            if r is not None and abs(r) >= _COMPANION and abs(r) > (found[name].score if name in found else 0):
                text = f"column '{name}' moves with '{source}', which leaks (rank correlation {r:.2f})"
                found[name] = Leak(name, abs(r), text, stops=False)
    return list(found.values())


class _Judge:
    """Scores columns against one target."""

    def __init__(self, y: np.ndarray, learn: np.ndarray, *, real: bool) -> None:
        self.real = real
        self.learn = learn
        if not real:
            y = np.unique(y, return_inverse=True)[1]
        self.y = y
        self.classes = 0 if real else int(y.max()) + 1
        self.seen, self.unseen = y[learn], y[~learn]
        if real:
            self.guess = float(self.seen.mean())
            self.base = float(np.square(self.unseen - self.guess).mean())
        else:
            self.guess = float(np.bincount(self.seen).argmax())
            self.base = float((self.unseen != self.guess).mean())

    def __call__(self, column: pl.Series, kind: Kind, target: str) -> Leak | None:
        missing = column.is_null().to_numpy()
        if missing.all():
            return None
        name, values = column.name, 0 if self.real else self._count(column)
        x, ordered = self._values(column, kind)
        exactly = self._same_order(x, missing, kind) if self.real else self._same_classes(x, missing, values)
        if exactly:
            return Leak(name, 1.0, f"column '{name}' alone foretells the target '{target}': {exactly}", stops=True)
        if len(self.y) < _MIN_ROWS or self.base == 0 or (not self.real and self.base * len(self.unseen) < 10):
            return None
        score = self._score(x, ordered, missing)
        copy = values <= 2 * self.classes if not self.real else False
        enough = len(self.y) >= _MANY_ROWS or copy or self.real
        stop, suspect = (_STOP_REAL, _SUSPECT_REAL) if self.real else (_STOP_CLASS, _SUSPECT_CLASS)
        stops = score >= stop and enough
        text = f"column '{name}' alone foretells the target '{target}': {self._phrase(score)}"
        leak = Leak(name, score, text, stops, copies=stops)
        if stops:
            return leak
        return self._presence(name, missing, target) or (leak if score >= suspect else None)

    def score(self, column: pl.Series, kind: Kind) -> float:
        """Share of the error of guessing that the column removes on the unseen half; NaN where there is no error."""
        missing = column.is_null().to_numpy()
        return float("nan") if self.base == 0 or missing.all() else self._score(*self._values(column, kind), missing)

    def _values(self, column: pl.Series, kind: Kind) -> tuple[np.ndarray, bool]:
        """Numbers, and whether their order means something."""
        if kind.is_number or kind is Kind.DATETIME:
            return column.to_physical().cast(pl.Float64).fill_null(np.nan).to_numpy(), True
        return dense_ranks(column), False

    def _count(self, column: pl.Series) -> int:
        """Distinct values; where they are more than twice as many as classes, at least so many."""
        few = column.head(_GLANCE).n_unique()
        return few if few > 2 * self.classes + 1 else column.n_unique()

    def _same_classes(self, x: np.ndarray, missing: np.ndarray, values: int) -> str:
        """How the classes follow from the column in every row, in words; empty when they do not."""
        there = np.flatnonzero(~missing)
        values -= len(there) < len(x)
        if values <= 2 * self.classes and self._follows(x[there], self.y[there]):
            return f"each of its {values} values goes with one class, in all {len(there):,} rows looked at"
        if len(there) < len(x) and self._follows(missing, self.y):
            return f"it is filled in for one class and empty for the other, in all {len(x):,} rows looked at"
        return ""

    def _follows(self, x: np.ndarray, y: np.ndarray) -> bool:
        """Whether each value goes with one class, and not by chance."""
        for rows in (slice(_GLANCE), slice(None)):
            values, code = np.unique(x[rows], return_inverse=True)
            met = np.zeros((len(values), self.classes), dtype=bool)
            met[code, y[rows]] = True
            if met.sum() > len(values):
                return False
        n, k = len(values), int(met.any(axis=0).sum())
        return _is_no_chance(y, lgamma(n + 1) if n == k else n * log(k))

    def _same_order(self, x: np.ndarray, missing: np.ndarray, kind: Kind) -> str:
        """How numbers rise with the target, or fall, in every row, in words; empty when they do not."""
        if not (kind.is_number or kind is Kind.BOOLEAN):
            return ""
        there = np.flatnonzero(~missing)
        for rows in (there[:_GLANCE], there):
            order = np.argsort(x[rows])
            rises, moves = np.diff(x[rows][order]) > 0, np.diff(self.y[rows][order])
            # Ties of the one must be ties of the other.
            up, down = np.array_equal(rises, np.sign(moves)), np.array_equal(rises, -np.sign(moves))
            if not (up or down):
                return ""
        if not _is_no_chance(self.y[there], log(2)):
            return ""
        equal = np.array_equal(x[there], self.y[there])
        how = "the two are equal" if equal else "the two rise together" if up else "one falls as the other rises"
        return f"{how}, in all {len(there):,} rows looked at"

    def _score(self, x: np.ndarray, ordered: bool, missing: np.ndarray) -> float:
        """Share of the error of guessing that is removed on the unseen half."""
        learn, seen = self.learn, ~missing[self.learn]
        predicted = np.full(len(self.unseen), self.guess)
        if missing[learn].any():
            predicted[missing[~learn]] = self._typical(self.seen[~seen])
        ask = ~missing[~learn]
        if seen.any() and ask.any():
            values, inverse = np.unique(x[learn][seen], return_inverse=True)
            answers = self._answers(inverse, len(values), self.seen[seen])
            predicted[ask] = self._ask(values, answers, x[~learn][ask], ordered)
        error = np.square(predicted - self.unseen).mean() if self.real else (predicted != self.unseen).mean()
        return 1 - float(error) / self.base

    def _typical(self, y: np.ndarray) -> float:
        return float(y.mean()) if self.real else float(np.bincount(y).argmax())

    def _answers(self, value: np.ndarray, n: int, y: np.ndarray) -> np.ndarray:
        """Mean, or most frequent class, of each distinct value."""
        if self.real:
            return np.bincount(value, y, minlength=n) / np.bincount(value, minlength=n)
        pairs, counts = np.unique(value * self.classes + y, return_counts=True)
        at, label = np.divmod(pairs, self.classes)
        order = np.lexsort((counts, at))
        answers = np.empty(n)
        answers[at[order]] = label[order]  # of a value's classes, the most frequent is written last
        return answers

    def _ask(self, values: np.ndarray, answers: np.ndarray, x: np.ndarray, ordered: bool) -> np.ndarray:
        if ordered and self.real:
            return np.interp(x, values, answers)
        right = np.empty(len(x), dtype=np.int64)
        order = np.argsort(x)  # in order they are found several times as fast
        right[order] = np.searchsorted(values, x[order])
        right = right.clip(0, len(values) - 1)
        if ordered:
            left = (right - 1).clip(0)
            return answers[np.where(x - values[left] < values[right] - x, left, right)]
        return np.where(values[right] == x, answers[right], self.guess)

    def _presence(self, name: str, missing: np.ndarray, target: str) -> Leak | None:
        """A class that is certain wherever the column is filled in, or empty; or classes that both sides tell apart."""
        if self.real:
            return None
        sides = {"filled in": np.bincount(self.y[~missing]), "empty": np.bincount(self.y[missing])}
        usual = np.bincount(self.y) / len(self.y)
        right = sum(int(counts.max(initial=0)) for counts in sides.values()) / len(self.y)
        score = 1 - (1 - right) / (1 - float(usual.max()))
        text = f"column '{name}' foretells the target '{target}' by being "
        after = "it may be recorded after the outcome"
        if score >= _SUSPECT_CLASS and min(missing.sum(), (~missing).sum()) >= 50:
            text += f"filled in or empty: that alone is right in {right:.1%} of the rows; {after}"
            return Leak(name, score, text, stops=True)
        for word, counts in sides.items():
            n, top = int(counts.sum()), int(counts.argmax()) if len(counts) else 0
            if n >= 50 and counts[top] >= 0.99 * n and usual[top] <= 0.9:
                share = counts[top] / n
                text += (
                    f"{word}: {share:.1%} of those {n:,} rows are of one class ({usual[top]:.0%} of all are); {after}"
                )
                return Leak(name, float((share - usual[top]) / (1 - usual[top])), text, stops=True)
        return None

    def _phrase(self, score: float) -> str:
        if self.real:
            return f"R2 {score:.4f} on rows it was not learned from"
        right, guess = 1 - (1 - score) * self.base, 1 - self.base
        return f"{right:.2%} of unseen rows are right, guessing gives {guess:.0%}"


def _is_no_chance(y: np.ndarray, ways: float) -> bool:
    """Whether rows in another order would hardly ever fit; ``ways`` to fit as a logarithm."""
    counts = np.unique(y, return_counts=True)[1].tolist()
    return ways + sum(lgamma(n + 1) for n in counts) - lgamma(len(y) + 1) < log(_CHANCE)
