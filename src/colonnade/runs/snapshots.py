"""Snapshots: a run folder for the weights at the end of each cycle of a training, to be members of an ensemble."""

from __future__ import annotations

import logging
from dataclasses import replace

from colonnade.runs.assemble import Parts
from colonnade.runs.folder import RunFolder
from colonnade.runs.trained import Trained

log = logging.getLogger(__name__)

FOLDER = "snapshots"
PATTERN = "snapshot-*.safetensors"
"""What the callback :class:`~colonnade.training.callbacks.snapshots.Snapshots` writes among the checkpoints."""


def write_snapshots(parts: Parts, trained: Trained, folder: RunFolder, seconds: float) -> None:
    """Measure each snapshot as the run is measured, in a run folder of its own below ``snapshots/``; if there are any.

    Args:
        parts: what was trained, its best weights in place; they are in place again afterwards.
        trained: what else came of the training.
        folder: of the run.
        seconds: duration of the training, of which each has its share.
    """
    from safetensors.torch import load_file

    from colonnade.runs.fit import record
    from colonnade.runs.score import score
    from colonnade.training.module import SupervisedModule

    module, datamodule = parts.module, parts.datamodule
    files = sorted(folder.checkpoints.glob(PATTERN))
    if not files or not isinstance(module, SupervisedModule) or parts.task.self_supervised:
        return
    best = module.network_state()
    told = replace(trained, loggers=[], checkpoint=None)
    for i, file in enumerate(files):
        place = RunFolder(folder / FOLDER / str(i))
        place.path.mkdir(parents=True, exist_ok=True)
        module.take(load_file(file))
        record(parts.cfg, parts.cfg, place, datamodule.table, datamodule.notes)
        datamodule.save(place.path)
        result = score(parts, told, place, seconds=seconds * (i + 1) / len(files), drawn=False)
        place.finish(result)
    module.take(best)
    log.info("%d snapshots: colonnade ensemble 'runs=%s/*' out=<folder>", len(files), folder / FOLDER)
