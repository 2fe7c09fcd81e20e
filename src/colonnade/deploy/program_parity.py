"""Program parity: whether a program of torch gives what the Predictor gives, or is near to it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import polars as pl
import torch
from torch import Tensor, nn

from colonnade.core.errors import DataError, ExportError
from colonnade.core.spec import BatchSpec
from colonnade.data.lookup import Lookup
from colonnade.data.sequences.raw import raw_series
from colonnade.deploy.inputs import Series
from colonnade.deploy.parity import BATCHES, Parity, batches, difference
from colonnade.deploy.quantized import check_near
from colonnade.deploy.rows import longest, with_strange
from colonnade.deploy.runtime import at_once

Program = Callable[..., dict[str, Tensor]]
"""Takes what a Predictor takes, and gives what it gives."""


def check_program(
    program: Program,
    predictor: nn.Module,
    lookup: Lookup,
    spec: BatchSpec,
    frame: pl.DataFrame,
    *,
    tolerance: float,
    device: str = "cpu",
) -> Parity:
    """Give the same codes to a program of torch and to the model, and compare what comes out.

    Args:
        program: on its device.
        predictor, lookup, spec, frame, tolerance: see :func:`~colonnade.deploy.parity.check_parity`.
        device: of the program.

    Raises:
        ExportError: a difference is larger, or the program does not take a batch.
        DataError: there are no rows.
    """
    if frame.is_empty():
        raise DataError("export: no rows to compare the program with the model on: give some, data.path=...")
    series = Series.of(spec)
    rows, names = with_strange(
        frame.select(lookup.names), lookup, free=series is not None and series.length is not None
    )
    names += [f"row {i}" for i in range(frame.height)]
    blocks, largest = _blocks(rows, lookup, series)
    errors: dict[str, float] = {}
    for start, size in batches(rows.height, largest):
        found, right = _outputs(program, predictor, [block[start : start + size] for block in blocks], device)
        for name, values in found.items():
            error = difference(name, _labelled(name, values, spec), right, spec, tolerance)
            worst = int(error.argmax())
            if error[worst] > tolerance:
                raise ExportError(
                    f"export: output '{name}' of the program is off by {error[worst]:.3g} (allowed {tolerance:g}) in "
                    f"{names[start + worst]}, in batches of {size}"
                )
            errors[name] = max(errors.get(name, 0.0), float(error[worst]))
    return Parity(rows=rows.height, tolerance=tolerance, errors=errors)


def check_rounded(
    program: Program,
    predictor: nn.Module,
    lookup: Lookup,
    spec: BatchSpec,
    frame: pl.DataFrame,
    *,
    kind: str,
    tolerance: float,
    device: str,
) -> dict[str, float]:
    """How far a program that computes in fewer bits is from the model, on average over the rows.

    Args:
        program, predictor, lookup, spec, frame, device: see :func:`check_program`.
        kind: of its numbers, for the message.
        tolerance: see :func:`~colonnade.deploy.quantized.check_near`.

    Returns:
        The mean difference of each output.

    Raises:
        ExportError: a mean difference is larger, or the program does not take a batch.
    """
    blocks, size = _blocks(frame.select(lookup.names), lookup, Series.of(spec))
    pieces = [_outputs(program, predictor, piece, device) for piece in zip(*(block.split(size) for block in blocks))]
    found, right = (
        {name: np.concatenate([piece[side][name] for piece in pieces]) for name in pieces[0][side]} for side in (0, 1)
    )
    named = {name: _labelled(name, values, spec) for name, values in found.items()}
    return check_near(named, right, spec, what=f"the {kind} program", key="export.torch.compute", tolerance=tolerance)


def _blocks(rows: pl.DataFrame, lookup: Lookup, series: Series | None) -> tuple[tuple[Tensor, ...], int]:
    """What a program takes of typed rows, and how many of them at once."""
    if series is None:
        return lookup(rows).inputs, BATCHES[-1]
    return raw_series(lookup, rows, lookup.names).inputs, at_once(longest(rows))


@torch.inference_mode()
def _outputs(
    program: Program, predictor: nn.Module, blocks: Sequence[Tensor], device: str
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """What a program gives, and what is right."""
    right = {name: values.numpy() for name, values in predictor(*blocks).items()}
    try:
        found = program(*(block.to(device) for block in blocks))
    except Exception as failed:  # of several classes without a common base
        reason = str(failed).splitlines()[0]
        raise ExportError(f"export: the program does not take batches of {len(blocks[0])}: {reason}") from failed
    return {name: values.cpu().numpy() for name, values in found.items()}, right


def _labelled(name: str, values: np.ndarray, spec: BatchSpec) -> np.ndarray:
    """Positions of classes as their labels."""
    return np.asarray(spec.classes, dtype=object)[values] if name == "label" and spec.classes else values
