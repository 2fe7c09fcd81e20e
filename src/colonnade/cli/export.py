"""The verb ``export``: a finished run as a file that needs none of this."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from colonnade.cli.words import parse, show_messages, usage

REQUIRED = {"run": "folder of a finished run"}
OPTIONAL = {
    "out": "the file to write; without it, model.onnx or model.pt2 in the run folder",
    "format": "onnx (default): a graph from raw columns; pt2: a program of torch.export, from codes",
    "quantize": "int8, fp16 or bf16: weights of fewer bits, if predictions stay near to the run's",
    "compute": "fp16, of pt2 also bf16: networks that compute in 16 bits, for GPUs, if predictions stay near",
    "data.path": "file of rows to compare graph and model on; without it, the run's own data",
}


def export(words: Sequence[str]) -> None:
    """Write the ONNX file of a run, and print how near to the run it is."""
    given = parse("export", words, REQUIRED, OPTIONAL)
    if given is None:
        sys.stdout.write(usage("export", "One file that predicts as the run does.", REQUIRED, OPTIONAL))
        return
    show_messages()
    from colonnade.runs.export import export as apply

    done = apply(
        given["run"],
        given.get("out"),
        given.get("data.path"),
        quantize=given.get("quantize"),
        compute=given.get("compute"),
        format=given.get("format", "onnx"),
    )
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
