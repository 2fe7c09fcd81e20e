"""Start: the pre-trained network that a run begins from, ``init_from=<run folder>``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from omegaconf import DictConfig, OmegaConf
from torch import Tensor, nn

from colonnade.config.pretraining import pretrains
from colonnade.config.record import load_config
from colonnade.core.errors import ConfigError, DataError, RunFolderError, collect
from colonnade.core.schema import Schema
from colonnade.data.pipeline import FittedPipeline
from colonnade.data.split import Split
from colonnade.data.table import Table
from colonnade.runs.folder import CONFIG, RunFolder

HEAD = "head."
SPLIT = "split.json"
_SHOWN = 5


@dataclass(frozen=True)
class Start:
    """A finished pre-training, in the place of a pipeline that is to be fitted.

    Args:
        run: its folder, as it was typed.
        cfg: its configuration.
        schema: the columns it saw.
        pipeline: fitted on its train rows.
        state: weights and buffers of its network.
        origin: files that it read, and their SHA-256.
        rows: ``(N,)`` positions in the source of its train rows.
    """

    run: str
    cfg: DictConfig
    schema: Schema
    pipeline: FittedPipeline
    state: Mapping[str, Tensor]
    origin: list[dict[str, str]]
    rows: np.ndarray

    @classmethod
    def read(cls, run: str) -> Start:
        """Read a pre-training.

        Raises:
            RunFolderError: the folder holds no finished pre-training, or a file is damaged.
        """
        from safetensors.torch import load_file

        from colonnade.runs.load import NEEDED, NETWORK

        folder = RunFolder(run)
        if not folder.finished:
            raise RunFolderError(f"init_from='{run}' holds no finished run (no result.json with status 'finished')")
        stored = load_config(folder / CONFIG)
        if not pretrains(stored):
            raise RunFolderError(
                f"init_from='{run}' is a run of task={stored.task.get('name')}; a run begins from a pre-training "
                "(task=denoising)"
            )
        folder.verify(*NEEDED, SPLIT)
        return cls(
            run=run,
            cfg=stored,
            schema=Schema.load(folder / "schema.json"),
            pipeline=FittedPipeline.load(folder.path),
            state=load_file(folder / NETWORK),
            origin=(folder.state or {}).get("origin", []),
            rows=Split.load(folder / SPLIT).train,
        )

    def check(self, cfg: DictConfig) -> None:
        """Compare the model with that of the run which begins here.

        Raises:
            ConfigError: they are made of other parts; all are named.
        """
        with collect(ConfigError, f"init_from='{self.run}'") as faults:
            for key, theirs, ours in _unequal(self.cfg.model, cfg.model):
                faults.add(f"model.{key} is {theirs} in the pre-training, and {ours} here")

    def fit(
        self, frame: pl.DataFrame, schema: Schema, target: Any, train_rows: np.ndarray, seed: int
    ) -> FittedPipeline:
        """The pipeline as it was fitted in the pre-training; see :meth:`colonnade.data.pipeline.Pipeline.fit`.

        Raises:
            DataError: the columns are not those of the pre-training; all are named.
        """
        seen, here = self.schema.features, schema.features
        with collect(DataError, f"init_from='{self.run}'") as faults:
            for name in seen:
                if name in schema.targets:
                    faults.add(f"'{name}' is a feature of the pre-training, and the target here")
                elif name not in here:
                    faults.add(f"column '{name}' of the pre-training is no feature here")
                elif self.schema.columns[name].kind != schema.columns[name].kind:
                    theirs, ours = self.schema.columns[name].kind, schema.columns[name].kind
                    faults.add(f"column '{name}' is {theirs} in the pre-training, and {ours} here")
            for name in here:
                if name not in seen:
                    faults.add(f"column '{name}' was no feature of the pre-training: exclude it with data.exclude")
        return self.pipeline

    def give(self, network: nn.Module) -> None:
        """Put the weights and buffers of the pre-training into a network, all but those of the head.

        Raises:
            ConfigError: they are not there, or of another shape; each is named with both.
        """
        state = network.state_dict()
        theirs = {name: tensor for name, tensor in self.state.items() if not name.startswith(HEAD)}
        ours = {name: tensor for name, tensor in state.items() if not name.startswith(HEAD)}
        different = [
            f"{name}: {_shape(theirs.get(name))} in the pre-training, {_shape(ours.get(name))} here"
            for name in (*theirs, *(name for name in ours if name not in theirs))
            if _shape(theirs.get(name)) != _shape(ours.get(name))
        ]
        if different:
            more = f" and {len(different) - _SHOWN} more" if len(different) > _SHOWN else ""
            raise ConfigError(f"init_from='{self.run}': model differs in {'; '.join(different[:_SHOWN])}{more}")
        network.load_state_dict({**state, **theirs})

    def notes(self, split: Split, table: Table) -> list[str]:
        """What is to be known of the rows: how many of those held out here the pre-training has seen.

        Args:
            split: of this run.
            table: its data.
        """
        told = [f"begins from the pre-training '{self.run}'"]
        if [each["sha256"] for each in self.origin] != [each["sha256"] for each in table.origin]:
            return [*told, "the pre-training saw other files: whether rows held out here are among them is not known"]
        for part, index in split.parts().items():
            ids = index if table.row_ids is None else table.row_ids[index]
            n = 0 if part == "train" else int(np.isin(ids, self.rows).sum())
            if n:
                told.append(f"{n:,} of {len(ids):,} {part} rows were pre-trained on, without their target")
        return told


def _shape(tensor: Tensor | None) -> str:
    return "absent" if tensor is None else str(tuple(tensor.shape))


def _unequal(theirs: DictConfig, ours: DictConfig) -> list[tuple[str, Any, Any]]:
    """Classes and activations in which two models differ, apart from their heads; widths show in the weights."""
    left, right = (_flat(OmegaConf.to_container(node, resolve=True)) for node in (theirs, ours))
    keys = [k for k in dict.fromkeys((*left, *right)) if k.rpartition(".")[2] in ("_target_", "activation")]
    return [
        (key, json.dumps(left.get(key)), json.dumps(right.get(key)))
        for key in keys
        if not key.startswith(HEAD) and left.get(key) != right.get(key)
    ]


def _flat(node: Any, prefix: str = "") -> dict[str, Any]:
    if not isinstance(node, dict):
        return {prefix[:-1]: node}
    return {key: value for name, inner in node.items() for key, value in _flat(inner, f"{prefix}{name}.").items()}
