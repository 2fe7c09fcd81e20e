"""Encoder: the fitted steps as one module, which the Predictor holds and which is exported."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from colonnade.core.errors import ConfigError, Faults
from colonnade.data.columns import Columns
from colonnade.data.steps.base import FittedStep
from colonnade.data.stored import stored_class

_LARGEST = torch.finfo(torch.float32).max


class Encoder(nn.Module):
    """Raw rows to encoded rows.

    Args:
        steps: in their order, by name.
    """

    def __init__(self, steps: Mapping[str, FittedStep]) -> None:
        super().__init__()
        self.names = tuple(steps)
        self.steps = nn.ModuleList(steps.values())
        self.eval()

    @property
    def exportable(self) -> bool:
        """Whether every step can be exported."""
        return all(step.exportable for step in self.fitted())

    def check_exportable(self) -> None:
        """Refuse steps that cannot be exported.

        Raises:
            ConfigError: naming all of them.
        """
        faults = Faults()
        for name, step in zip(self.names, self.fitted(), strict=True):
            if not step.exportable:
                faults.add(f"the pipeline's step '{name}' is not made for it: train without it, or export=none")
        faults.raise_if_any(ConfigError, "cannot be exported")

    def fitted(self) -> list[FittedStep]:
        """The steps, in their order."""
        return [step for step in self.steps if isinstance(step, FittedStep)]

    def forward(self, num: Tensor, cat: Tensor, time: Tensor) -> tuple[Tensor, Tensor]:
        """Encode raw rows.

        Args:
            num: ``(B, F)`` float64, NaN where missing.
            cat: ``(B, K)`` int64 codes.
            time: ``(B, D)`` int64 microseconds since 1970.

        Returns:
            ``(B, F')`` float32, finite, and ``(B, K')`` int64.
        """
        columns = Columns.of(num, cat, time)
        for step in self.steps:
            columns = step(columns)
        encoded, codes = finish(columns)
        return encoded.T.contiguous(), codes.T.contiguous()

    def encode_train(self, num: Tensor, cat: Tensor, time: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Encode train rows, given their positions among them ``(B,)`` int64; see :meth:`FittedStep.encode_train`."""
        columns = Columns.of(num, cat, time)
        for step in self.fitted():
            columns = step.encode_train(columns, rows)
        encoded, codes = finish(columns)
        return encoded.T, codes.T

    def to_list(self) -> list[dict[str, Any]]:
        """Name, class and options of each step, as plain JSON data; ``state_dict()`` holds the rest."""
        return [
            {"name": name, "class": f"{type(step).__module__}:{type(step).__qualname__}", "options": step.options()}
            for name, step in zip(self.names, self.fitted(), strict=True)
        ]

    @classmethod
    def from_list(cls, steps: Sequence[Mapping[str, Any]], state: Mapping[str, Tensor]) -> Encoder:
        """Restore from :meth:`to_list` and ``state_dict()``.

        Raises:
            RunFolderError: a step is of a class that may not be loaded.
        """
        restored = {}
        for i, step in enumerate(steps):
            prefix = f"steps.{i}."
            tensors = {name.removeprefix(prefix): tensor for name, tensor in state.items() if name.startswith(prefix)}
            restored[step["name"]] = step_class(step["class"])(**step["options"], **tensors)
        return cls(restored)


def step_class(path: str) -> type[FittedStep]:
    """The class of a stored step, see :func:`~colonnade.data.stored.stored_class`."""
    return stored_class(path, FittedStep, own="colonnade.data.steps.", what="fitted step")


def finish(columns: Columns) -> tuple[Tensor, Tensor]:
    """Numbers and flags as one float32 block, and codes; columns first. Values beyond float32 become its largest."""
    num = columns.num.clamp(-_LARGEST, _LARGEST).to(torch.float32)
    return torch.cat([num, columns.flag]) if columns.flag.shape[0] else num, columns.cat
