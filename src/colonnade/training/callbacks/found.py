"""Found: where the answer of a finder goes."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning.pytorch import Trainer

from colonnade.core.files import write_json

log = logging.getLogger(__name__)


def record(trainer: Trainer, folder: Path, name: str, result: Mapping[str, Any], text: str) -> None:
    """Tell the person and TensorBoard the answer, and write the table from which it is drawn after the training.

    Args:
        trainer: the trainer.
        folder: the run folder.
        name: of the file, ``<name>.json``, and of the text in TensorBoard.
        result: the answer as ``"suggestion"``, None when there is none, and what it was taken from.
        text: the answer in words.
    """
    from lightning.pytorch.loggers import TensorBoardLogger

    log.log(logging.WARNING if result["suggestion"] is None else logging.INFO, text)
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / f"{name}.json", result)
    for logger in trainer.loggers:
        if isinstance(logger, TensorBoardLogger):
            logger.experiment.add_text(name, text, trainer.global_step)
