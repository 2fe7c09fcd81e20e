"""TensorBoard: Lightning's logger, made to fit the run folder and trainings that are resumed."""

from __future__ import annotations

from pathlib import Path

from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.loggers.logger import rank_zero_experiment
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
