"""Runtime: predictions of an exported file, with onnxruntime and numpy alone.

This file needs nothing else of the package and may be copied. From the command line::

    python -m colonnade.deploy.runtime model.onnx rows.csv > predictions.csv
"""

from __future__ import annotations

import csv
import gzip
import json
import re
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

NUMBERS, TEXTS, TIMES = "numbers", "texts", "times"
TYPES = {NUMBERS: np.float64, TEXTS: object, TIMES: np.int64}
TRUE, FALSE = ("true", "yes", "t", "y", "1"), ("false", "no", "f", "n", "0")
NO_TIME = np.iinfo(np.int64).min  # a missing datetime, as numpy's NaT
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
CPU = ("CPUExecutionProvider",)
PLAIN = ("version", "config_hash", "task", "target_kind")  # facts that are text; others are JSON
PADDING = {NUMBERS: np.nan, TEXTS: "", TIMES: NO_TIME}  # of series, behind their end
# What may stand beside a prediction, in this order.
FURTHER = ("lower", "upper", "disagreement")
# Names of columns that have another meaning in a table of predictions, whatever a label is called.
RESERVED = re.compile(r"(row_id|split|target|fold|weight)$|(prediction|probability|disagreement|target|key)/")


class InputError(ValueError):
    """Rows that a file cannot take; the text names the column, and the value and its row counted from 0."""


