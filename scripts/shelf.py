"""Every model on every table, and what ``model=auto`` chooses: ``docs/benchmarks/shelf.md``.

    COLONNADE_DATA=<folder> python scripts/shelf.py --train --models tabm,catboost --data adult,wine --seeds 0,1,2

``docs/benchmarks/shelf.jsonl`` holds a line for each training: repeated, the command trains only what is missing.
Without ``--train`` the page is written of the lines that are there.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "scripts" / "bench"))
import machine  # noqa: E402

from colonnade.config.auto import choose, shape  # noqa: E402
from colonnade.config.compose import compose  # noqa: E402

LINES = machine.RESULTS / "shelf.jsonl"
SETS = (
    "adult,bank_marketing,insteval,covertype_20k,california_housing,bike_hour,dry_bean,kin8nm,higgs_7k,wine,airlines_2k"
)
REFERENCES = ("catboost", "tabm")
NOTE = """Test rows of the weights that were best on validation, defaults only. `accuracy` (more is better) or `rmse`
(less), mean over the seeds, whose number stands in brackets where it is not one; a seed decides the split too, but for
Adult, covertype_20k and higgs_7k, whose test rows are official. **Bold**: the best, and what lies within 1 % of it.

Every line of `shelf.jsonl` is `python train.py model=<model> data=<data> seed=<seed> threads=1 logger=none`, with the
machine that it ran on: networks on one H200 that sixteen or twenty-four trainings shared, the others (and gandalf,
node, saint, tabnet and tabtransformer on insteval, ft_transformer on california_housing) on two processors that others
used too. Seconds are thus an order of size."""


def known() -> dict[tuple[str, str, int], dict[str, Any]]:
    """The lines so far, by data set, model and seed."""
    lines = LINES.read_text().splitlines() if LINES.exists() else []
    return {(line["data"], line["model"], line["seed"]): line for line in map(json.loads, lines)}


def train(data: str, model: str, seed: int) -> dict[str, Any] | None:
    """One training in a process of its own; None where it failed."""
    with tempfile.TemporaryDirectory() as folder:
        words = [f"model={model}", f"data={data}", f"seed={seed}", "threads=1", "logger=none"]
        command = [sys.executable, "train.py", *words, f"hydra.run.dir={folder}/run"]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        if done.returncode:
            print(done.stderr[-1000:], file=sys.stderr)
            return None
        return line(data, model, seed, json.loads(Path(folder, "run", "result.json").read_text()), machine.processor())


def line(data: str, model: str, seed: int, result: dict[str, Any], where: str) -> dict[str, Any]:
    """What is kept of a ``result.json``."""
    measures = {
        split: {name: round(value, 6) for name, value in metrics.items() if value is not None and "/" not in name}
        for split, metrics in result["metrics"].items()
    }
    kept = {key: result[key] for key in ("task", "seconds", "epochs", "parameters")}
    return {"data": data, "model": model, "seed": seed, "machine": where, **kept, "metrics": measures}


def measure(lines: list[dict[str, Any]]) -> str:
    """The name of the measure of a data set."""
    return "rmse" if lines[0]["task"] == "regression" else "accuracy"


def page(lines: list[dict[str, Any]]) -> str:
    """The tables."""
    cells: dict[str, dict[str, list[dict[str, Any]]]] = defaultdict(lambda: defaultdict(list))
    for one in lines:
        cells[one["data"]][one["model"]].append(one)
    sets = [name for name in SETS.split(",") if name in cells]
    means = {
        data: {m: statistics.mean(c["metrics"]["test"][measure(found)] for c in found) for m, found in of.items()}
        for data, of in cells.items()
    }
    sign = {data: -1.0 if measure(next(iter(cells[data].values()))) == "rmse" else 1.0 for data in sets}
    models = sorted({m for of in cells.values() for m in of}, key=lambda m: rank(m, means, sign))
    parts = [
        machine.header("The shelf", "python scripts/shelf.py --train", NOTE),
        "## Test measures\n",
        machine.table(
            ["model", *(f"{data} ({measure(next(iter(cells[data].values())))})" for data in sets), "rank"],
            [
                [m, *(cell(cells[data], means[data], m, sign[data]) for data in sets), f"{rank(m, means, sign):.1f}"]
                for m in models
            ],
        ),
        "rank: mean place among the models that a data set was tried with, as a share of their number in percent.\n",
        "## What model=auto chooses\n",
        auto(sets, means, sign),
        "## Seconds of a training, and parameters\n",
        machine.table(["model", *sets], [[m, *(cost(cells[data].get(m)) for data in sets)] for m in models]),
    ]
    return "\n".join(parts)


def cell(of: dict[str, list[dict[str, Any]]], means: dict[str, float], model: str, sign: float) -> str:
    """A measure with the number of seeds."""
    if model not in of:
        return ""
    best, value = max(means.values(), key=lambda v: sign * v), means[model]
    text = f"{value:.1f}" if value > 10 else f"{value:.4f}"
    text = f"**{text}**" if abs(value - best) <= 0.01 * abs(best) else text
    return text + (f" ({len(of[model])})" if len(of[model]) > 1 else "")


def rank(model: str, means: dict[str, dict[str, float]], sign: dict[str, float]) -> float:
    """Mean place of a model in percent of the models of each data set."""
    places = []
    for data, way in sign.items():
        if model in means[data]:
            better = sum(way * value > way * means[data][model] for value in means[data].values())
            places.append(100 * better / max(1, len(means[data]) - 1))
    return statistics.mean(places) if places else 100.0


def auto(sets: list[str], means: dict[str, dict[str, float]], sign: dict[str, float]) -> str:
    """The choice for each data set beside the references."""
    rows = []
    for data in sets:
        model = choose(shape(compose([f"data={data}"])))
        of, way = means[data], sign[data]
        if not {model, *REFERENCES} <= of.keys():
            continue
        best = max((of[name] for name in REFERENCES), key=lambda value: way * value)
        places = [1 + sum(way * of[b] > way * of[a] for b in {model, *REFERENCES}) for a in (model, *REFERENCES)]
        worse = 100 * way * (best - of[model]) / abs(best)
        rows.append([data, model, f"{of[model]:.4f}", *(f"{of[n]:.4f}" for n in REFERENCES), f"{worse:+.2f}", *places])
    ranks = [f"{statistics.mean(float(row[i]) for row in rows):.2f}" for i in (-3, -2, -1)] if rows else ["", "", ""]
    rows.append(["mean", "", "", "", "", "", *ranks])
    columns = ["data", "chosen", "its measure", *REFERENCES, "worse than the better, %"]
    return machine.table([*columns, "place of auto", *(f"of {name}" for name in REFERENCES)], rows)


def cost(found: list[dict[str, Any]] | None) -> str:
    """Seconds and parameters."""
    if not found:
        return ""
    seconds, n = statistics.mean(one["seconds"] for one in found), found[0]["parameters"]
    return f"{seconds:.0f}" + ("" if n is None else f" ({n / 1e6:.2f} M)" if n >= 1e4 else f" ({n})")


def main() -> None:
    """Train what is missing when asked to, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", default=",".join(REFERENCES))
    parser.add_argument("--data", default=SETS)
    parser.add_argument("--seeds", default="0")
    parser.add_argument("--train", action="store_true", help="train what is missing")
    args = parser.parse_args()
    for seed in map(int, args.seeds.split(",") if args.train else ()):
        for data in args.data.split(","):
            for model in args.models.split(","):
                if (data, model, seed) not in known() and (found := train(data, model, seed)) is not None:
                    with LINES.open("a") as file:
                        file.write(json.dumps(found) + "\n")
    machine.write("shelf", page(list(known().values())))


if __name__ == "__main__":
    main()
