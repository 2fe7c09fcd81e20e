"""Probes: what kind one column looks like, from its type and a sample of its values."""

from __future__ import annotations

import re
import shlex

import polars as pl

from colonnade.core.schema import Kind
from colonnade.data import datetimes
from colonnade.data.cast import FALSE, TRUE, strip_and_blank
from colonnade.data.doubts import Doubt, quoted

KEY_NAME = re.compile(
    r"(^|[_\W])(id|ids|key|uuid|guid|rownames?|row_?nr|row_?id|index|instant|no|nr)$|[a-z]I[Dd]$", re.I
)
_TIME_NAME = re.compile(r"year|month|week|day|hour|date|time|step|period|quarter|age$", re.I)
_PAIRS = ({"true", "false"}, {"yes", "no"}, {"y", "n"}, {"t", "f"})
_SCALES = tuple(
    words.split(",")
    for words in (
        "very low,low,medium,high,very high",
        "low,moderate,high",
        "xs,s,m,l,xl,xxl",
        "very small,small,medium,large,very large",
        "never,rarely,sometimes,often,always",
        "very poor,poor,fair,good,very good,excellent",
        "poor,average,good,excellent",
        "none,mild,moderate,severe",
        "strongly disagree,disagree,neutral,agree,strongly agree",
        "very dissatisfied,dissatisfied,neutral,satisfied,very satisfied",
        "first,second,third,fourth,fifth",
    )
)
"""Words that have an order, whatever their case and whether blanks, hyphens or underscores part them."""
_LIKE_NUMBERS = 0.95
_MIN_ROWS = 20
"""Fewer rows than this say nothing about a column being a key."""


