"""Apply: the verbs that take a finished run to new rows."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from colonnade.cli.words import parse, show_messages, usage

ROWS = {"data.path": "file with the columns of the training data"}
RUN = {"run": "folder of a finished run", **ROWS}
MODEL = {"model": "instead of run=, the .onnx or .pt2 file of an exported run", **ROWS}
DEVICE = {"trainer.accelerator": "of a .pt2 file: cpu (default) or gpu"}
OUT = {"out": "where to write: .csv, .parquet, .jsonl or .arrow"}


def predict(words: Sequence[str]) -> None:
    """Write predictions: row ids, labels or values, probabilities."""
    exported = any(word.startswith("model=") for word in words)
    program = any(word.startswith("model=") and word.endswith(".pt2") for word in words)
    given = parse("predict", words, {**(MODEL if exported else RUN), **OUT}, DEVICE if program else {})
    if given is None:
        purpose = "Predictions of a finished run, or of its exported file, for the rows of a file."
        sys.stdout.write(usage("predict", purpose, {**RUN, **OUT}, {"model": MODEL["model"], **DEVICE}))
        return
    show_messages()
    if program:
        from colonnade.runs.predict_program import predict_program

        wanted = given.get("trainer.accelerator", "cpu")
        frame = predict_program(given["model"], given["data.path"], given["out"], accelerator=wanted)
    elif exported:
        # Imports no torch.
        from colonnade.runs.predict_onnx import predict_onnx

        frame = predict_onnx(given["model"], given["data.path"], given["out"])
    else:
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
