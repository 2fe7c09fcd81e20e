"""Load: a finished run, ready to predict. Needs neither Lightning nor the training data."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from omegaconf import DictConfig, open_dict
from torch import Tensor

from colonnade.config.build import build
from colonnade.config.record import load_config
from colonnade.core.errors import DataError, RunFolderError
from colonnade.core.schema import Schema
from colonnade.core.spec import BatchSpec
from colonnade.data.dataset import TableDataset
from colonnade.data.pipeline import FittedPipeline
from colonnade.data.table import Table
from colonnade.data.target import TargetCoder
from colonnade.runs.assemble import build_network, network_spec
from colonnade.runs.folder import RunFolder
from colonnade.tasks.base import Task
from colonnade.tasks.measures.rows import refuse_rows
from colonnade.training.predictor import Predictor

NETWORK = "network.safetensors"
# Where the training data came from: not needed to read a new file, and perhaps not to be had here.
ORIGIN = ("path", "files", "sql", "source")
NEEDED = ("config.yaml", "schema.json", "spec.json", "target.json", "pipeline.json", "pipeline.safetensors", NETWORK)


@dataclass
class LoadedRun:
    """A finished run.

    Args:
        cfg: its configuration.
        dataset: reads further files as the training file was read.
        schema: the columns it was trained on.
        spec: the encoded data it was trained on.
        pipeline: fitted preprocessing.
        coder: target values to what the task compares with.
        task: decoding and metrics, set up.
        predictor: pipeline, network and decoder.
    """

    cfg: DictConfig
    dataset: TableDataset
    schema: Schema
    spec: BatchSpec
    pipeline: FittedPipeline
    coder: TargetCoder
    task: Task
    predictor: Predictor

    @torch.inference_mode()
    def predict(self, table: Table, *, rows: int = 4096) -> dict[str, Tensor]:
        """Decoded predictions of a table that conforms to the schema, ``rows`` rows at a time.

        Raises:
            DataError: a prediction is not finite; the rows are named.
        """
        pieces = [self.predictor(*raw) for raw in self._raw_blocks(table, rows)]
        prediction = {name: torch.cat([piece[name] for piece in pieces]) for name in pieces[0]}
        ids = None if table.row_ids is None else torch.from_numpy(table.row_ids)
        for name, values in prediction.items():
            if values.is_floating_point():
                refuse_rows(~values.isfinite(), DataError, f"prediction '{name}' is NaN or infinite", ids)
        return prediction

    def _raw_blocks(self, table: Table, rows: int) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        for frame in table.frame.iter_slices(rows):
            raw = self.pipeline.lookup(frame)
            yield raw.num, raw.cat, raw.time


def load_run(run: Path | str) -> LoadedRun:
    """Load a finished run.

    Raises:
        RunFolderError: the folder holds no finished run, or a file differs from its SHA-256 in the manifest.
    """
    folder = RunFolder(run)
    if not folder.finished:
        raise RunFolderError(f"run='{run}' holds no finished run (no result.json with status 'finished')")
    folder.verify(*NEEDED)
    from safetensors.torch import load_file

    cfg = load_config(folder / "config.yaml")
    spec = BatchSpec.from_dict(json.loads((folder / "spec.json").read_text(encoding="utf-8")))
    task = build(cfg.task)
    spec = network_spec(task, spec)
    network = build_network(cfg, spec)
    network.load_state_dict(load_file(folder / NETWORK))
    pipeline = FittedPipeline.load(folder.path)
    return LoadedRun(
        cfg=cfg,
        dataset=_dataset(cfg),
        schema=Schema.load(folder / "schema.json"),
        spec=spec,
        pipeline=pipeline,
        coder=TargetCoder.from_dict(json.loads((folder / "target.json").read_text(encoding="utf-8"))),
        task=task,
        predictor=Predictor(pipeline=pipeline.module, network=network, decoder=task.decoder(spec)),
    )


def _dataset(cfg: DictConfig) -> TableDataset:
    """The data node as a reader of further files, without the training data's origin."""
    cfg = cfg.copy()
    with open_dict(cfg):
        cfg.data.update({key: None for key in ORIGIN if key in cfg.data})
    dataset: TableDataset = build(cfg.data)
    return dataset
