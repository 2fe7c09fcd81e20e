"""Rehearse: call every constructor that needs no data, so that a value out of range is found before data is read."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from colonnade.config.annotations import UNKNOWN
from colonnade.config.baseline import faults_of_trainer, fits_at_once
from colonnade.config.build import construct
from colonnade.config.machine import faults_of_machine
from colonnade.config.nodes import LATE, join
from colonnade.config.pretraining import faults_of_pretraining, pretrains
from colonnade.core.errors import ColonnadeError, ConfigError, Faults, MissingExtraError

if TYPE_CHECKING:
    from torch import nn

    from colonnade.core.spec import BatchSpec
    from colonnade.tasks.base import Task

# What follows a decoder, fitted when the training is over.
AFTER = ("calibration", "uncertainty")
# Loggers are left out: some reach for a server as soon as they are made.
CHEAP = (
    "data",
    "task",
    "split",
    "cv",
    "pipeline",
    "loader",
    "optim",
    "callbacks",
    "cluster",
    "export",
    "explain",
    *AFTER,
)
# Classes of others do more when they are made, such as looking for devices.
THEIRS = ("lightning.", "torch.")
# Loggers of Lightning that need a package, with the extra that brings it.
NEEDS = {
    "lightning.pytorch.loggers.WandbLogger": ("wandb", "wandb"),
    "lightning.pytorch.loggers.MLFlowLogger": ("mlflow", "mlflow"),
}
ROWS = 1024
STEPS = 24
OF_FOLDS = (
    "a cross-validation is calibrated as a whole, by its rows out of fold: leave it out here, and "
    "`colonnade calibrate run=<folder> out=<folder>{}` afterwards"
)


def rehearse(tree: Mapping[str, Any], faults: Faults, *, auto: bool) -> None:
    """Call constructors, from the leaves up, but those whose arguments have faults already.

    Args:
        tree: plain data.
        faults: what is wrong with names and types; what the constructors say is added, with the YAML key.
        auto: whether the task is a stand-in for one that is chosen from the target.
    """
    import torch

    with torch.random.fork_rng(devices=[]):
        well = {group: _probe(tree.get(group), group, faults) for group in (*CHEAP, "model", "module")}
        for name, node in _mapping(tree.get("logger")).items():
            package, extra = NEEDS.get(str(_mapping(node).get("_target_")), (None, ""))
            if package is not None and find_spec(package) is None:
                faults.add(f"logger.{name}: {MissingExtraError(package, extra)}")
        faults_of_machine(tree, faults)
        if well["data"]:
            _data(tree["data"], faults)
        after = [key for key in AFTER if tree.get(key) is not None]
        if tree.get("cv") is not None:
            for key in after:
                faults.add(f"{key}: {OF_FOLDS.format(' conformal=auto' if key == 'uncertainty' else '')}")
        if well["pipeline"]:
            _texts(tree, faults)
        if well["task"]:
            task = construct(tree["task"])
            if tree.get("init_from") is not None and _sequential(tree):
                faults.add("init_from: a pre-training is of a table, and the data are series: leave it out")
            if pretrains(tree):
                faults_of_pretraining(tree, faults)
            elif well["data"]:
                _target_named(tree["data"], faults)
            if well["data"]:
                _forecasts(tree, task, faults, with_folds=well["cv"])
                _steps(tree, faults)
            if not auto:
                _targets(task, _mapping(tree.get("data")), faults)
                for key in after:
                    if well[key]:
                        _after(key, tree[key], task, faults)
            if "uncertainty" in after and _sequential(tree):
                if _mapping(tree["uncertainty"]).get("group") is not None:
                    faults.add("uncertainty.group: the steps of a series are of no one group: leave it out")
                if _mapping(tree["uncertainty"]).get("randomized"):
                    faults.add("uncertainty.randomized: steps of a series are no columns to draw from: leave it out")
            # What windows a network sees is said by `data`.
            if well["model"] and (well["data"] or not _sequential(tree)):
                _network(tree, task, faults, with_module=well["optim"] and well["module"])


def _mapping(node: Any) -> Mapping[str, Any]:
    """A node; empty where something else stands in its place."""
    return node if isinstance(node, Mapping) else {}


def _probe(node: Any, path: str, faults: Faults) -> bool:
    """Call the constructors under ``node``; whether all is well there."""
    # Every child is visited, so that the faults of all of them are told.
    children = []
    if isinstance(node, list):
        children = [_probe(value, f"{path}[{i}]", faults) for i, value in enumerate(node)]
    elif isinstance(node, Mapping):
        children = [_probe(value, join(path, key), faults) for key, value in node.items()]
    found = any(fault.startswith((f"{path}:", f"{path}.", f"{path}[")) for fault in faults)
    if node is UNKNOWN or found or not all(children):
        return False
    target = str(_mapping(node).get("_target_", ""))
    ours = target and not target.startswith(THEIRS) and not node.get("_partial_") and path not in LATE
    return not (ours and _made(node, path, faults) is None)


def _made(node: Mapping[str, Any], path: str, faults: Faults, **late: Any) -> Any:
    """The object of a node; None, and a fault, when its constructor refuses."""
    try:
        return construct(node, **late)
    except MissingExtraError as error:
        faults.add(f"{path}: {error}")
    except (ColonnadeError, ValueError) as error:
        text = str(error)
        faults.add(text if text.startswith(path) else f"{path}: {text}")
    return None


def _data(node: Mapping[str, Any], faults: Faults) -> None:
    """A table comes from somewhere."""
    from colonnade.data.dataset import TableDataset

    if not _of_class(node, TableDataset):
        return
    if all(node.get(key) is None for key in ("path", "files", "sql", "source")):
        faults.add("data.path: nothing to read: data.path=table.csv data.target=y, or a known set such as data=adult")


def _target_named(node: Mapping[str, Any], faults: Faults) -> None:
    """What is learned with targets says which they are."""
    from colonnade.data.dataset import TableDataset

    if _of_class(node, TableDataset) and not node.get("target"):
        faults.add("data.target: which column is to be predicted? data.target=name")


def _of_class(node: Any, kind: type) -> bool:
    """Whether a node's target is a class of a kind; not where there is no such target, which is told elsewhere."""
    from colonnade.config.targets import find

    try:
        found = find(str(_mapping(node).get("_target_")))
    except ColonnadeError:
        return False
    return isinstance(found, type) and issubclass(found, kind)


