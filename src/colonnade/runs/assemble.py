"""From a configuration to live parts: the one place where data, network, task and trainer meet."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, OmegaConf, open_dict

from colonnade.config.build import build, construct, named
from colonnade.config.by_target import settled
from colonnade.config.copied import copied
from colonnade.config.locate import load_choice
from colonnade.config.pretraining import pretrains
from colonnade.config.resolve import resolved
from colonnade.core.errors import ConfigError, closest
from colonnade.core.spec import BatchSpec

if TYPE_CHECKING:
    from lightning.pytorch import Trainer
    from lightning.pytorch.loggers import Logger

    from colonnade.baselines.base import Baseline
    from colonnade.baselines.module import BaselineModule
    from colonnade.data.datamodule import TableDataModule
    from colonnade.data.dataset import TableDataset
    from colonnade.data.table import Table
    from colonnade.nn.network import Network
    from colonnade.tasks.base import Task
    from colonnade.training.module import SupervisedModule

log = logging.getLogger(__name__)

AUTO = "auto"


@dataclass
class Parts:
    """What a training run is made of.

    Args:
        cfg: the configuration, its task concrete.
        datamodule: data, set up.
        task: loss, decoding and metrics, set up.
        module: the network under its optimiser, or the baseline that is fitted at once.
    """

    cfg: DictConfig
    datamodule: TableDataModule
    task: Task
    module: SupervisedModule | BaselineModule


def assemble(cfg: DictConfig, frame: Any = None, table: Table | None = None) -> Parts:
    """Read and encode the data, then build task, network and module to fit it.

    Args:
        cfg: the configuration.
        frame: a polars or pandas frame that is taken as the data.
        table: the data, where they were read already.
    """
    from colonnade.data.kept import Keep
    from colonnade.data.unlabelled import UnlabelledDataModule
    from colonnade.runs.start import Start

    dataset = dataset_of(cfg, frame)
    # Before the data are read: what a run shall begin from may not be there.
    start = None if cfg.get("init_from") is None else Start.read(cfg.init_from)
    if cfg.task.name == AUTO:
        table = dataset.read() if table is None else table
        cfg = with_task(cfg, table)
    cfg = settled(cfg)
    if start is not None:
        start.check(cfg)
    task = build(cfg.task)
    datamodule = (UnlabelledDataModule if task.self_supervised else dataset.datamodule())(
        dataset=dataset,
        splitter=build(cfg.split),
        pipeline=build(cfg.pipeline) if start is None else start,
        target_kind=task.target_kind,
        loader=build(cfg.loader),
        seed=cfg.seed,
        table=table,
        keep=Keep(
            group=OmegaConf.select(cfg, "uncertainty.group"), draw=bool(OmegaConf.select(cfg, "uncertainty.randomized"))
        ),
    )
    datamodule.setup("fit")
    if start is not None:
        for note in start.notes(datamodule.split, datamodule.table):
            log.info("%s", note)
            datamodule.notes.append(note)
    spec = network_spec(task, datamodule.spec)
    network = build_network(cfg, spec)
    if start is not None:
        start.give(network)
    module = build(
        cfg.module,
        network=network,
        task=task,
        optim=build(cfg.optim),
        spec=spec,
        seed=cfg.seed,
    )
    return Parts(cfg=cfg, datamodule=datamodule, task=task, module=module)


def dataset_of(cfg: DictConfig, frame: Any = None) -> TableDataset:
    """Build ``data:``, with a frame in the place of what it would read where one is given."""
    from colonnade.data.sources.frame import Frame

    late: dict[str, Any] = {} if frame is None else {"path": None, "source": Frame(frame)}
    if pretrains(cfg) and cfg.data.get("drop_missing_target"):
        # What has no target is what there is most of.
        late["drop_missing_target"] = False
    dataset: TableDataset = build(cfg.data, **late)
    return dataset


def with_task(cfg: DictConfig, table: Table) -> DictConfig:
    """The configuration with ``task: auto`` replaced by the task that the target asks for."""
    from colonnade.data.infer import target_kind

    _, name = target_kind(table.frame, table.schema)
    # What the user set under `auto`, such as another monitor, still holds.
    marker = load_choice("task", AUTO)
    asked = {key: value for key, value in cfg.task.items() if marker.get(key) != value}
    concrete = OmegaConf.merge(load_choice("task", name), asked)
    cfg = copied(cfg)
    with open_dict(cfg):
        cfg.task = concrete
    return cfg


def network_spec(task: Task, spec: BatchSpec) -> BatchSpec:
    """Set the task up on the data, and return the specification with what the task asks of a network."""
    task.setup(spec)
    return replace(spec, out_shape=task.out_shape(spec), roles=task.roles)


def build_network(cfg: DictConfig, spec: BatchSpec) -> Network | Baseline:
    """Build ``model:`` for encoded data."""
    import torch

    # The same weights whatever was drawn before, such as noise in the pipeline.
    torch.manual_seed(cfg.seed)
    network: Network | Baseline = build(cfg.model, spec=spec)
    return network


def check_devices(cfg: DictConfig) -> None:
    """Refuse an accelerator that is not there.

    Apart from ``config.check``, which also passes configurations that are meant for another machine.

    Raises:
        ConfigError: ``trainer.accelerator`` is not the name of an accelerator, or this machine has none of the kind.
    """
    from lightning.pytorch.accelerators import AcceleratorRegistry

    wanted = cfg.trainer.get("accelerator", "auto")
    if not isinstance(wanted, str) or wanted == "auto":
        return
    names = ("cuda", "mps") if wanted == "gpu" else (wanted,)
    kinds = [entry["accelerator"] for name, entry in AcceleratorRegistry.items() if name in names]
    key = f"trainer.accelerator={wanted}"
    if not kinds:
        raise ConfigError(f"{key}: there is no such kind{closest(wanted, ('auto', 'gpu', *AcceleratorRegistry))}")
    if not any(kind.is_available() for kind in kinds):
        raise ConfigError(f"{key}: torch finds none on this machine; trainer=cpu, or trainer=auto for what there is")


def build_trainer(cfg: DictConfig, run_dir: Path, *, quiet: bool = False) -> Trainer:
    """Build the trainer with the callbacks and loggers of the configuration, writing into ``run_dir``.

    Args:
        cfg: the configuration.
        run_dir: the run folder.
        quiet: without a progress bar, whatever the configuration says.

    Raises:
        ConfigError: Lightning refuses what it was asked for, such as devices that are not there.
    """
    from lightning.pytorch.callbacks import ProgressBar
    from lightning.pytorch.utilities.exceptions import MisconfigurationException

    from colonnade.training.checkpoint_io import AtomicCheckpointIO

    check_devices(cfg)
    # Its announcements are not for the people who train; its warnings are.
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    callbacks = _entries(cfg, "callbacks", run_dir)
    shown = cfg.trainer.get("enable_progress_bar", True) and not quiet
    if not shown:
        # Lightning would refuse the one among the callbacks.
        callbacks = [c for c in callbacks if not isinstance(c, ProgressBar)]
    try:
        trainer: Trainer = build(
            cfg.trainer,
            callbacks=callbacks,
            logger=_entries(cfg, "logger", run_dir) or False,
            enable_progress_bar=shown,
            plugins=[AtomicCheckpointIO()],
            default_root_dir=str(run_dir),
            **_placed(cfg),
        )
    except MisconfigurationException as error:
        raise ConfigError(f"trainer: {error}") from error
    return trainer


def _placed(cfg: DictConfig) -> dict[str, int]:
    """The devices of this machine and the number of machines, where a cluster has chosen them for the processes."""
    if cfg.get("cluster") is None:
        return {}
    here, total = (int(os.environ.get(name, "1")) for name in ("LOCAL_WORLD_SIZE", "WORLD_SIZE"))
    if total % here:
        raise ConfigError(f"trainer.devices={total}: the cluster has put {here} of them on one node; let them be even")
    return {"devices": here, "num_nodes": total // here}


def build_loggers(cfg: DictConfig, run_dir: Path) -> list[Logger]:
    """Build the loggers of the configuration, writing into ``run_dir``."""
    return _entries(cfg, "logger", run_dir)


def _entries(cfg: DictConfig, group: str, run_dir: Path) -> list[Any]:
    """What the entries of ``callbacks:`` or ``logger:`` name, which refer to the run folder."""
    made = []
    for name, node in (resolved(cfg[group], run_dir=str(run_dir)) if cfg[group] else {}).items():
        if node is not None:
            with named(f"{group}.{name}"):
                made.append(construct(node))
    return made
