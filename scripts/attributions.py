"""Explain models of ChurnSim, whose causes are known, and write the tables ``docs/benchmarks/attributions.md``.

    python scripts/attributions.py --models linear:10,mlp:10,lightgbm,ft_transformer:2:100
    python scripts/attributions.py --series data=japanese_vowels/model=gru:20,experiment=etth1/nlinear_96:3

A model may be followed by its epochs and by the number of test rows that are explained. Each is a run folder under
``--runs``: repeated, the command trains only what is missing. Lines of others stay on the page, and so does what stands
behind its tables.
"""

from __future__ import annotations

import argparse
import json
import re
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
    "Test rows of churn_sim (eight causes, five columns of noise), one thread, options of `colonnade explain` as "
    "shipped. `(auto)`: the method that a model is explained by when none is named. Milliseconds are those "
    "of the processor for the attribution of a row; deletion: area below the deletion curve over that of random "
    "orders, with the 95 % bootstrap interval over rows (1: no better than chance); causes over noise: share of the "
    "pairs of a cause and a column of noise in which the cause has the larger importance; delta: mean distance of the "
    "contributions from adding up to the score, as a share of what they sum to. `last_note` is text of 1,180 levels, "
    "which some models learn by heart: contributions then say so, and the second line of a model is that of a training "
    "without the column; models of which only that line is there are slow ones. Data: rows of churn_sim, 20,000 as it "
    "is shipped; epochs: at the most; rows: explained. A model that has seen few rows few times is explained as it is, "
    "and not as good as it can be. Lines were measured one after the other, mostly beside other work, which makes a "
    "millisecond two to four; the command below is that of the last ones."
)
SERIES = [
    "run",
    "epochs",
    "series",
    "targets",
    "method",
    "ms a series",
    "deletion, mean of the targets",
    "least of the targets",
    "worse than random",
    "delta",
]
OF_SERIES = (
    "## Series\n\n"
    "Contributions of steps of 100 test series or windows (`shapley` with `samples=8`); deletion of a column in a part "
    "of the time. A forecast has a target for each value and part of the horizon; worse than random: targets whose "
    "interval lies below 1."
)
# A name for the line, and what is typed for it.
VARIANTS = {"": [], " without last_note": ["data.exclude.last_note='learned by heart'"]}
COLUMNS = [
    "model",
    "data",
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


def series_rows(named: str, runs: Path) -> list[list[object]]:
    """The lines of a run on series: what is typed for it, ``/model=`` included, and its epochs."""
    typed, _, epochs = named.partition(":")
    words = typed.replace("/model=", " model=").split()
    folder = runs / typed.replace("/", "-").replace("=", "-")
    fit(
        compose([*words, f"trainer.max_epochs={epochs}", "threads=1", "logger=none"]),
        folder,
    )
    lines: list[list[object]] = []
    for method in ("integrated_gradients", "shapley"):
        try:
            found = explain(folder, options=Explain(method=method, samples=8))
        except ConfigError:
            continue
        views = found.to_dict()["targets"]
        ratio = [view["deletion"]["ratio"] for view in views]
        worse = sum(view["deletion"]["high"] < 1 for view in views)
        first = views[int(np.argmin(ratio))]["deletion"]
        share = np.mean([view["convergence"]["share"] for view in views])
        lines.append(
            [
                " ".join(words),
                epochs,
                found.to_dict()["rows"],
                len(views),
                method,
                f"{found.milliseconds:.1f}",
                f"{np.mean(ratio):.2f}",
                f"{first['ratio']:.2f} ({first['low']:.2f} to {first['high']:.2f})",
                worse,
                f"{share:.1e}",
            ]
        )
    return lines


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
        cfg = compose([*words, *extra])
        result: dict[str, Any] = fit(cfg, folder)
        auto = explain(folder, options=Explain(rows=2)).method
        methods = [auto] if name else METHODS[1:]
        head = [
            f"{model}{name}",
            cfg.data.source.n_rows,
            epochs,
            options.get("rows", ROWS),
            f"{result['metrics']['test']['auroc']:.4f}",
        ]
        found += [row(head, method, auto, folder, options) for method in methods]
        print(f"{model}{name}: {time.monotonic() - start:.0f} s", flush=True)
    return [line for line in found if line is not None]


def merged(found: list[list[list[object]]], columns: list[str], n_key: int, page: str) -> str:
    """A table of what was measured, behind the lines that the page has of others.

    Args:
        found: lines of each model or run.
        columns: headings, whose number tells the tables of the page apart.
        n_key: of the columns, by which a line is known.
        page: as it was.
    """
    new = [[str(cell) for cell in line] for lines in found for line in lines]
    old = [[cell.strip() for cell in line[1:-1].split("|")] for line in page.splitlines() if line.startswith("| ")]
    known = {tuple(line[:n_key]) for line in (columns, *new)}
    kept = [line for line in old if len(line) == len(columns) and tuple(line[:n_key]) not in known]
    return machine.table(columns, [*kept, *new])


def behind(page: str) -> str:
    """What stands behind the table of series, tables that others wrote included."""
    heading = machine.table(SERIES, []).splitlines()[0]
    return re.sub(r"\A\n(\|.*\n)*", "", page.partition(heading)[2])


def main() -> None:
    """Train and explain what is missing, and write the tables after each model."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", default="")
    parser.add_argument("--series", default="", help="runs on series, each with its epochs")
    parser.add_argument("--without", action="store_true", help="models that have no line train without last_note alone")
    parser.add_argument("--runs", type=Path, default=ROOT / "outputs" / "attributions")
    parser.add_argument("overrides", nargs="*", help="further overrides for every run, stated in the table's command")
    args = parser.parse_args()
    torch.set_num_threads(1)
    kept = args.runs / "lines.json"
    lines: dict[str, list[list[object]]] = json.loads(kept.read_text()) if kept.exists() else {}
    models = [model for model in args.models.split(",") if model]
    series = [run for run in args.series.split(",") if run]
    variants = list(VARIANTS)[1:] if args.without else list(VARIANTS)
    given = [f"--models {args.models}" if models else "", f"--series {args.series}" if series else ""]
    command = " ".join(["python scripts/attributions.py", *filter(None, given), *args.overrides])
    for name in (*models, *series):
        if name in lines:
            continue
        of_table = name in models
        lines[name] = rows(name, variants, args.runs, args.overrides) if of_table else series_rows(name, args.runs)
        kept.write_text(json.dumps(lines))
        path = machine.RESULTS / "attributions.md"
        page = path.read_text() if path.exists() else ""
        tables = [
            merged([of for run, of in lines.items() if "=" not in run], COLUMNS, 2, page),
            OF_SERIES + "\n",
            merged([of for run, of in lines.items() if "=" in run], SERIES, 1, page),
        ]
        text = "\n".join([machine.header("Attributions", command, NOTE), *tables])
        machine.write("attributions", text + behind(page))


if __name__ == "__main__":
    main()
