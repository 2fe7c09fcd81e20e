"""Explain models of ChurnSim, whose causes are known, and write the table ``docs/benchmarks/attributions.md``.

    python scripts/attributions.py --models linear:10,mlp:10,lightgbm,ft_transformer:2:100

A model may be followed by its epochs and by the number of test rows that are explained. Each is a run folder under
``--runs``: repeated, the command trains only what is missing.
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
from colonnade.explain.options import METHODS, ROWS, Explain
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
    "without the column; models of which only that line is there are slow ones. Epochs: at the most; rows: explained."
)
# A name for the line, and what is typed for it.
VARIANTS = {"": [], " without last_note": ["data.exclude.last_note='learned by heart'"]}
COLUMNS = [
    "model",
    "epochs",
    "rows",
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


def row(head: list[object], method: str, auto: str, folder: Path, options: dict[str, Any]) -> list[object] | None:
    """One line of the table; None where the method does not fit the model."""
    try:
        found = explain(folder, options=Explain(method=method, **options))
    except ConfigError:
        return None
    view = found.to_dict()["targets"][0]
    size = {entry["column"]: entry["mean"] for entry in view["importance"]}
    noise = [column for column in NOISE if column in size]
    above = np.mean([size[cause] > size[other] for cause in CAUSES for other in noise])
    least, largest = min(CAUSES, key=size.__getitem__), max(noise, key=size.__getitem__)
    removed, delta = view["deletion"], view["convergence"]
    return [
        *head,
        f"{method} (auto)" if method == auto else method,
        f"{found.milliseconds:.2f}",
        f"{removed['ratio']:.2f} ({removed['low']:.2f} to {removed['high']:.2f})",
        f"{above:.3f}",
        f"{least} {size[least]:.3f}",
        f"{largest} {size[largest]:.3f}",
        "" if delta is None else f"{delta['share']:.1e}",
        " x ".join(view["interactions"][0]["columns"]),
    ]


def rows(named: str, variants: list[str], runs: Path, extra: list[str]) -> list[list[object]]:
    """The lines of a model, trained where it is not."""
    model, epochs, n_rows = (*named.split(":"), "", "")[:3]
    options = {"rows": int(n_rows)} if n_rows else {}
    found: list[list[object] | None] = []
    for name in variants:
        start = time.monotonic()
        folder = runs / f"{model}{name.replace(' ', '-')}"
        words = [f"model={model}", "data=churn_sim", "threads=1", "trainer.enable_progress_bar=false", *VARIANTS[name]]
        words += [f"trainer.max_epochs={epochs}"] if epochs else []
        result: dict[str, Any] = fit(compose([*words, *extra]), folder)
        auto = explain(folder, options=Explain(rows=2)).method
        methods = [auto] if name and len(variants) > 1 else METHODS[1:]
        head = [f"{model}{name}", epochs, options.get("rows", ROWS), f"{result['metrics']['test']['auroc']:.4f}"]
        found += [row(head, method, auto, folder, options) for method in methods]
        print(f"{model}{name}: {time.monotonic() - start:.0f} s", flush=True)
    return [line for line in found if line is not None]


def main() -> None:
    """Train and explain what is missing, and write the table after each model."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", required=True)
    parser.add_argument("--without", action="store_true", help="models that have no line train without last_note alone")
    parser.add_argument("--runs", type=Path, default=ROOT / "outputs" / "attributions")
    parser.add_argument("overrides", nargs="*", help="further overrides for every run, stated in the table's command")
    args = parser.parse_args()
    torch.set_num_threads(1)
    kept = args.runs / "lines.json"
    lines: dict[str, list[list[object]]] = json.loads(kept.read_text()) if kept.exists() else {}
    models = args.models.split(",")
    variants = list(VARIANTS)[1:] if args.without else list(VARIANTS)
    for model in models:
        if model not in lines:
            lines[model] = rows(model, variants, args.runs, args.overrides)
            kept.write_text(json.dumps(lines))
        command = " ".join(["python scripts/attributions.py", f"--models {args.models}", *args.overrides])
        text = machine.header("Attributions", command, NOTE)
        machine.write(
            "attributions", text + "\n" + machine.table(COLUMNS, [line for m in models for line in lines.get(m, [])])
        )


if __name__ == "__main__":
    main()
