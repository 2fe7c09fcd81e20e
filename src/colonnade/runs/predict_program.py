"""Predict: new rows through an exported program of torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from torch import Tensor

from colonnade.core.errors import ConfigError, DataError, ExportError
from colonnade.data.lookup import Lookup
from colonnade.data.sequences.raw import raw_series
from colonnade.deploy.program_parity import Program
from colonnade.deploy.rows import longest
from colonnade.deploy.runtime import at_once, headings
from colonnade.deploy.torch_export import CPU, CUDA, load_program
from colonnade.runs.exported import check_files, predicted, read_rows
from colonnade.tasks.measures.rows import refuse_rows

DEVICES = {"cpu": CPU, "gpu": CUDA, "cuda": CUDA}
"""What accelerators are called, and what torch calls them."""
ROWS = 4096
"""That are predicted at a time; of long series fewer."""


def predict_program(
    model: Path | str, data: Any, out: Path | str | None = None, *, accelerator: str = "cpu"
) -> pl.DataFrame:
    """Predict rows with an exported program, read and typed as the run would; texts become codes by its own levels.

    Args:
        model: the ``.pt2`` file.
        data: path of a file, or a polars or pandas frame, with the columns of the training data.
        out: see :func:`~colonnade.runs.predict.predict`.
        accelerator: ``cpu``, or ``gpu`` (``cuda``), on which it runs.

    Returns:
        What :func:`~colonnade.runs.predict.predict` gives for the run that was exported.

    Raises:
        ConfigError: the file does not exist or is none of ours, ``out`` cannot be written, or there is no such
            accelerator.
        SchemaError: columns are missing or mistyped; the whole difference is printed.
        DataError: a prediction is not finite; the rows are named.
    """
    check_files(model, out)
    device = _device(accelerator)
    try:
        program, facts = load_program(model, device)
    except ExportError as error:
        raise ConfigError(f"model='{model}': {error}") from error
    table = read_rows(data, facts)
    found = _outputs(program, Lookup.from_dict(facts["lookup"]), table.frame, device, of_series="series" in facts)
    ids = None if table.row_ids is None else torch.from_numpy(table.row_ids)
    for name, values in found.items():
        if values.is_floating_point():
            refuse_rows(~values.isfinite(), DataError, f"prediction '{name}' is NaN or infinite", ids)
    arrays = {name: values.numpy() for name, values in found.items()}
    if facts["classes"]:
        arrays["label"] = np.asarray(facts["classes"], dtype=object)[arrays["label"]]
    named = headings(arrays, kind=facts["target_kind"], targets=facts["targets"], classes=facts["classes"])
    return predicted(named, table, out)


@torch.inference_mode()
def _outputs(
    program: Program, lookup: Lookup, frame: pl.DataFrame, device: str, *, of_series: bool
) -> dict[str, Tensor]:
    """What a program says of typed rows, a batch after the other."""
    rows = frame.select(lookup.names)
    raw = raw_series(lookup, rows, lookup.names) if of_series else lookup(rows)
    size = min(ROWS, at_once(longest(rows))) if of_series else ROWS
    blocks = [block.to(device) for block in raw.inputs]
    pieces = [program(*piece) for piece in zip(*(block.split(size) for block in blocks))]
    return {name: torch.cat([piece[name] for piece in pieces]).cpu() for name in pieces[0]}


def _device(accelerator: str) -> str:
    if accelerator not in DEVICES:
        raise ConfigError(f"trainer.accelerator={accelerator}: {', '.join(DEVICES)}")
    if DEVICES[accelerator] == CUDA and not torch.cuda.is_available():
        raise ConfigError(f"trainer.accelerator={accelerator}: torch finds no GPU here; leave it out")
    return DEVICES[accelerator]
