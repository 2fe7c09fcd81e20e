"""Subject: what is explained."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from colonnade.core.spec import BatchSpec
from colonnade.data.pipeline import FittedPipeline
from colonnade.tasks.base import Task


@dataclass(frozen=True)
class Subject:
    """What is explained.

    Args:
        network: a network or a baseline, as it predicts.
        pipeline: what encodes the rows.
        task: set up on the data.
        spec: of the data, with ``out_shape``.
    """

    network: nn.Module
    pipeline: FittedPipeline
    task: Task
    spec: BatchSpec
