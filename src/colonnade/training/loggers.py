"""TensorBoard: Lightning's logger, made to fit the run folder and trainings that are resumed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.loggers.logger import rank_zero_experiment
from lightning.pytorch.utilities import rank_zero_only
from torch.utils.tensorboard import SummaryWriter

from colonnade.training import manifest

CHECKPOINTS = "checkpoints"
CONFIG = "config.yaml"


class TensorBoard(TensorBoardLogger):
    """Writes scalars per epoch into ``tensorboard/`` of the run folder, and the configuration as text.

    What an interrupted training wrote after the checkpoint from which it is resumed is hidden, so that no curve runs
    twice.

    Args:
        run_dir: the run folder.
    """

    def __init__(self, *, run_dir: str) -> None:
        folder = Path(run_dir)
        recovery = [e.step for e in manifest.read(folder / CHECKPOINTS) if e.kind == manifest.RECOVERY]
        # Metrics of the checkpoint's own step were written before it.
        super().__init__(run_dir, name="tensorboard", version="", purge_step=recovery[-1] + 1 if recovery else None)
        self._config = folder / CONFIG
        self._described = False

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        """All values of a step in one event: Lightning writes one for each."""
        from tensorboard.compat.proto.summary_pb2 import Summary

        writer = self.experiment
        if writer.file_writer is None:
            # The training is over and the file closed; Lightning's way opens another.
            super().log_metrics(dict(metrics), step)
            return
        values = [Summary.Value(tag=name, simple_value=float(value)) for name, value in metrics.items()]
        writer.file_writer.add_summary(Summary(value=values), step)

    @property
    @rank_zero_experiment
    def experiment(self) -> SummaryWriter:
        """TensorBoard's writer; the first use adds the configuration."""
        writer: SummaryWriter = super().experiment
        if not self._described:
            self._described = True
            if self._config.exists():
                text = "\n".join(f"    {line}" for line in self._config.read_text(encoding="utf-8").splitlines())
                writer.add_text("config", text)
        return writer
