"""Explain models of ChurnSim, whose causes are known, and write the table ``docs/benchmarks/attributions.md``.

    python scripts/attributions.py --models linear,mlp,lightgbm trainer.max_epochs=10

Each model is a run folder under ``--runs``: repeated, the command trains only what is missing.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from colonnade.config.compose import compose
from colonnade.core.errors import ConfigError
from colonnade.data.simulate import CAUSES, NOISE
from colonnade.explain.options import METHODS, Explain
from colonnade.runs.explain import explain
from colonnade.runs.fit import fit

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "scripts" / "bench")]
import machine  # noqa: E402

NOTE = (
    "Test rows of churn_sim (20,000 rows, eight causes, five columns of noise), one thread, options of `colonnade "
    "explain` as shipped. `(auto)`: the method that a model is explained by when none is named. Milliseconds are those "
    "of the processor for the attribution of a row; deletion: area below the deletion curve over that of random "
    "orders, with the 95 % bootstrap interval over rows (1: no better than chance); causes over noise: share of the "
    "pairs of a cause and a column of noise in which the cause has the larger importance; delta: mean distance of the "
    "contributions from adding up to the score, as a share of what they sum to. `last_note` is text of 1,180 levels, "
    "which some models learn by heart: contributions then say so, and the second line of a model is that of a training "
    "without the column."
)
# A name for the line, and what is typed for it.
VARIANTS = {"": [], " without last_note": ["data.exclude.last_note='learned by heart'"]}
COLUMNS = [
    "model",
    "test AUROC",
    "method",
    "ms a row",
    "deletion",
    "causes over noise",
    "least cause",
    "largest noise",
    "delta",
    "strongest pair",
]


def row(name: str, auroc: float, method: str, auto: str, folder: Path) -> list[object] | None:
    """One line of the table; None where the method does not fit the model."""
    try:
        found = explain(folder, options=Explain(method=method))
    except ConfigError:
        return None
    view = found.to_dict()["targets"][0]
    size = {entry["column"]: entry["mean"] for entry in view["importance"]}
    noise = [column for column in NOISE if column in size]
    above = np.mean([size[cause] > size[other] for cause in CAUSES for other in noise])
    least, largest = min(CAUSES, key=size.__getitem__), max(noise, key=size.__getitem__)
    removed, delta = view["deletion"], view["convergence"]
    return [
        name,
        f"{auroc:.4f}",
        f"{method} (auto)" if method == auto else method,
        f"{found.milliseconds:.2f}",
        f"{removed['ratio']:.2f} ({removed['low']:.2f} to {removed['high']:.2f})",
        f"{above:.3f}",
        f"{least} {size[least]:.3f}",
        f"{largest} {size[largest]:.3f}",
        "" if delta is None else f"{delta['share']:.1e}",
        " x ".join(view["interactions"][0]["columns"]),
    ]


def rows(model: str, runs: Path, extra: list[str]) -> list[list[object]]:
    """The lines of a model, trained where it is not."""
    found: list[list[object] | None] = []
    for name, typed in VARIANTS.items():
        start = time.monotonic()
        folder = runs / f"{model}{name.replace(' ', '-')}"
        words = [f"model={model}", "data=churn_sim", "threads=1", "trainer.enable_progress_bar=false", *typed, *extra]
        result: dict[str, Any] = fit(compose(words), folder)
        auroc = result["metrics"]["test"]["auroc"]
        auto = explain(folder, options=Explain(rows=2)).method
        methods = [auto] if name else METHODS[1:]
        found += [row(f"{model}{name}", auroc, method, auto, folder) for method in methods]
        print(f"{model}{name}: {time.monotonic() - start:.0f} s", flush=True)
    return [line for line in found if line is not None]


def main() -> None:
    """Train and explain what is missing, and write the table after each model."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", required=True)
    parser.add_argument("--runs", type=Path, default=ROOT / "outputs" / "attributions")
    parser.add_argument("overrides", nargs="*", help="further overrides for every run, stated in the table's command")
    args = parser.parse_args()
    torch.set_num_threads(1)
    kept = args.runs / "lines.json"
    lines: dict[str, list[list[object]]] = json.loads(kept.read_text()) if kept.exists() else {}
    models = args.models.split(",")
    for model in models:
        if model not in lines:
            lines[model] = rows(model, args.runs, args.overrides)
            kept.write_text(json.dumps(lines))
        command = " ".join(["python scripts/attributions.py", f"--models {args.models}", *args.overrides])
        text = machine.header("Attributions", command, NOTE)
        machine.write(
            "attributions", text + "\n" + machine.table(COLUMNS, [line for m in models for line in lines.get(m, [])])
        )


if __name__ == "__main__":
    main()
