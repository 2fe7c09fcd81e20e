"""UnlabelledDataModule: a table whose targets are not looked at, for pre-training."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from colonnade.core.errors import ConfigError
from colonnade.core.schema import TargetKind
from colonnade.data.datamodule import TableDataModule
from colonnade.data.pipeline import Pipeline
from colonnade.data.split import Split
from colonnade.data.target import TargetCoder


class UnlabelledDataModule(TableDataModule):
    """A table whose rows may lack a target, and whose target columns nothing sees.

    What a network is to predict are the encoded columns themselves; the task makes those targets of each batch.

    Raises:
        ConfigError: from :meth:`setup`: a step of the pipeline learns from the target.
    """

    def _check_target(self) -> None:
        assert isinstance(self._unfitted, Pipeline)
        named = [name for name, step in self._unfitted.steps.items() if step.uses_target]
        if named:
            raise ConfigError(
                f"pipeline: {', '.join(named)} would learn from the target, which pre-training does not look at; leave "
                "it out of both runs"
            )

    def _leaks(self) -> list[str]:
        return []

    def _fit(self, rows: dict[str, np.ndarray]) -> dict[str, Tensor]:
        self._fit_pipeline(torch.zeros(len(rows["train"]), 0), rows["train"])
        names = (*self.pipeline.num_names, *self.pipeline.cat_names)
        # Columns are learned as they are encoded.
        self.target = TargetCoder(TargetKind.REAL, names, mean=(0.0,) * len(names), scale=(1.0,) * len(names))
        return {part: torch.zeros(len(index), 0) for part, index in rows.items()}

    def _save_split(self, path: Path) -> None:
        # By position in the source: runs that begin from this one may leave rows out.
        parts = {part: self._ids(index) for part, index in self.split.parts().items()}
        Split(**parts, how=self.split.how).save(path)
