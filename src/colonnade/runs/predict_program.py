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
from colonnade.deploy.rows import longest
from colonnade.deploy.runtime import at_once, headings
from colonnade.deploy.torch_export import Program, load_program
from colonnade.runs.exported import check_files, predicted, read_rows
from colonnade.tasks.measures.rows import refuse_rows

ROWS = 4096
"""That are predicted at a time; of long series fewer."""


def predict_program(model: Path | str, data: Any, out: Path | str | None = None) -> pl.DataFrame:
    """Predict rows with an exported program, read and typed as the run would; texts become codes by its own levels.

    Args:
        model: the ``.pt2`` file.
        data: path of a file, or a polars or pandas frame, with the columns of the training data.
        out: see :func:`~colonnade.runs.predict.predict`.

    Returns:
        What :func:`~colonnade.runs.predict.predict` gives for the run that was exported.

    Raises:
        ConfigError: the file does not exist or is none of ours, or ``out`` cannot be written.
        SchemaError: columns are missing or mistyped; the whole difference is printed.
        DataError: a prediction is not finite; the rows are named.
    """
    check_files(model, out)
    try:
        program, facts = load_program(model)
    except ExportError as error:
        raise ConfigError(f"model='{model}': {error}") from error
    table = read_rows(data, facts)
    found = _outputs(program, Lookup.from_dict(facts["lookup"]), table.frame, of_series="series" in facts)
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
def _outputs(program: Program, lookup: Lookup, frame: pl.DataFrame, *, of_series: bool) -> dict[str, Tensor]:
    """What a program says of typed rows, a batch after the other."""
    rows = frame.select(lookup.names)
    raw = raw_series(lookup, rows, lookup.names) if of_series else lookup(rows)
    size = min(ROWS, at_once(longest(rows))) if of_series else ROWS
    pieces = [program(*blocks) for blocks in zip(*(block.split(size) for block in raw.inputs))]
    return {name: torch.cat([piece[name] for piece in pieces]) for name in pieces[0]}