class Probe:
    """Looks at one column.

    Args:
        whole: the column as read.
        sample: some of its rows, spread over the file; the column itself when it is short.
        missing: tokens that mean missing.
        target: it is a target, and so no key; 0/1 and yes/no stay as the labels they are.
    """

    def __init__(self, whole: pl.Series, sample: pl.Series, missing: tuple[str, ...], *, target: bool) -> None:
        self.whole = whole
        self.sample = sample
        self.missing = missing
        self.target = target
        self.doubts: list[Doubt] = []
        self.format: str | None = None
        self.levels: tuple[str, ...] | None = None

    def kind(self) -> Kind:
        """The kind that the values suggest.

        Remarks are left in ``doubts``, the format of dates in ``format``, the order of known words in ``levels``.
        """
        dtype = self.whole.dtype
        if dtype == pl.Boolean:
            return Kind.BOOLEAN
        if dtype in (pl.Date, pl.Datetime):
            return Kind.DATETIME
        if dtype.is_integer():
            return self._integer()
        if dtype.is_float() or dtype.is_decimal():
            return self._float()
        if dtype in (pl.Duration, pl.Time, pl.Null):
            return Kind.NUMERIC
        if dtype in (pl.Categorical, pl.Enum):
            return Kind.CATEGORICAL
        return self._string()

    def _doubt(self, kind: str, text: str) -> None:
        self.doubts.append(Doubt(self.whole.name, kind, text))

    def _key(self) -> str:
        return f"data.columns.{quoted(self.whole.name)}"

    def _integer(self) -> Kind:
        low, high = self.whole.min(), self.whole.max()
        if low is None or high is None or self.target:
            return Kind.INTEGER
        if low == 0 and high == 1:
            return Kind.BOOLEAN
        name, n = self.whole.name, len(self.whole)
        named = bool(KEY_NAME.search(name))
        # A dense run of distinct integers is a row number; it is proved on the whole column, and only where possible.
        dense = high - low == n - 1 and not _TIME_NAME.search(name)  # type: ignore[operator]
        if n >= _MIN_ROWS and (dense or named) and self.whole.null_count() == 0 and self._is_unique():
            self._doubt(
                "id", f"a different integer in every row: taken for a key, left out; keep it with {self._key()}=integer"
            )
            return Kind.ID
        if named and self.sample.n_unique() > 20:
            self._doubt(
                "id", f"named like a key and repeated: taken for categories; {self._key()}=integer if it is a quantity"
            )
            return Kind.CATEGORICAL
        self._doubt_hidden_dates(int(low), int(high))  # type: ignore[arg-type]
        return Kind.INTEGER

    def _doubt_hidden_dates(self, low: int, high: int) -> None:
        day = low >= 19000101 and high <= 21001231 and low % 100 in range(1, 32) and low // 100 % 100 in range(1, 13)
        named = re.search(r"time|date|stamp", self.whole.name, re.I) is not None
        epoch = named and any(1e8 * s <= low and high <= 5e9 * s for s in (1, 1e3, 1e6))
        if day or epoch:
            written = "yyyymmdd" if day else "time since 1970"
            self._doubt("date", f"looks like dates written as {written}: {self._key()}=datetime")

    def _float(self) -> Kind:
        if self.target:
            values = self.sample.drop_nulls().drop_nans().unique()
            if len(values) <= 20 and len(values) and (values == values.round()).all():
                return Kind.INTEGER
        return Kind.NUMERIC

    def _string(self) -> Kind:
        present = strip_and_blank(self.sample, self.missing).drop_nulls()
        values = present.unique(maintain_order=True)
        if len(values) == 0:
            return Kind.CATEGORICAL
        if not self.target and set(values.head(3).str.to_lowercase().to_list()) in _PAIRS and self._all_boolean():
            return Kind.BOOLEAN
        numbers = self._count_numbers(values)
        if numbers is not None:
            return numbers
        formats = datetimes.find_formats(values, _LIKE_NUMBERS)
        if formats:
            return self._datetime(formats)
        self._doubt_written_numbers(values)
        return self._words(present, values)

    def _count_numbers(self, values: pl.Series) -> Kind | None:
        """Integer or numeric text, decided on every row, since one late decimal point makes a column numeric."""
        parsed = values.cast(pl.Float64, strict=False)
        if parsed.count() < _LIKE_NUMBERS * len(values):
            if parsed.count() >= 0.5 * len(values):
                bad = values.filter(parsed.is_null()).head(3).to_list()
                self._doubt("mixed", f"numbers and text such as {', '.join(map(repr, bad))}: taken for categories")
            return None
        if self.whole.str.contains(r"^\s*[+-]?0\d").any():
            self._doubt(
                "zeros", f"digits with leading zeros: kept as text; {self._key()}=integer if they are quantities"
            )
            return None
        few = self.target and len(values) <= 20
        if not few and not _are_whole(values):
            return Kind.NUMERIC
        integers = self.whole.cast(pl.Int64, strict=False)
        rest = strip_and_blank(self.whole.filter(integers.is_null()), self.missing).drop_nulls()
        if len(rest):
            if rest.str.contains(r"^[+-]?\d{19,}$").any():
                self._doubt("id", "digits beyond 64 bits: kept as text")
                return None
            if not _are_whole(rest) and not (few and _are_whole(values, written_with_point=True)):
                return Kind.NUMERIC
        if self.target:
            return Kind.INTEGER
        typed = Probe(integers, integers, self.missing, target=False)
        kind = typed._integer()
        self.doubts += typed.doubts
        return kind

    def _all_boolean(self) -> bool:
        whole = strip_and_blank(self.whole, self.missing).drop_nulls()
        return bool(whole.str.to_lowercase().is_in([*TRUE, *FALSE]).all()) and whole.str.to_lowercase().n_unique() <= 2

    def _datetime(self, formats: list[str]) -> Kind:
        self.format = None if formats[0] == datetimes.ISO else formats[0]
        if len(formats) > 1:
            other = f"{self._key()}='datetime:{formats[1]}'"
            self._doubt("date", f"day and month cannot be told apart: read as {formats[0]}; else {other}")
        else:
            self._doubt("date", f"dates written as text ({'ISO' if self.format is None else self.format})")
        return Kind.DATETIME

    def _doubt_written_numbers(self, values: pl.Series) -> None:
        tests = (
            (r"^[+-]?\d+,\d+$", "decimal commas", "data.decimal=','"),
            (r"^[$€£¥]?\s?[+-]?\d{1,3}(,\d{3})+(\.\d+)?$", "thousands separators", f"{self._key()}=numeric"),
            (
                r"^([$€£¥]\s?[+-]?[\d,.]+|[+-]?[\d,.]+\s?[$€£¥%])$",
                "a currency sign or per cent",
                f"{self._key()}=numeric",
            ),
        )
        shares = [(values.str.contains(pattern).mean() or 0.0, what, fix) for pattern, what, fix in tests]
        # 1,234 fits both of the first two; thousands are meant when every comma is followed by three digits.
        share, what, fix = shares[1] if shares[1][0] >= shares[0][0] else shares[0]  # type: ignore[operator]
        if shares[2][0] > share:  # type: ignore[operator]
            share, what, fix = shares[2]
        if share >= 0.9:  # type: ignore[operator]
            self._doubt("number", f"numbers with {what} are taken for text: {fix}")

    def _words(self, present: pl.Series, values: pl.Series) -> Kind:
        if self.target:
            return Kind.CATEGORICAL
        if len(values) <= 6 and self._has_order(values):
            return Kind.ORDINAL
        spaces = int(values.str.count_matches(r"\s").sum()) / len(values)
        if len(values) == len(present) >= _MIN_ROWS and spaces < 0.5 and self._is_unique():
            self._doubt(
                "id",
                f"a different text in every row: taken for a key, left out; keep it with {self._key()}=categorical",
            )
            return Kind.ID
        if spaces >= 2 and len(values) > 50 and len(values) > 0.2 * len(present):
            distinct = len(values) / len(present)
            self._doubt(
                "text", f"free text, {distinct:.0%} of it distinct: coded as categories; features=sentences embeds it"
            )
            return Kind.TEXT
        return Kind.CATEGORICAL

    def _has_order(self, values: pl.Series) -> bool:
        """Whether the words are those of a scale; settled on every row, and left in ``levels``."""
        if _ordered(values) is not None:
            self.levels = _ordered(strip_and_blank(self.whole, self.missing).drop_nulls().unique())
        if self.levels is None:
            return False
        listed = f"[{','.join(self.levels)}]"
        listed = shlex.quote(listed) if " " in listed else listed
        self._doubt(
            "order",
            f"words of a known scale: taken for data.levels.{quoted(self.whole.name)}={listed}; "
            f"{self._key()}=categorical if they have no order",
        )
        return True

    def _is_unique(self) -> bool:
        if self.sample.n_unique() < len(self.sample) and self.sample.null_count() <= 1:
            return False
        present = self.whole.drop_nulls()
        return present.n_unique() == len(present)


def _ordered(words: pl.Series) -> tuple[str, ...] | None:
    """Three or more words in the order of the scale that holds them all; two ways to write one of them are no scale."""
    by_name = {re.sub(r"[\s_-]+", " ", word).lower(): word for word in words.to_list()}
    if not 3 <= len(by_name) == len(words):
        return None
    scale = next((names for names in _SCALES if by_name.keys() <= set(names)), None)
    return None if scale is None else tuple(by_name[name] for name in scale if name in by_name)


def _are_whole(values: pl.Series, written_with_point: bool = False) -> bool:
    """Whether all numbers among some text are integers; ``3.0`` counts only as a label."""
    floats = values.cast(pl.Float64, strict=False)
    if written_with_point:
        return bool((floats == floats.round()).drop_nulls().all())
    return bool(values.filter(floats.is_not_null()).str.contains(r"^[+-]?\d+$").all())
