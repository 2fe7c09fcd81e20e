"""Load: a finished run, ready to predict. Needs neither Lightning nor the training data."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig, open_dict
from torch import Tensor, nn

from colonnade.config.build import build
from colonnade.config.copied import copied
from colonnade.config.record import load_config
from colonnade.core.errors import ConfigError, DataError, RunFolderError
from colonnade.core.files import write_json
from colonnade.core.schema import Column, Schema
from colonnade.core.spec import BatchSpec
from colonnade.data.dataset import TableDataset
from colonnade.data.joint import join
from colonnade.data.lookup import Lookup
from colonnade.data.pipeline import FittedPipeline
from colonnade.data.table import Table
from colonnade.data.target import TargetCoder
from colonnade.runs.assemble import build_network, network_spec
from colonnade.runs.fitted import NEEDED_OF_CALIBRATION, Fitted, calibrates
from colonnade.runs.folder import CONFIG, MANIFEST, RunFolder
from colonnade.tasks.base import Task
from colonnade.tasks.combine import Combiner, Stacking, WeightedMean, check_alike
from colonnade.tasks.disagreement import MemberCombiner, MemberDecoder
from colonnade.tasks.measures.rows import refuse_rows
from colonnade.training.ensemble import EnsemblePredictor, Member
from colonnade.training.predictor import Predictor

NETWORK = "network.safetensors"
# Where the training data came from: not needed to read a new file, and perhaps not to be had here.
ORIGIN = ("path", "files", "sql", "source")
NEEDED = (CONFIG, "schema.json", "spec.json", "target.json", "pipeline.json", "pipeline.safetensors", NETWORK)
# What a run of several models is loaded from, beside the folders of its members.
ENSEMBLE = "ensemble.json"
WEIGHTS = "ensemble.safetensors"
NEEDED_OF_ENSEMBLE = (CONFIG, ENSEMBLE, WEIGHTS)
ROLES = ("targets", "weight", "group", "time", "row_id")


@dataclass
class Loaded:
    """A finished run, of one model or of several.

    Args:
        cfg: its configuration.
        dataset: reads further files as the training file was read.
        schema: the columns it was trained on.
        spec: the encoded data it was trained on; of several models, those of the first.
        lookup: raw rows to what the predictor takes.
        coder: target values to what the task compares with.
        task: decoding and metrics, set up.
        predictor: raw rows to decoded predictions.
        fitted: what follows the decoder; None: nothing.
    """

    cfg: DictConfig
    dataset: TableDataset
    schema: Schema
    spec: BatchSpec
    lookup: Lookup
    coder: TargetCoder
    task: Task
    predictor: nn.Module
    fitted: Fitted | None

    @torch.inference_mode()
    def predict(self, table: Table, *, rows: int = 4096) -> dict[str, Tensor]:
        """Decoded predictions of a table that conforms to the schema, ``rows`` rows at a time.

        Raises:
            DataError: a prediction is not finite; the rows are named.
        """
        pieces = [
            self.predictor(*self.dataset.raw(self.lookup, frame).inputs) for frame in table.frame.iter_slices(rows)
        ]
        prediction = {name: torch.cat([piece[name] for piece in pieces]) for name in pieces[0]}
        ids = None if table.row_ids is None else torch.from_numpy(table.row_ids)
        for name, values in prediction.items():
            if values.is_floating_point():
                refuse_rows(~values.isfinite(), DataError, f"prediction '{name}' is NaN or infinite", ids)
        return prediction


@dataclass
class LoadedRun(Loaded):
    """A finished run of one model.

    Args:
        pipeline: fitted preprocessing; its lookup is that of the run.
        predictor: pipeline, network and decoder.
    """

    pipeline: FittedPipeline
    predictor: Predictor


def load(run: Path | str) -> Loaded:
    """Load a finished run: one model, a cross-validation, or an ensemble.

    Raises:
        RunFolderError: the folder holds no finished run, or a file differs from its SHA-256 in the manifest.
    """
    folder = _finished(run)
    if not (folder / ENSEMBLE).exists():
        return load_run(run)
    folder.verify(*NEEDED_OF_ENSEMBLE)
    members = members_of(folder)
    # Another finished run in the place of a member would be well in itself.
    folder.verify(*(f"{member}/{MANIFEST}" for member in members))
    loaded = [load(folder / member) for member in members]
    cfg, combiner = load_config(folder / CONFIG), _combiner(folder, loaded[0].spec.target_kind)
    return gather(cfg, loaded, combiner, members, _fitted(folder, cfg))


def load_run(run: Path | str) -> LoadedRun:
    """Load a finished run of one model, for what looks into its network or its pipeline.

    Raises:
        RunFolderError: the folder holds no finished run, or several models; or a file differs from its SHA-256 in the
            manifest.
    """
    folder = _finished(run)
    if (folder / ENSEMBLE).exists():
        members = members_of(folder)
        raise RunFolderError(
            f"run='{run}' holds {len(members)} models, and one is asked for: such as run={folder / members[0]}"
        )
    folder.verify(*NEEDED)
    from safetensors.torch import load_file

    cfg = load_config(folder / CONFIG)
    spec = BatchSpec.from_dict(json.loads((folder / "spec.json").read_text(encoding="utf-8")))
    task = build(cfg.task)
    if task.self_supervised:
        raise RunFolderError(
            f"run='{run}' is a pre-training, which predicts no target: train a run that begins from it, init_from={run}"
        )
    spec = network_spec(task, spec)
    network = build_network(cfg, spec)
    network.load_state_dict(load_file(folder / NETWORK))
    pipeline = FittedPipeline.load(folder.path)
    fitted, decoder = _fitted(folder, cfg), task.decoder(spec)
    return LoadedRun(
        cfg=cfg,
        dataset=_dataset(cfg),
        schema=Schema.load(folder / "schema.json"),
        spec=spec,
        lookup=pipeline.lookup,
        coder=TargetCoder.from_dict(json.loads((folder / "target.json").read_text(encoding="utf-8"))),
        task=task,
        predictor=Predictor(
            pipeline=pipeline.module,
            network=network,
            decoder=MemberDecoder(decoder, task.target_kind) if fitted is not None and fitted.disagreement else decoder,
            calibrator=None if fitted is None else fitted.calibrator(task, pipeline.lookup),
        ),
        fitted=fitted,
        pipeline=pipeline,
    )


def gather(
    cfg: DictConfig,
    members: Sequence[Loaded],
    combiner: Combiner,
    names: Sequence[str],
    fitted: Fitted | None = None,
) -> Loaded:
    """Several runs as one.

    Args:
        cfg: the configuration of the whole.
        members: in the order of the combiner's weights.
        combiner: makes one prediction of theirs.
        names: what messages call them.
        fitted: what follows the combiner; None: nothing.

    Raises:
        ConfigError: they predict other targets or classes, or read a column otherwise.
    """
    check_alike([member.spec for member in members], names)
    lookup, shares = join([member.lookup for member in members])
    first = members[0]
    return Loaded(
        cfg=cfg,
        dataset=_dataset(cfg),
        schema=joint_schema([member.schema for member in members], names),
        spec=first.spec,
        lookup=lookup,
        coder=first.coder,
        task=first.task,
        predictor=EnsemblePredictor(
            members=[Member(member.predictor, share) for member, share in zip(members, shares)],
            combiner=MemberCombiner(combiner) if fitted is not None and fitted.disagreement else combiner,
            calibrator=None if fitted is None else fitted.calibrator(first.task, lookup),
        ),
        fitted=fitted,
    )


def joint_schema(schemas: Sequence[Schema], names: Sequence[str]) -> Schema:
    """The columns of several runs. What is a feature of any is one of the whole.

    Raises:
        ConfigError: a column has another kind or role in one of them.
    """
    first = schemas[0]
    columns: dict[str, Column] = {}
    owners: dict[str, str] = {}
    for schema, name in zip(schemas, names):
        for role in ROLES:
            if getattr(schema, role) != getattr(first, role):
                raise ConfigError(
                    f"'{name}' and '{names[0]}' do not go together: data.{role} {getattr(schema, role)}, and "
                    f"{getattr(first, role)}"
                )
        # How a column was read that a run does not use is of no consequence.
        for column in (schema.columns[used] for used in (*schema.targets, *schema.features)):
            known = columns.setdefault(column.name, column)
            owner = owners.setdefault(column.name, name)
            if (known.kind, known.format) != (column.kind, column.format):
                raise ConfigError(
                    f"'{name}' and '{owner}' do not go together: column '{column.name}' {column.kind}, and {known.kind}"
                )
    exclude = {name: why for schema in schemas for name, why in schema.exclude.items() if name not in columns}
    every = {name: column for schema in reversed(schemas) for name, column in schema.columns.items()}
    return replace(first, columns={**every, **columns}, exclude=exclude)


def members_of(folder: RunFolder) -> list[str]:
    """Folders of the members, below that of the whole.

    Raises:
        RunFolderError: one lies elsewhere.
    """
    named = [str(entry["folder"]) for entry in json.loads((folder / ENSEMBLE).read_text(encoding="utf-8"))["members"]]
    for name in named:
        if not (folder / name).resolve().is_relative_to(folder.path.resolve()):
            raise RunFolderError(f"'{folder / ENSEMBLE}' names a member outside of the folder: '{name}'")
    return named


def needed(folder: RunFolder) -> tuple[str, ...]:
    """Files that a finished run is loaded from, beside those of its members."""
    files = NEEDED_OF_ENSEMBLE if (folder / ENSEMBLE).exists() else NEEDED
    return files + (NEEDED_OF_CALIBRATION if calibrates(load_config(folder / CONFIG)) else ())


def write_ensemble(
    folder: Path, members: Sequence[Mapping[str, Any]], method: str, combiner: WeightedMean | Stacking
) -> None:
    """Write ``ensemble.json`` and ``ensemble.safetensors``.

    Args:
        folder: of the whole.
        members: each with its ``folder`` below it, and whatever else is to be told.
        method: how the weights were found.
        combiner: the weights.
    """
    from safetensors.torch import save_file

    kind = type(combiner).__name__
    write_json(folder / ENSEMBLE, {"method": method, "combiner": kind, "members": list(members)})
    save_file({name: tensor.contiguous() for name, tensor in combiner.state_dict().items()}, folder / WEIGHTS)


def _combiner(folder: RunFolder, kind: str) -> Combiner:
    from safetensors.torch import load_file

    named = json.loads((folder / ENSEMBLE).read_text(encoding="utf-8"))["combiner"]
    state = load_file(folder / WEIGHTS)
    return Stacking(kind, **state) if named == Stacking.__name__ else WeightedMean(kind, **state)


def _fitted(folder: RunFolder, cfg: DictConfig) -> Fitted | None:
    """What follows the decoder of a run, if its configuration says that anything does."""
    if not calibrates(cfg):
        return None
    folder.verify(*NEEDED_OF_CALIBRATION)
    return Fitted.read(folder.path)


def _finished(run: Path | str) -> RunFolder:
    folder = RunFolder(run)
    if not folder.finished:
        raise RunFolderError(f"run='{run}' holds no finished run (no result.json with status 'finished')")
    return folder


def _dataset(cfg: DictConfig) -> TableDataset:
    """The data node as a reader of further files, without the training data's origin."""
    cfg = copied(cfg)
    with open_dict(cfg):
        cfg.data.update({key: None for key in ORIGIN if key in cfg.data})
    dataset: TableDataset = build(cfg.data)
    return dataset