def _sequential(tree: Mapping[str, Any]) -> bool:
    """Whether ``data`` gives sequences."""
    from colonnade.data.sequences.dataset import SequenceDataset

    return _of_class(tree.get("data"), SequenceDataset)


def _made_up_for(tree: Mapping[str, Any], task: Task) -> BatchSpec:
    """The specification of made-up data of the kind that ``data`` gives."""
    from dataclasses import replace

    node = _mapping(tree.get("data"))
    if not _sequential(tree):
        return made_up(task.name, str(task.target_kind))
    horizon, context = node.get("horizon"), node.get("context")
    if not isinstance(horizon, int) or not isinstance(context, int):
        return made_up(task.name, str(task.target_kind), n_steps=STEPS)
    names = tuple(f"a+{i + 1}" for i in range(horizon))
    spec = made_up(task.name, "real", n_steps=context)
    return replace(
        spec,
        horizon=horizon,
        channels=(0,),
        known=("b",) if node.get("future") else (),
        static=("c",) if node.get("static") else (),
        target_names=names,
        target_mean=(0.0,) * horizon,
        target_scale=(1.0,) * horizon,
        season=node.get("season", 1),
        # Whether they are is seen when they are read.
        counts=True,
    )


def _forecasts(tree: Mapping[str, Any], task: Task, faults: Faults, *, with_folds: bool) -> None:
    """What goes with a forecast."""
    from colonnade.data.sequences.horizon import Bordered
    from colonnade.data.sequences.rolling import RollingOrigin
    from colonnade.tasks.forecast import ForecastTask

    rolling, bordered = _of_class(tree.get("cv"), RollingOrigin), _of_class(tree.get("split"), Bordered)
    if _mapping(tree["data"]).get("horizon") is None or not _sequential(tree):
        if rolling:
            faults.add("cv: rolling origins are of series that are forecast (data.horizon): cv=kfold, group or time")
        if bordered:
            faults.add("split: divides the steps of series that are forecast (data.horizon): split=auto")
        return
    if not isinstance(task, ForecastTask):
        faults.add(
            "task: data.horizon is set, so that the target is forecast: task=forecast, forecast_quantile or "
            "forecast_distribution"
        )
    if not bordered:
        faults.add("split: series are divided by time within each of them to be forecast: split=horizon")
    if tree.get("cv") and not rolling:
        faults.add("cv: folds of forecasts are stretches of time, behind what is learned from: cv=rolling_origin")
    elif rolling and with_folds:
        try:
            construct(tree["cv"]).check(tree["data"]["horizon"])
        except ConfigError as error:
            faults.add(str(error))


def _steps(tree: Mapping[str, Any], faults: Faults) -> None:
    """What goes with a target for each step: parts of whole series."""
    from colonnade.data.sequences.steps import TORN, StepDataset
    from colonnade.data.split.shuffled import Random, Stratified

    if not _of_class(tree["data"], StepDataset):
        return
    cv = _mapping(tree.get("cv"))
    for path, node in (("split", tree.get("split")), ("cv.by", cv.get("by"))):
        if any(_of_class(node, kind) for kind in (Random, Stratified)):
            faults.add(f"{path}: {TORN}: split=auto, or cv=group")
    if cv and tree["data"].get("id") is None:
        faults.add("cv: one series makes no folds: cv=none, or data.id")


