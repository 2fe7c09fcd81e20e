"""Exported graphs against the torch Predictor: parity, size, latency; one thread.

``python scripts/bench artefact``: every model on two classes, and a few models on every task. ``--all``: all on all;
``--models mlp,tabm``: these alone, the lines of the others stay.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import machine
import polars as pl
import torch
from hydra.utils import get_class as locate
from omegaconf import OmegaConf

from colonnade.baselines.base import Job
from colonnade.baselines.module import BaselineModule
from colonnade.config.build import build
from colonnade.config.compose import compose
from colonnade.config.locate import shipped
from colonnade.core.errors import ConfigError
from colonnade.data.conform import conform
from colonnade.deploy.onnx_export import Exportable, OnnxExport
from colonnade.deploy.runtime import OnnxModel
from colonnade.runs.assemble import Parts, assemble
from colonnade.training.predictor import Predictor

ROWS = 4000
SEVERAL = ("mlp", "tabm", "random_forest", "lightgbm", "catboost")
# Columns of Adult that stand for the target of each task.
TARGETS = {
    "binary": ["income"],
    "multiclass": ["race"],
    "multilabel": ["rich", "male"],
    "regression": ["age"],
    "multitarget_regression": ["age", "hours_per_week"],
    "quantile": ["hours_per_week"],
}
# A choice among the others, and a network that is not used as it is.
UNNAMED = {"auto", "tabnet_pretrain"}
# Repeats, and rows of a batch; in how many turns.
TIMED = ((300, 1), (15, 1000))
TURNS = 3


def adult() -> pl.DataFrame:
    """Some rows of Adult, with two labels besides."""
    frame = build(compose(["data=adult", "model=linear"]).data).read().frame.head(ROWS)
    return frame.with_columns(
        rich=(pl.col("income") == ">50K").cast(pl.Int64), male=(pl.col("sex") == "Male").cast(pl.Int64)
    )


def made(model: str, task: str, frame: pl.DataFrame) -> Parts:
    """A model as shipped: fitted where it is fitted at once, else with its first weights."""
    targets = TARGETS[task]
    same = ("income", "sex") if task == "multilabel" else ("rich", "male")
    words = [f"model={model}", f"task={task}", f"data.target=[{','.join(targets)}]", "data.path=adult.csv"]
    cfg = compose([*words, *(f"data.exclude.{name}=leak" for name in same)])
    parts = assemble(OmegaConf.merge(cfg, {"data": {"path": "<frame>"}}), frame)  # type: ignore[arg-type]
    if isinstance(parts.module, BaselineModule):
        train, val = (parts.datamodule.loader_for(part).store for part in ("train", "val"))
        parts.module.fit(train, val, Job())
    return parts


def sequential(model: str) -> bool:
    """Whether a model takes sequences: this is a table of models of tables."""
    return bool(locate(compose([f"model={model}"]).model._target_).sequential)


def milliseconds(works: Sequence[Callable[[], Any]], repeats: int) -> list[float]:
    """Median of one call of each, in time of the processor: what else runs counts less. They take turns, a hot loop
    each, so that what changes on a machine meets all of them."""
    seconds: list[list[float]] = [[] for _ in works]
    for _ in range(TURNS):
        for found, work in zip(seconds, works):
            work()
            for _ in range(repeats // TURNS):
                start = time.process_time()
                work()
                found.append(time.process_time() - start)
    return [1000 * statistics.median(found) for found in seconds]


def measured(model: str, task: str, frame: pl.DataFrame) -> list[str] | None:
    """A line of the table; None where the model cannot be exported, or does not learn the task."""
    try:
        parts = made(model, task, frame)
        OnnxExport().check(parts.module.network)
    except ConfigError as error:
        print(f"{model}, {task}: {error}", file=sys.stderr)
        return None
    data = parts.datamodule
    typed = conform(frame, data.table.schema, need_target=False, where="adult")
    predictor, graph, cells = exported(parts, typed)
    lookup = data.pipeline.lookup
    for repeats, n in TIMED:
        rows = typed.head(n)
        feeds = graph.feeds({name: rows[name].to_numpy() for name in graph.columns})
        raw = lookup(rows)
        with torch.inference_mode():
            works = (
                partial(graph.session.run, None, feeds),
                partial(predictor, raw.num, raw.cat, raw.time),
                partial(lookup, rows),
            )
            ours, theirs, looked_up = milliseconds(works, repeats)
        cells += [f"{v:.3g}" for v in (ours, theirs, looked_up)]
        cells += [f"{theirs / ours:.1f}", f"{(theirs + looked_up) / ours:.1f}"]
    return [model, task, *cells]


def exported(parts: Parts, rows: pl.DataFrame) -> tuple[Predictor, OnnxModel, list[str]]:
    """The Predictor, its graph for one thread, and their difference on typed rows, MB and seconds of the export."""
    data, spec, network = parts.datamodule, parts.module.spec, parts.module.network.eval()
    predictor = Predictor(pipeline=data.pipeline.module, network=network, decoder=parts.task.decoder(spec))
    subject = Exportable(predictor, data.pipeline.lookup, data.table.schema, spec, parts.task, "", {})
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        start = time.perf_counter()
        parity = OnnxExport()(subject, rows, path)
        seconds = time.perf_counter() - start
        graph, size = OnnxModel(path, threads=1), path.stat().st_size
    off = max(v for k, v in parity.errors.items() if "/" not in k)
    return predictor, graph, [f"{off:.0e}", f"{size / 1e6:.2f}", f"{seconds:.1f}"]


def apart(model: str, tasks: list[str]) -> list[list[str]]:
    """Lines of a model, measured in a process of its own: what other models left in memory slows neither side."""
    command = [sys.executable, __file__, "--measure", model, *tasks]
    told = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    found: list[list[str]] = json.loads(told.splitlines()[-1])
    return found


def main(everything: bool, chosen: list[str]) -> None:
    """Measure, and write ``docs/benchmarks/onnx.md``."""
    shelf = {path.stem for path in (shipped() / "model").glob("*.yaml")} - UNNAMED
    known = sorted(model for model in shelf if not sequential(model))
    models = chosen or known
    rows = []
    for model in models:
        rows += apart(model, list(TARGETS) if everything or model in SEVERAL else ["binary"])
    text = machine.header(
        "Exported graphs",
        "COLONNADE_DATA=... make bench BENCH=artefact",
        f"{ROWS} rows of Adult (14 columns, 8 of them text), models as shipped, networks with their first weights "
        "(which cost the same), trees and linear models fitted. The graph goes from raw columns to predictions; "
        "torch is the Predictor in inference mode, which takes codes, and the look-up that makes them of strings "
        "comes before it. `faster`: than the Predictor alone, and than both. One thread, a process for each model; "
        "medians of milliseconds of the processor, graph and torch in turn. "
        "`difference`: the largest of any prediction on 1000 rows, of probabilities or in standard deviations of "
        "the target. Targets: batch 1, mlp 5.0, ft_transformer and tabm 2.3; batch 1000, none below 1.",
    )
    columns = ["model", "task", "difference", "MB", "export s"]
    for _, n in TIMED:
        columns += [f"graph, {n}", f"torch, {n}", f"look-up, {n}", "faster", "than both"]
    machine.update("onnx", text, columns, rows, key=2)


if __name__ == "__main__":
    given = sys.argv[1:]
    if given[:1] == ["--measure"]:
        torch.set_num_threads(1)
        rows_of = adult()
        print(json.dumps([row for task in given[2:] if (row := measured(given[1], task, rows_of)) is not None]))
        sys.exit()
    main("--all" in given, given[given.index("--models") + 1].split(",") if "--models" in given else [])