class OnnxModel:
    """An exported file, ready to predict.

    Args:
        file: its path, or its bytes.
        threads: of one prediction; None: as many as there are cores.
        providers: of onnxruntime, the first that it has and that can; others need another of its packages.

    Attributes:
        session: of onnxruntime.
        facts: what the file says of itself: ``version``, ``config_hash``, ``task``, ``target_kind``, ``targets``,
            ``classes``, ``quantiles``, ``schema``, ``reading`` and ``inputs``.
        series: of series ``length`` (the input of their lengths), ``context``, ``horizon``, ``ahead``, ``values``.

    Raises:
        InputError: the file was not exported by colonnade.
    """

    def __init__(self, file: Path | str | bytes, *, threads: int | None = None, providers: Sequence[str] = CPU) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        if threads is not None:
            options.intra_op_num_threads = options.inter_op_num_threads = threads
        source = file if isinstance(file, bytes) else str(file)
        try:
            self.session = onnxruntime.InferenceSession(source, options, providers=list(providers))
        except Exception as error:  # its classes are those of a C++ library, and without a common base
            name = "the file" if isinstance(file, bytes) else f"'{file}'"
            raise InputError(f"{name} is no model that onnxruntime can load: {str(error).splitlines()[0]}") from error
        found = self.session.get_modelmeta().custom_metadata_map
        if "inputs" not in found or "reading" not in found:
            raise InputError("the file was not exported by colonnade: it does not say which columns it takes")
        self.facts: dict[str, Any] = {k: v if k in PLAIN else json.loads(v) for k, v in found.items()}
        self.series: dict[str, Any] | None = self.facts.get("series")
        self.outputs = [output.name for output in self.session.get_outputs()]

    @property
    def columns(self) -> list[str]:
        """Raw columns that are needed."""
        return [given["column"] for given in self.facts["inputs"]]

    def predict(self, columns: Mapping[str, Any], *, rows: int = 4096) -> dict[str, np.ndarray]:
        """Predictions of rows, or of series.

        Args:
            columns: ``N`` values by column: arrays or lists of numbers, booleans, text, datetimes; None, NaN, NaT and
                the words for it are missing. Text is read as in a CSV file. Further columns are ignored. Of series, a
                list of steps each; forecasts look at the last ``context``, and ``ahead`` more of what is known ahead.
            rows: at a time; of long series fewer.

        Returns:
            For classes ``label`` ``(N,)`` text and ``probability`` ``(N, C)`` in the order of ``facts["classes"]``;
            for several labels ``label`` and ``probability`` ``(N, L)``; for real targets ``value`` ``(N, T)``, and
            where quantiles are predicted ``quantile`` ``(N, T, Q)``. Where the run has them, also ``lower`` and
            ``upper`` ``(N, T)`` of values, ``set`` ``(N, C)`` of classes, and ``disagreement`` of members ``(N, T)``,
            ``(N, L)`` or, of classes, ``(N,)``. Forecasts have ``(N, horizon)`` or ``(N, horizon, values)`` in the
            place of ``(N, T)``.

        Raises:
            InputError: columns are missing or of different lengths, a value is not of its column's kind, or a
                prediction is not finite.
        """
        feeds = self.feeds(columns)
        first = next(iter(feeds.values()))
        n, rows = len(first), rows if self.series is None else min(rows, at_once(first.shape[1]))
        pieces = [self.session.run(None, self.cut(feeds, start, rows)) for start in range(0, max(n, 1), rows)]
        found = {name: np.concatenate(parts) for name, parts in zip(self.outputs, zip(*pieces))}
        for name, values in found.items():
            if values.dtype.kind == "f" and not np.isfinite(values).all():
                bad = np.flatnonzero(~np.isfinite(values).reshape(n, -1).all(1))
                raise InputError(f"prediction '{name}' is NaN or infinite in {len(bad)} rows, the first {bad[0]}")
        return found

    def named(self, outputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Predictions as columns, see :func:`headings`."""
        facts = self.facts
        if self.series is not None and len(self.series["values"]) > 1:
            outputs = {name: values.reshape(len(values), -1, *values.shape[3:]) for name, values in outputs.items()}
        return headings(outputs, kind=facts["target_kind"], targets=facts["targets"], classes=facts["classes"])

    def feeds(self, columns: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """What the session is fed with, from raw columns; see :meth:`predict`."""
        inputs = self.facts["inputs"]
        absent = [given["column"] for given in inputs if given["column"] not in columns]
        if absent:
            raise InputError(f"columns are missing: {', '.join(absent)}")
        lengths = {given["column"]: len(columns[given["column"]]) for given in inputs}
        if len(set(lengths.values())) > 1:
            raise InputError(f"columns have different lengths: {lengths}")
        if self.series is not None:
            return self._padded(columns, self.series)
        blocks: dict[str, list[np.ndarray]] = {}
        for given in inputs:
            values = _READERS[given["block"]](columns[given["column"]], given, self.facts["reading"])
            blocks.setdefault(given["name"], []).append(values)
        return {name: np.stack(parts, axis=1) for name, parts in blocks.items()}

    def cut(self, feeds: Mapping[str, np.ndarray], start: int, rows: int) -> dict[str, np.ndarray]:
        """Some rows of feeds; of series no more steps than the longest of them has."""
        part = {name: values[start : start + rows] for name, values in feeds.items()}
        length = None if self.series is None else self.series["length"]
        if length is not None:
            longest = part[length].max(initial=1)
            part = {name: values if name == length else values[:, :longest] for name, values in part.items()}
        return part

    def _padded(self, columns: Mapping[str, Any], series: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """Feeds of series: side by side, padded to the longest."""
        inputs, least = self.facts["inputs"], (series["context"] or 1) + series.get("ahead", 0)
        first = inputs[0]["column"]
        length = np.array([len(steps) for steps in columns[first]], dtype=np.int64)
        for i, n in enumerate(length):
            if n < least:
                raise InputError(f"series {i} has {n} steps, and {least} are needed")
            for given in inputs:
                if (other := len(columns[given["column"]][i])) != n:
                    raise InputError(f"series {i}: '{given['column']}' has {other} steps, and '{first}' {n}")
        skipped = length - (least if series["context"] else length)
        valid = np.arange((length - skipped).max(initial=1)) < (length - skipped)[:, None]
        ends = {"ends": (length - skipped).cumsum(), "length": length}
        blocks: dict[str, list[np.ndarray]] = {}
        for given in inputs:
            flat = _flat([steps[skip:] for steps, skip in zip(columns[given["column"]], skipped)])
            padded = np.full(valid.shape, PADDING[given["block"]], dtype=TYPES[given["block"]])
            padded[valid] = _READERS[given["block"]](flat, given | ends, self.facts["reading"])
            blocks.setdefault(given["name"], []).append(padded if given["place"] is None else padded[..., None])
        feeds = {name: np.concatenate(parts, axis=-1) for name, parts in blocks.items()}
        return feeds if series["length"] is None else feeds | {series["length"]: length}

    def read_csv(self, path: Path | str) -> dict[str, list[str]]:
        """The needed columns of a CSV file (plain or ``.gz``) with a header line, or with the columns that the training
        file had; written as that was (delimiter, quotes, encoding).

        Raises:
            InputError: columns are missing, or a line has another number of fields.
        """
        if self.series is not None:
            raise InputError(f"'{path}': files of series are read by `colonnade predict model=... data.path=...`")
        reading = self.facts["reading"]
        quote = reading.get("quote", '"')
        style: dict[str, Any] = {"delimiter": reading.get("delimiter") or ",", "skipinitialspace": True}
        style |= {"quotechar": quote} if quote else {"quoting": csv.QUOTE_NONE}
        comment = reading.get("comment")
        opened = gzip.open if str(path).endswith(".gz") else open
        encoding = reading.get("encoding") or "utf-8"
        encoding = "utf-8-sig" if encoding.lower().replace("_", "-") == "utf-8" else encoding
        with opened(path, "rt", encoding=encoding, newline="") as file:
            for _ in range(reading.get("skip") or 0):
                file.readline()
            lines = (line for line in file if line.strip() and not (comment and line.startswith(comment)))
            rows = list(csv.reader(lines, **style))
        header = reading.get("header")
        names = [name.strip() for name in rows[0]] if rows else []
        if header and not set(names) <= set(header):
            names = list(header)
        else:
            rows = rows[1:]
        for i, row in enumerate(rows):
            if len(row) != len(names):
                raise InputError(f"'{path}', row {i}: {len(row)} fields where {len(names)} are expected")
        table = dict(zip(names, map(list, zip(*rows)) if rows else [[] for _ in names]))
        return {name: table[name] for name in self.columns if name in table}


def _flat(series: Sequence[Any]) -> Any:
    """The steps of all series one after the other."""
    if series and all(isinstance(steps, np.ndarray) and steps.dtype.kind in "fiubM" for steps in series):
        return np.concatenate(series)
    return [value for steps in series for value in _objects(steps)]


def at_once(steps: int) -> int:
    """Series of so many steps that are given to a model at once: attention has a number for each pair of steps."""
    return max(1, 2**25 // max(steps, 1) ** 2)


def _number(values: Any, given: Mapping[str, Any], reading: Mapping[str, Any]) -> np.ndarray:
    """Numbers and booleans, NaN where missing."""
    array = np.asarray(values)
    if array.dtype.kind in "fiub":
        result = array.astype(np.float64)
    else:
        read = _truth if given["kind"] == "boolean" else _float
        comma = reading.get("decimal") == ","
        result = np.array([_read(read, v, i, given, comma) for i, v in enumerate(_objects(values))], dtype=np.float64)
    if reading.get("infinite") == "missing":
        result[np.isinf(result)] = np.nan
    _refuse(np.isinf(result), values, given, "finite number")
    if given["kind"] == "boolean":
        known = np.isnan(result) | (result == 0) | (result == 1)
        _refuse(~known, values, given, "true/false, yes/no or 0/1 value")
    return result


def _text(values: Any, given: Mapping[str, Any], reading: Mapping[str, Any]) -> np.ndarray:
    """Categories as text; whole floats are written as integers, so that 3 and 3.0 are one level."""
    absent = given["missing"][0]
    # Free text keeps its blanks, as in training.
    strip = given["kind"] != "text"
    result = np.empty(len(values), dtype=object)
    for i, value in enumerate(_objects(values)):
        if _is_missing(value):
            result[i] = absent
        elif isinstance(value, str):
            result[i] = value.strip() if strip else value
        elif isinstance(value, bool | np.bool_):
            result[i] = str(bool(value)).lower()
        elif isinstance(value, float | np.floating) and float(value).is_integer():
            result[i] = str(int(value))
        else:
            result[i] = str(value)
    return result


def _time(values: Any, given: Mapping[str, Any], reading: Mapping[str, Any]) -> np.ndarray:
    """Microseconds since 1970. Datetimes of numpy are in UTC, others and text in the zone of the data if it has one."""
    array = np.asarray(values)
    if array.dtype.kind == "M":
        return array.astype("datetime64[us]").astype(np.int64)
    zone = ZoneInfo(reading["timezone"]) if reading.get("timezone") else UTC
    moments = (_read(_moment, v, i, given, zone) for i, v in enumerate(_objects(values)))
    return np.array([NO_TIME if moment is None else moment for moment in moments], dtype=np.int64)


_READERS = {NUMBERS: _number, TEXTS: _text, TIMES: _time}


def _objects(values: Any) -> Sequence[Any]:
    return values.tolist() if isinstance(values, np.ndarray) else list(values)


def _is_missing(value: Any) -> bool:
    if isinstance(value, str):
        return False
    # The NA of pandas is neither equal to itself nor not.
    return value is None or str(value) == "<NA>" or value != value


def _read(read: Any, value: Any, row: int, given: Mapping[str, Any], option: Any) -> Any:
    """One value, missing where it or its text stands for that."""
    if isinstance(value, str):
        value = value.strip()
        value = None if value in given["missing"] else value
    if _is_missing(value):
        return None
    try:
        return read(value, given, option)
    except (ValueError, TypeError, OverflowError):
        raise _wrong(given, value, row, given["kind"] + " value") from None


def _float(value: Any, given: Mapping[str, Any], comma: bool) -> float:
    if isinstance(value, str) and "_" in value:
        raise ValueError(value)
    return float(value.replace(".", "").replace(",", ".") if isinstance(value, str) and comma else value)


def _truth(value: Any, given: Mapping[str, Any], comma: bool) -> float:
    if not isinstance(value, str):
        return float(value)
    if value.lower() in TRUE + FALSE:
        return float(value.lower() in TRUE)
    raise ValueError(value)


def _moment(value: Any, given: Mapping[str, Any], zone: tzinfo) -> int:
    format = given["format"] if isinstance(value, str) else None
    moment = value if isinstance(value, datetime) else _parsed(str(value), format)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=zone)
        # A clock change skips such a time, or lets it happen twice.
        if moment.utcoffset() != moment.replace(fold=1).utcoffset():
            raise ValueError(value)
    return (moment - EPOCH) // timedelta(microseconds=1)


def _parsed(text: str, format: str | None) -> datetime:
    if format in (None, "iso"):
        return datetime.fromisoformat(text)
    assert format is not None
    # The codes of polars are those of Python, but for the fraction of a second, which it writes with its point.
    if "%d" not in format:
        text, format = f"1 {text}", f"%d {format}"
    fraction = "." in text.rpartition(":")[2]
    return datetime.strptime(text, format.replace("%.f", ".%f" if fraction else ""))


def _refuse(bad: np.ndarray, values: Any, given: Mapping[str, Any], wanted: str) -> None:
    if bad.any():
        row = int(bad.argmax())
        raise _wrong(given, _objects(values)[row], row, wanted)


def _wrong(given: Mapping[str, Any], value: Any, row: int, wanted: str) -> InputError:
    where = f"row {row}"
    if "ends" in given:
        i = int(np.searchsorted(given["ends"], row, side="right"))
        where = f"series {i}, step {row - given['ends'][i] + given['length'][i]}"
    return InputError(f"column '{given['column']}', {where}: {value!r} is no {wanted}")


def headings(
    outputs: Mapping[str, np.ndarray], *, kind: str, targets: Sequence[str], classes: Sequence[str]
) -> dict[str, np.ndarray]:
    """Predictions as columns, under the names that all of colonnade gives them.

    Args:
        outputs: from :meth:`OnnxModel.predict`.
        kind: ``class``, ``event``, ``multilabel`` or ``real``.
        targets, classes: their names.

    Returns:
        For classes ``prediction`` and ``probability/<class>``; for several labels ``<label>`` and
        ``probability/<label>`` (``prediction/<label>`` where the label is called like another column of such a table);
        for events ``prediction/<target>`` and what types and times have; for real targets ``prediction``
        (``prediction/<target>`` when several) and ``quantile/<i>``. Where the run has them, ``set/<class>`` (1 where it
        holds the class), ``lower``, ``upper`` and ``disagreement``, of several targets with the name of each.
    """
    columns: dict[str, np.ndarray] = {}
    several = len(targets) > 1
    if classes:
        columns[f"prediction/{targets[0]}" if several else "prediction"] = outputs["label"]
        columns |= {f"probability/{label}": outputs["probability"][:, i] for i, label in enumerate(classes)}
        columns |= {f"set/{label}": outputs["set"][:, i] for i, label in enumerate(classes) if "set" in outputs}
        columns |= {name: outputs[name] for name in FURTHER if name in outputs}
    for t, name in enumerate(targets[1:] if classes else targets):
        if kind == "multilabel":
            columns[f"prediction/{name}" if RESERVED.match(name) else name] = outputs["label"][:, t]
            columns[f"probability/{name}"] = outputs["probability"][:, t]
            columns |= {f"{further}/{name}": outputs[further][:, t] for further in FURTHER if further in outputs}
            continue
        suffix = f"/{name}" if several else ""
        columns[f"prediction{suffix}"] = outputs["value"][:, t]
        for q in range(outputs["quantile"].shape[2] if "quantile" in outputs else 0):
            columns[f"quantile{suffix}/{q}"] = outputs["quantile"][:, t, q]
        columns |= {f"{further}{suffix}": outputs[further][:, t] for further in FURTHER if further in outputs}
    return columns


def main(arguments: Sequence[str]) -> int:
    """Predict a CSV file; predictions go to the standard output as CSV."""
    if len(arguments) != 2:
        sys.stderr.write("usage: python -m colonnade.deploy.runtime model.onnx rows.csv > predictions.csv\n")
        return 2
    try:
        model = OnnxModel(arguments[0])
        columns = model.named(model.predict(model.read_csv(arguments[1])))
    except (InputError, OSError) as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        return 1
    writer = csv.writer(sys.stdout)
    writer.writerow(columns)
    writer.writerows(zip(*(values.tolist() for values in columns.values())))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
