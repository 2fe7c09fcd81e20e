"""Exported graphs against the torch Predictor: parity, size, latency; one thread.

``python scripts/bench artefact``: every model on two classes, and a few models on every task. ``--all``: all on all;
``--models mlp,tabm``: these alone, the lines of the others stay.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
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
# Repeats, and rows of a batch.
TIMED = ((300, 1), (15, 1000))


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


def milliseconds(work: Callable[[], Any], repeats: int) -> float:
    """Median of one call, in time of the processor: what else runs counts less."""
    seconds = []
    for _ in range(repeats + repeats // 10 + 1):
        start = time.process_time()
        work()
        seconds.append(time.process_time() - start)
    return 1000 * statistics.median(seconds[-repeats:])


def measured(model: str, task: str, frame: pl.DataFrame) -> list[str] | None:
    """A line of the table; None where the model cannot be exported, or does not learn the task."""
    try:
        parts = made(model, task, frame)
        OnnxExport().check(parts.module.network)
    except ConfigError as error:
        print(f"{model}, {task}: {error}", file=sys.stderr)
        return None
    data, spec = parts.datamodule, parts.module.spec
    parts.module.network.eval()
    predictor = Predictor(pipeline=data.pipeline.module, network=parts.module.network, decoder=parts.task.decoder(spec))
    lookup = data.pipeline.lookup
    schema = data.table.schema
    typed = conform(frame, schema, need_target=False, where="adult")
    subject = Exportable(predictor, lookup, schema, spec, parts.task, "", {})
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        start = time.perf_counter()
        parity = OnnxExport()(subject, typed, path)
        seconds = time.perf_counter() - start
        graph, size = OnnxModel(path, threads=1), path.stat().st_size
    cells = [f"{max(v for k, v in parity.errors.items() if '/' not in k):.0e}", f"{size / 1e6:.2f}", f"{seconds:.1f}"]
    for repeats, n in TIMED:
        rows = typed.head(n)
        feeds = graph.feeds({name: rows[name].to_numpy() for name in graph.columns})
        raw = lookup(rows)
        with torch.inference_mode():
            ours = milliseconds(partial(graph.session.run, None, feeds), repeats)
            theirs = milliseconds(partial(predictor, raw.num, raw.cat, raw.time), repeats)
            looked_up = milliseconds(partial(lookup, rows), repeats)
        cells += [f"{v:.3g}" for v in (ours, theirs, looked_up)]
        cells += [f"{theirs / ours:.1f}", f"{(theirs + looked_up) / ours:.1f}"]
    return [model, task, *cells]


def lines_of_others(models: list[str]) -> dict[tuple[str, str], list[str]]:
    """What the page says of other models, by model and task."""
    page = machine.RESULTS / "onnx.md"
    lines = page.read_text().splitlines() if page.exists() else []
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| ")]
    return {(row[0], row[1]): row for row in cells if row[0] not in (*models, "model")}


def main(everything: bool, chosen: list[str]) -> None:
    """Measure, and write ``docs/benchmarks/onnx.md``."""
    torch.set_num_threads(1)
    frame = adult()
    shelf = {path.stem for path in (shipped() / "model").glob("*.yaml")} - UNNAMED
    known = sorted(model for model in shelf if not sequential(model))
    models = chosen or known
    pairs = [
        (model, task) for task in TARGETS for model in models if everything or task == "binary" or model in SEVERAL
    ]
    found = lines_of_others(models) if chosen else {}
    found |= {pair: row for pair in pairs if (row := measured(*pair, frame)) is not None}
    rows = [found[task_of] for task_of in sorted(found, key=lambda pair: (list(TARGETS).index(pair[1]), pair[0]))]
    text = machine.header(
        "Exported graphs",
        "COLONNADE_DATA=... make bench BENCH=artefact",
        f"{ROWS} rows of Adult (14 columns, 8 of them text), models as shipped, networks with their first weights "
        "(which cost the same), trees and linear models fitted. The graph goes from raw columns to predictions; "
        "torch is the Predictor in inference mode, which takes codes, and the look-up that makes them of strings "
        "comes before it. `faster`: than the Predictor alone, and than both. One thread; medians of milliseconds of "
        "the processor. "
        "`difference`: the largest of any prediction on 1000 rows, of probabilities or in standard deviations of "
        "the target. Targets: batch 1, mlp 5.0, ft_transformer and tabm 2.3; batch 1000, none below 1.",
    )
    columns = ["model", "task", "difference", "MB", "export s"]
    for _, n in TIMED:
        columns += [f"graph, {n}", f"torch, {n}", f"look-up, {n}", "faster", "than both"]
    machine.write("onnx", text + "\n" + machine.table(columns, rows))


if __name__ == "__main__":
    given = sys.argv[1:]
    main("--all" in given, given[given.index("--models") + 1].split(",") if "--models" in given else [])
