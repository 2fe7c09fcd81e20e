"""Packed: several configurations of one model trained as one, each into its own run folder."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, OmegaConf

from colonnade.config.baseline import fits_at_once
from colonnade.config.build import build
from colonnade.config.check import check
from colonnade.config.machine import FLOAT32
from colonnade.config.pretraining import pretrains
from colonnade.config.record import config_hash
from colonnade.config.resolve import resolved
from colonnade.core.errors import ColonnadeError, ConfigError, Faults
from colonnade.core.garbage import seldom_collected
from colonnade.core.spec import BatchSpec
from colonnade.runs.assemble import Parts, assemble, build_trainer, check_devices
from colonnade.runs.export import export_missing
from colonnade.runs.fit import begin, conclude, failed, prepare_process
from colonnade.runs.folder import RunFolder
from colonnade.runs.launch import is_worker, processes
from colonnade.runs.network import outcome
from colonnade.training.module import SupervisedModule

if TYPE_CHECKING:
    from colonnade.data.table import Table
    from colonnade.training.packed.member import Member

log = logging.getLogger(__name__)

# What of `trainer:` a pack follows, or does not need to.
FOLLOWED = (
    "_target_",
    "accelerator",
    "deterministic",
    "devices",
    "enable_checkpointing",
    "enable_model_summary",
    "enable_progress_bar",
    "log_every_n_steps",
    "max_epochs",
    "num_sanity_val_steps",
    "precision",
    "use_distributed_sampler",
)


@dataclass
class Run:
    """A run of a pack.

    Args:
        cfg: what the user asked for.
        folder: its run folder.
        parts: what was made of it.
        member: of the pack; None: not begun.
    """

    cfg: DictConfig
    folder: RunFolder
    parts: Parts
    member: Member | None = None


def fit_packed(cfgs: Sequence[DictConfig], run_dirs: Sequence[Path | str]) -> list[dict[str, Any]]:
    """Train several configurations side by side as one batched model; resume and leave alone as ``fit`` does.

    They may differ in seed, split, learning rate, weight decay, dropout and whatever else leaves the shapes of the
    network alone; those whose encoded columns differ, as folds may that do not see the same categories, are trained in
    packs of their own. The result of each is that of a training by itself but for rounding; figures are not drawn.

    Args:
        cfgs: composed configurations.
        run_dirs: a run folder for each.

    Returns:
        The content of each ``result.json``.

    Raises:
        ConfigError: a configuration has faults, or asks for what a pack cannot do.
        ColonnadeError: the first error of a member, whose ``result.json`` says ``failed``; the others have finished.
    """
    for cfg in _to_check(cfgs):
        check(cfg)
        unpackable(cfg).raise_if_any(ConfigError, "packed")
    folders = [RunFolder(path) for path in run_dirs]
    results = pack_in(cfgs, folders)
    for cfg, folder in zip(cfgs, folders):
        if cfg.get("export") and folder.finished:
            export_missing(cfg, folder)
    return results


def pack_in(
    cfgs: Sequence[DictConfig], folders: Sequence[RunFolder], table: Table | None = None
) -> list[dict[str, Any]]:
    """What :func:`fit_packed` does, of configurations that were checked and without exports.

    Args:
        cfgs: composed configurations.
        folders: the run folder of each.
        table: what ``data:`` of all of them gave; None: it is read.
    """
    check_devices(cfgs[0])
    errors: list[ColonnadeError] = []
    with seldom_collected(), ExitStack() as held:
        for cfg, folder in zip(cfgs, folders, strict=True):
            held.enter_context(folder.locked())
            folder.claim(config_hash(cfg), overwrite=cfg.overwrite)
        todo = [(c, f) for c, f in zip(cfgs, folders) if not (f.finished or f.pruned)]
        if len(todo) < len(cfgs):
            log.warning(
                "%d of %d runs are finished: overwrite=true trains them again", len(cfgs) - len(todo), len(cfgs)
            )
        for pack in alike(_assembled(todo, table, errors)):
            _train(pack, errors)
    if errors:
        raise errors[0]
    return [folder.result or {} for folder in folders]


def _to_check(cfgs: Sequence[DictConfig]) -> list[DictConfig]:
    """One of those that differ in a seed or a fold alone: a check takes as long as some epochs of a small network."""
    found: dict[str, DictConfig] = {}
    for cfg in cfgs:
        plain = OmegaConf.to_container(cfg, resolve=False)
        assert isinstance(plain, dict)
        same = {**plain, "overrides": None}
        if _counts(plain.get("seed")):
            same["seed"] = 0
        split = plain.get("split")
        if isinstance(split, dict) and _counts(split.get("fold")) and _counts(split.get("folds")):
            # One that is out of range stays what it is.
            same["split"] = {**split, "fold": max(0, split["fold"] - split["folds"] + 1)}
        found.setdefault(json.dumps(same, sort_keys=True, default=str), cfg)
    return list(found.values())


def _counts(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def unpackable(cfg: DictConfig) -> Faults:
    """Why a configuration can only be trained by itself; empty where it can be one of a pack."""
    faults = Faults()
    if fits_at_once(cfg):
        faults.add("model: a baseline is fitted at once and has no steps to share")
    elif str(cfg.module.get("_target_", "")).rpartition(".")[2] != SupervisedModule.__name__:
        faults.add(f"module: a pack trains SupervisedModule alone, not {cfg.module.get('_target_')}")
    elif str(cfg.model.get("_target_", "")).rpartition(".")[2] == "SequenceNetwork":
        faults.add("model: a pack trains networks of tables; those of series are not packed yet")
    elif str(cfg.model.get("_target_", "")).rpartition(".")[2] != "Network":
        faults.add(f"model: a pack trains networks of rows that do not see each other, not {cfg.model.get('_target_')}")
    if pretrains(cfg):
        faults.add("task: a pre-training is trained by itself")
    if cfg.get("cv") is not None:
        faults.add("cv: a cross-validation packs its own folds; cv.packed=true")
    if cfg.module.get("compile", False):
        faults.add("module.compile: a pack is not compiled; module.compile=false")
    if cfg.module.get("micro_batch") is not None:
        faults.add("module.micro_batch: a pack takes whole batches; module.micro_batch=null")
    if cfg.trainer.get("precision", FLOAT32[0]) not in FLOAT32:
        faults.add(f"trainer.precision={cfg.trainer.precision}: a pack trains in float32; trainer.precision=32-true")
    for key in cfg.trainer:
        if key not in FOLLOWED:
            faults.add(f"trainer.{key}: a pack does not know it; leave it out")
    if is_worker() or processes(cfg) > 1:
        faults.add("trainer.devices: a pack is trained by one process; trainer.devices=1")
    return faults


def alike(runs: Iterable[Run]) -> list[list[Run]]:
    """Runs in packs whose networks can be stacked; why there are several is told."""
    packs: list[list[Run]] = []
    for run in runs:
        why = None
        for pack in packs:
            why = difference(pack[0].parts, run.parts)
            if why is None:
                pack.append(run)
                break
        else:
            if why is not None:
                log.info("a pack of its own for '%s': %s", run.folder.path.name, why)
            packs.append([run])
    return packs


def _shapes(parts: Parts) -> dict[str, tuple[int, ...]]:
    assert isinstance(parts.module, SupervisedModule)
    return {name: tuple(tensor.shape) for name, tensor in parts.module.state_dict().items()}


def difference(one: Parts, other: Parts) -> str | None:
    """Why two runs cannot be in one pack, in words; None: they can, as far as is known before the training."""
    a, b = one.module.spec, other.module.spec
    for key in ("num_names", "cat_names", "target_names", "classes"):
        if getattr(a, key) != getattr(b, key):
            only = sorted(set(getattr(a, key)) ^ set(getattr(b, key)))
            return f"{_WORDS[key]} differ: {', '.join(only[:5]) or 'their order'}"
    for name, mine, theirs in zip(a.cat_names, a.cardinalities, b.cardinalities):
        if mine != theirs:
            return f"column '{name}' has {_levels(a, name)} levels in one and {_levels(b, name)} in another"
    left, right = (_shapes(parts) for parts in (one, other))
    for name in (*left, *right):
        if left.get(name) != right.get(name):
            return f"'{name}' has the shape {left.get(name)} in one and {right.get(name)} in another"
    first, second = one.cfg.optim, other.cfg.optim
    for key in ("name", "lr_factors"):
        if first.get(key) != second.get(key):
            return f"optim.{key} differs"
    if bool(first.get("weight_decay")) != bool(second.get("weight_decay")):
        return "optim.weight_decay is 0 in one and not in another"
    return None


_WORDS = {
    "num_names": "encoded numeric columns",
    "cat_names": "encoded categorical columns",
    "target_names": "targets",
    "classes": "classes",
}


def _levels(spec: BatchSpec, name: str) -> int:
    """Levels of a column, without the codes of missing and unknown."""
    return spec.cardinalities[spec.cat_names.index(name)] - 2


def _assembled(
    todo: Sequence[tuple[DictConfig, RunFolder]], table: Table | None, errors: list[ColonnadeError]
) -> list[Run]:
    """The runs with their data encoded, but those that fail; what several of them read is read once."""
    tables: dict[str, Table] = {}
    runs = []
    for cfg, folder in todo:
        try:
            prepare_process(cfg)
            key = json.dumps(resolved(cfg.data), default=str)
            if table is None and key not in tables:
                tables[key] = build(cfg.data).read()
            runs.append(Run(cfg, folder, assemble(cfg, table=tables[key] if table is None else table)))
        except ColonnadeError as error:
            failed(cfg, folder, error)
            errors.append(error)
    return runs


def _train(runs: list[Run], errors: list[ColonnadeError]) -> None:
    """Train runs that can be stacked."""
    from colonnade.training.packed.member import Member
    from colonnade.training.packed.pack import Pack

    log.info("a pack of %d", len(runs))
    for run in runs:
        assert isinstance(run.parts.module, SupervisedModule)
        recovery = begin(run.cfg, run.parts, run.folder)
        # The bars of many trainings would write over each other.
        trainer = build_trainer(run.parts.cfg, run.folder.path, quiet=True)
        run.member = Member(trainer, run.parts.module, run.parts.datamodule)
        run.member.begin(recovery)
    of = {id(run.member): run for run in runs}
    open_ones = [run.member for run in runs if run.member is not None and not run.member.done]
    for run in runs:
        if run.member is not None and run.member.done:
            run.member.end()
            _conclude(run, errors)
    if open_ones:
        for member in Pack(open_ones).train():
            _conclude(of[id(member)], errors)


def _conclude(run: Run, errors: list[ColonnadeError]) -> None:
    """Measure a run that has ended, or write that it failed."""
    member = run.member
    assert member is not None
    try:
        if member.error is not None:
            raise member.error
        trained = outcome(run.parts, member.trainer, run.folder)
        # Figures of one take longer than its share of the training.
        conclude(run.parts, trained, run.folder, seconds=trained.seconds_before + member.seconds, shown=False)
        log.info("%s: %s", run.folder.path.name, (run.folder.result or {})["status"])
    except ColonnadeError as error:
        failed(run.cfg, run.folder, error)
        errors.append(error)
