"""Translations: operations of torch in another way than its exporter writes them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch


def translations() -> dict[Callable[..., Any], Callable[..., Any]]:
    """By operation of torch, what ``torch.onnx.export`` is to make of it.

    Raises:
        ImportError: onnxscript is not installed.
    """
    from onnxscript import FLOAT
    from onnxscript import opset20 as op

    def lerp(start: FLOAT, end: FLOAT, weight: FLOAT) -> FLOAT:
        # torch's own chooses between two forms for each element, in eight operations.
        return op.Add(start, op.Mul(weight, op.Sub(end, start)))

    return {torch.ops.aten.lerp.Tensor: lerp}
