"""Apply: the verbs that take a finished run to new rows."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from colonnade.cli.words import parse, show_messages, usage

RUN = {"run": "folder of a finished run", "data.path": "file with the columns of the training data"}


def predict(words: Sequence[str]) -> None:
    """Write predictions: row ids, labels or values, probabilities."""
    required = {**RUN, "out": "where to write: .csv, .parquet, .jsonl or .arrow"}
    given = parse("predict", words, required, {})
    if given is None:
        sys.stdout.write(usage("predict", "Predictions of a finished run for the rows of a file.", required, {}))
        return
    show_messages()
    from colonnade.runs.predict import predict as apply

    frame = apply(given["run"], given["data.path"], given["out"])
    sys.stdout.write(f"{frame.height} rows: {given['out']}\n")


def evaluate(words: Sequence[str]) -> None:
    """Print the metrics of a run on labelled rows."""
    optional = {"out": "JSON file to write the metrics to"}
    given = parse("evaluate", words, RUN, optional)
    if given is None:
        sys.stdout.write(usage("evaluate", "Metrics of a finished run on new labelled rows.", RUN, optional))
        return
    show_messages()
    from colonnade.runs.evaluate import evaluate as apply

    metrics = apply(given["run"], given["data.path"], given.get("out"))
    width = max(map(len, metrics), default=0)
    for name, value in metrics.items():
        sys.stdout.write(f"{name:<{width}}  {value:.6g}\n")
