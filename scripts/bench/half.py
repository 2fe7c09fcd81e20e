"""Exported programs of torch on a GPU, in float32 and in 16 bits: how near, how large, how fast.

Not among the benchmarks that run by default: ``python scripts/bench half``. ``--compiled`` adds those of AOTInductor;
``--device cpu --batches 1,100`` tries it without a GPU, and writes nothing.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import machine
import numpy as np
import polars as pl
import torch
from sklearn.metrics import roc_auc_score
from torch import Tensor

from colonnade.config.compose import compose
from colonnade.data.conform import conform
from colonnade.data.simulate import ChurnSim
from colonnade.deploy.onnx_export import Exportable
from colonnade.deploy.torch_export import CPU, CUDA, TorchExport, load_program
from colonnade.runs.assemble import assemble, build_trainer
from colonnade.runs.predict_program import predict_program
from colonnade.training.predictor import Predictor

MODELS = {"mlp": 8, "tabm": 4, "ft_transformer": 4}
"""Epochs of each."""
PRECISIONS = ("float32", "bf16", "fp16")
COMPARED = 20_000
"""New rows on which a program is compared."""
REPEATS = {1: 60, 1000: 40, 100_000: 8}
COLUMNS = ["model", "program", "MB", "probability off by, mean", "most", "other labels", "AUROC"]


def trained(model: str, device: str, folder: Path) -> Any:
    """A model that has learned ChurnSim, and what belongs to it."""
    accelerator = "gpu" if device == CUDA else CPU
    words = [f"model={model}", "data=churn_sim", "data.exclude.last_note='learned by heart'", "loader.batch_size=256"]
    words += [f"trainer.max_epochs={MODELS[model]}", "trainer.enable_progress_bar=false", "logger=none"]
    cfg = compose([*words, f"trainer.accelerator={accelerator}"])
    made, trainer = assemble(cfg), build_trainer(cfg, folder)
    trainer.fit(made.module, datamodule=made.datamodule)
    made.module.network.to("cpu").eval()
    return made


def exportable(made: Any) -> Exportable:
    """What is exported of it."""
    data, spec = made.datamodule, made.module.spec
    predictor = Predictor(pipeline=data.pipeline.module, network=made.module.network, decoder=made.task.decoder(spec))
    # A trained decoder's gradients are not asked for.
    predictor.requires_grad_(False)
    return Exportable(predictor, data.pipeline.lookup, data.table.schema, spec, made.task, "", {})


def milliseconds(work: Callable[[], Any], repeats: int, device: str) -> float:
    """Median wall time of a call, its work on the device done."""
    seconds = []
    for i in range(repeats + 3):
        start = time.perf_counter()
        work()
        if device == CUDA:
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - start)
        if sum(seconds) > 6 and i > 5:
            break
    return 1000 * statistics.median(seconds[3:])


@torch.inference_mode()
def line(
    program: Callable[..., dict[str, Tensor]],
    blocks: list[Tensor],
    expected: dict[str, Tensor],
    churned: np.ndarray,
    batches: list[int],
    device: str,
) -> list[str]:
    """How near a program is to the Predictor, and the time of batches."""
    found = {name: values.cpu() for name, values in program(*(block[:COMPARED] for block in blocks)).items()}
    apart = (found["probability"] - expected["probability"]).abs().amax(1)
    other = (found["label"] != expected["label"]).double().mean()
    cells = [f"{apart.mean():.1e}", f"{apart.max():.1e}", f"{other:.1e}"]
    cells.append(f"{roc_auc_score(churned, found['probability'][:, 1].numpy()):.5f}")
    for n in batches:
        given = [block[:n].contiguous() for block in blocks]
        cells.append(f"{milliseconds(lambda given=given: program(*given), REPEATS.get(n, 20), device):.3g}")
    return cells


def lines(model: str, device: str, batches: list[int], compiled: tuple[str, ...]) -> list[list[str]]:
    """The Predictor, and each of its programs."""
    rows: list[list[str]] = []
    with tempfile.TemporaryDirectory() as folder:
        subject = exportable(trained(model, device, Path(folder)))
        table = ChurnSim(n_rows=max(batches), seed=1).read()
        typed = conform(table, subject.schema, need_target=False, where="new rows")
        raw = subject.lookup(typed).inputs
        target = table[subject.spec.target_names[0]].head(COMPARED)
        churned = target.cast(pl.String).to_numpy() == subject.spec.classes[1]
        with torch.inference_mode():
            expected = subject.predictor(*(block[:COMPARED] for block in raw))
        blocks = [block.to(device) for block in raw]
        eager = deepcopy(subject.predictor).to(device)
        rows.append([model, "the Predictor", "", *line(eager, blocks, expected, churned, batches, device)])
        wanted = [(kind, False) for kind in PRECISIONS] + [(kind, True) for kind in compiled]
        for kind, compile in wanted:
            name = f"{kind}, compiled" if compile else kind
            path = Path(folder) / f"{kind}-{compile}.pt2"
            start = time.perf_counter()
            try:
                compute = None if kind == "float32" else kind
                parity = TorchExport(compute=compute, device=device, compile=compile)(subject, typed[:5000], path)
                program, _ = load_program(path, device)
                found = line(program, blocks, expected, churned, batches, device)
            except Exception as error:  # one that fails says so in its line, and the others go on
                print(f"{model}, {name}: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
                rows.append([model, name, *["failed"] * (len(COLUMNS) - 2 + len(batches))])
                continue
            rows.append([model, name, f"{path.stat().st_size / 1e6:.2f}", *found])
            print(rows[-1], f"{time.perf_counter() - start:.0f} s, {parity}", flush=True)
            if not compile:
                shown = predict_program(path, table[:1000], accelerator=device)
                here = predict_program(path, table[:1000])
                yes = f"probability/{subject.spec.classes[1]}"
                print(f"  predict_program, {device} and cpu: {(shown[yes] - here[yes]).abs().max():.1e} apart")
    return rows


def main() -> None:
    """Measure, and write ``docs/benchmarks/half.md``."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default=CUDA, choices=(CPU, CUDA))
    parser.add_argument("--batches", default=",".join(map(str, REPEATS)))
    parser.add_argument("--models", default=",".join(MODELS))
    parser.add_argument("--compiled", default="", help="precisions that AOTInductor makes machine code of")
    args = parser.parse_args()
    if args.device == CUDA and not torch.cuda.is_available():
        sys.exit("torch finds no GPU here; --device cpu --batches 1,100 tries the script without one")
    batches = [int(n) for n in args.batches.split(",")]
    torch.set_num_threads(os.cpu_count() or 1)
    compiled = tuple(kind for kind in args.compiled.split(",") if kind)
    found: list[list[str]] = []
    for model in args.models.split(","):
        start = time.perf_counter()
        found += lines(model, args.device, batches, compiled)
        print(f"{model}: {time.perf_counter() - start:.0f} s", flush=True)
    columns = [*COLUMNS, *(f"ms, {n:,}" for n in batches)]
    if args.device == CPU:
        print(machine.table(columns, found))
        return
    text = machine.header(
        "Programs in 16 bits on a GPU",
        f"python scripts/bench half{f' --compiled {args.compiled}' if compiled else ''}",
        f"{torch.cuda.get_device_name()}. Models as shipped, trained some epochs on 20,000 rows of churn_sim without "
        "its free text, exported by `format=pt2` in float32 and by `compute=bf16` and `fp16`; each passed the gate of "
        f"an export (mean difference .01 at most). {COMPARED:,} new rows: `off by` is the difference of a "
        "probability from the Predictor on the processor in float32, `other labels` the share of the rows whose label "
        "differs. Milliseconds: median wall time of a batch, codes on the GPU to predictions there, the pipeline "
        "(float64) included; float32 without TF32.",
    )
    machine.write("half", text + "\n" + machine.table(columns, found))


if __name__ == "__main__":
    main()