def _targets(task: Task, data: Mapping[str, Any], faults: Faults) -> None:
    """One class can be told of one target column only, an event of two, which come next."""
    from colonnade.core.schema import TargetKind

    names = data.get("target")
    if task.target_kind is TargetKind.CLASS and isinstance(names, list) and len(names) > 1:
        faults.add(
            f"data.target: names {len(names)} columns, task={task.name} predicts one; "
            "choose task=multilabel or task=regression"
        )
    if task.target_kind is TargetKind.EVENT and (not isinstance(names, list) or len(names) != 2):
        faults.add(f"data.target: task={task.name} learns a type and a time: data.target=[activity,elapsed]")
    elif task.target_kind is TargetKind.EVENT and data.get("lead") == 0:
        faults.add(f"data.lead=0 is the event itself: task={task.name} learns the next one, data.lead=1")


def _texts(tree: Mapping[str, Any], faults: Faults) -> None:
    """A graph begins with texts, and holds nothing that makes vectors of them."""
    embedded = _mapping(tree.get("pipeline")).get("texts") is not None
    for name, node in _mapping(tree.get("export")).items():
        if embedded and node is not None:
            faults.add(
                f"export.{name}: cannot be exported: pipeline.texts makes vectors of texts outside of the graph: "
                "leave features=sentences out, or export=none"
            )


def _network(tree: Mapping[str, Any], task: Task, faults: Faults, *, with_module: bool) -> None:
    """Build network and module for a made-up table."""
    from dataclasses import replace

    from torch import nn

    spec = _made_up_for(tree, task)
    try:
        task.setup(spec)
    except ConfigError as error:
        faults.add(str(error))
        return
    spec = replace(spec, out_shape=task.out_shape(spec), roles=task.roles)
    with _unheard("colonnade.nn"):
        network = _made(tree["model"], "model", faults, spec=spec)
    if network is not None and with_module:
        late = {"network": network, "task": task, "optim": construct(tree["optim"]), "spec": spec}
        # Compiling is slow, and worth it for the real network only.
        node = {key: value for key, value in tree["module"].items() if key != "compile"}
        _made(node, "module", faults, **late)
    exports = {name: node for name, node in _mapping(tree.get("export")).items() if node is not None}
    if network is not None and exports and not any(fault.startswith("export.") for fault in faults):
        _exports(exports, nn.ModuleList([network, task.decoder(spec)]), faults)
    if network is not None and tree.get("explain") and not any(fault.startswith("explain") for fault in faults):
        _explained(tree["explain"], network, spec, faults)
    if fits_at_once(tree):
        faults_of_trainer(_mapping(tree.get("trainer")), faults)


def _exports(nodes: Mapping[str, Any], model: nn.Module, faults: Faults) -> None:
    """A model that cannot leave as a file says so before it is trained."""
    for name, node in nodes.items():
        try:
            construct(node).check(model)
        except ConfigError as error:
            faults.add(f"export.{name}: {error}")


def _explained(node: Mapping[str, Any], network: nn.Module, spec: BatchSpec, faults: Faults) -> None:
    """A method that does not fit the model."""
    from colonnade.explain.options import method_for

    try:
        method_for(construct(node).method, network, spec)
    except ConfigError as error:
        faults.add(f"explain.{error}")


def _after(key: str, node: Mapping[str, Any], task: Task, faults: Faults) -> None:
    """A task without probabilities, or without intervals of the kind."""
    try:
        construct(node).check(task)
    except ConfigError as error:
        faults.add(f"{key}: {error}")


@contextmanager
def _unheard(name: str) -> Iterator[None]:
    """What a room notes of a made-up table is not for the user."""
    logger = logging.getLogger(name)
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(level)


def made_up(task: str, kind: str, *, n_steps: int | None = None) -> BatchSpec:
    """The specification of a table, or of sequences, with two numeric columns and a categorical one.

    Args:
        task: name of the task; ``multiclass`` has three classes.
        kind: a :class:`~colonnade.core.schema.TargetKind` value.
        n_steps: of sequences; None: a table.
    """
    import torch

    from colonnade.core.batch import Batch
    from colonnade.core.spec import BatchSpec

    classes = ("0", "1", "2") if task == "multiclass" else ("0", "1")
    targets = ("y", "z") if kind in ("multilabel", "event") else ("y",)
    generator = torch.Generator().manual_seed(0)
    if kind == "class":
        target = torch.arange(ROWS) % len(classes)
    else:
        target = (torch.arange(ROWS) % 2).float().unsqueeze(1).expand(-1, len(targets))
    rows = Batch(
        num=torch.randn(ROWS, 2, generator=generator),
        cat=(torch.arange(ROWS) % 5).unsqueeze(1),
        target=target,
        row_id=torch.arange(ROWS),
    )
    return BatchSpec(
        num_names=("a", "b"),
        cat_names=("c",),
        cardinalities=(5,),
        target_kind=kind,
        target_names=targets,
        classes=classes if kind in ("class", "event") else (),
        class_counts=(ROWS // 3,) * len(targets if kind == "multilabel" else classes) if kind != "real" else (),
        target_mean=(0.0,) if kind in ("real", "event") else (),
        target_scale=(1.0,) if kind in ("real", "event") else (),
        n_train=ROWS,
        n_steps=n_steps,
        num_sample=rows.num,
        train_rows=rows if n_steps is None else None,
    )
