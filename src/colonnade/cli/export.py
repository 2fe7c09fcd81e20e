"""The verb ``export``: a finished run as a file that needs none of this."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Sequence
from typing import Any

from colonnade.cli.words import parse, show_messages, usage
from colonnade.core.errors import ConfigError, ExportError

REQUIRED = {"run": "folder of a finished run"}
OPTIONAL = {
    "out": "the file to write; without it, model.onnx or model.pt2 in the run folder",
    "format": "onnx (default): a graph from raw columns; pt2: a program of torch.export, from codes",
    "data.path": "file of rows to compare with the run on; without it, the run's own data",
}
# As `export.onnx.` and `export.torch.` of a configuration, and in place of what the run's has.
OPTIONS = {
    "tolerance": "largest difference from the run that is allowed; otherwise 1e-5",
    "rows": "rows that are compared at most; otherwise 1000",
    "matrix_above": "columns above which a graph takes a matrix; otherwise 100 (onnx)",
    "quantize": "int8, fp16 or bf16: weights of fewer bits, if predictions stay near to the run's; or null (onnx)",
    "compute": "fp16, of pt2 also bf16: networks that compute in 16 bits, for GPUs, if predictions stay near; or null",
    "quantize_tolerance": "how near on average; otherwise 0.01",
    "compile": "true: machine code by AOTInductor (pt2)",
    "device": "cpu or cuda: where it is compared, and what it is compiled for (pt2)",
}
TRUTH = {"true": True, "false": False}
READ: dict[str, tuple[Callable[[str], Any], str]] = {
    "tolerance": (float, "a number"),
    "rows": (int, "a whole number"),
    "matrix_above": (int, "a whole number"),
    "quantize_tolerance": (float, "a number"),
    "compile": (TRUTH.__getitem__, "true or false"),
}


def export(words: Sequence[str]) -> None:
    """Write the ONNX file of a run, and print how near to the run it is."""
    taken = {**OPTIONAL, **OPTIONS}
    given = parse("export", words, REQUIRED, taken)
    if given is None:
        sys.stdout.write(usage("export", "One file that predicts as the run does.", REQUIRED, taken))
        return
    options = {key: _read(key, given[key]) for key in OPTIONS if key in given}
    show_messages()
    from colonnade.runs.export import export as apply

    try:
        done = apply(
            given["run"],
            given.get("out"),
            given.get("data.path"),
            format=given.get("format", "onnx"),
            options=options,
        )
    except (ConfigError, ExportError) as refused:
        # Here the words of a configuration are shorter.
        raise type(refused)(re.sub(r"\bexport\.(onnx|torch)\.", "", str(refused))) from refused
    sys.stdout.write(
        f"{done.path}: {done.size:,} bytes, compared with the run on {done.parity.rows:,} rows; largest difference\n"
    )
    width = max(map(len, done.parity.errors))
    for name, error in done.parity.errors.items():
        sys.stdout.write(f"  {name:<{width}}  {error:.1e}\n")
    if done.parity.quantized is not None:
        sys.stdout.write("in fewer bits, mean difference\n")
        for name, mean in done.parity.quantized.items():
            sys.stdout.write(f"  {name:<{width}}  {mean:.1e}\n")


def _read(key: str, text: str) -> Any:
    if key not in READ:
        return None if text == "null" else text
    read, wanted = READ[key]
    try:
        return read(text)
    except (ValueError, KeyError):
        raise ConfigError(f"colonnade export: {key}={text}: expected {wanted}") from None
