"""Measure the coverage of conformal prediction over many splits, and write ``docs/benchmarks/coverage.md``.

    python scripts/coverage.py --cases adult/lightgbm,dry_bean/mlp:12,california_housing/mlp/quantile --seeds 5
    python scripts/coverage.py --groups adult/lightgbm@relationship

Each case is ``data/model``, or ``data/model/quantile`` for quantiles of a number, and may be followed by its own number
of seeds; with ``@column``, thresholds are those of the groups of a column. Its runs, one a seed, are folders under
``--runs``: repeated, the command trains only what is missing.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.stats import betabinom
from torch import Tensor

from colonnade.config.compose import compose
from colonnade.data.kept import draw_of
from colonnade.evaluation.conformal import covered, fit_conformal, rank
from colonnade.evaluation.options import Uncertainty
from colonnade.runs.calibrate import calibrate
from colonnade.runs.fit import fit
from colonnade.runs.fitted import Groups
from colonnade.runs.folder import RunFolder
from colonnade.runs.load import load
from colonnade.runs.own import own_table, rows_with
from colonnade.runs.stored import prediction_of, read_rows, truth_of
from colonnade.tasks.conformal import DRAW

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "scripts" / "bench")]
import machine  # noqa: E402

LEVELS = (0.8, 0.9, 0.95)
NEAR = 0.02
# Of groups with fewer rows, what is measured is chance.
LEAST = 100
METHODS = {
    "regression": ("absolute",),
    "quantile": ("cqr", "absolute"),
    "binary": ("lac", "aps", "aps randomized", "raps randomized"),
    "multiclass": ("lac", "aps", "aps randomized", "raps randomized"),
}
NOTE = (
    "Models as shipped, one thread. **Trained runs**: each seed is a split and a training of its own (adult's test "
    "rows are given); thresholds from the validation rows, which also stop the training, coverage of the test rows. "
    "**Halves**: the test rows of the "
    "run of seed 0 are cut in two at random, thresholds from one half, coverage of the other; nothing is trained "
    "again, and no row has chosen anything. `deviation` is that of the coverage from split to split, in points; `by "
    "chance`, the deviation and the share within two points of the level that the Beta-binomial distribution has for "
    "so many rows: what split conformal prediction does where there are no ties (Vovk 2012). Size: mean width, in "
    "units of the target, or mean number of classes. `aps` without its random numbers has no empty sets, and therefore "
    "covers the accuracy of the model at the least. **By group**: as halves; the mean coverage of each group of at "
    f"least {LEAST} test rows, the least and the most of them, with one threshold for all and with one for each."
)
COLUMNS = [
    "data",
    "model",
    "conformal",
    "rows, fitted and measured",
    "level",
    "splits",
    "mean coverage",
    "least to most",
]
COLUMNS += ["deviation", "by chance", "within 2 points", "by chance", "mean size"]
OF_GROUPS = ["data", "model", "groups", "conformal", "level", "splits", "all rows", "groups, one threshold"]
OF_GROUPS += ["groups, each its own"]


@dataclass(frozen=True)
class Case:
    """What is trained: ``data/model[/task][:seeds][@group]``."""

    name: str
    seeds: int | None
    group: str | None

    @classmethod
    def of(cls, word: str) -> Case:
        """Read from the command line."""
        name, _, group = word.partition("@")
        name, _, seeds = name.partition(":")
        return cls(name, int(seeds) if seeds else None, group or None)

    def run(self, seed: int, runs: Path) -> tuple[Path, str]:
        """The finished run of a seed, and its task."""
        data, model, *task = self.name.split("/")
        words = [f"data={data}", f"model={model}", *(f"task={name}" for name in task), f"seed={seed}", "threads=1"]
        words += ["trainer=cpu", "logger=none", "trainer.enable_progress_bar=false"]
        folder = runs / f"{self.name.replace('/', '-')}-{seed}"
        return folder, fit(compose(words), folder)["task"]

    @property
    def head(self) -> list[object]:
        """First columns of its lines."""
        data, *model = self.name.split("/")
        return [data, " ".join(model)]


@dataclass(frozen=True)
class Measured:
    """Coverage and mean size at a level, of one split."""

    coverage: float
    size: float


def options(method: str, level: float = 0.9, group: str | None = None) -> Uncertainty:
    """Of a method as the table names it."""
    name, _, randomized = method.partition(" ")
    return Uncertainty(conformal=name, level=level, group=group, randomized=bool(randomized), disagreement=False)


def trained(folder: Path, method: str) -> tuple[tuple[int, int], dict[float, Measured]]:
    """Rows, and what a run covers at each level."""
    with tempfile.TemporaryDirectory() as out:
        calibrate(folder, Path(out) / "run", uncertainty=options(method))
        told = json.loads((Path(out) / "run" / "calibration.json").read_text())
    test = told["conformal"]["measured"]["test"]
    found = {line["level"]: Measured(line["coverage"], line["size"]) for line in test["by_level"]}
    return (told["rows"], test["rows"]), found


@dataclass(frozen=True)
class Pool:
    """Test rows of a run, to be cut in two.

    Args:
        prediction: with draws.
        truth: as ``Task.truth`` gives it.
        quantiles: predicted levels.
        codes: the group of each row; None: there is one.
        groups: names by code.
    """

    prediction: dict[str, Tensor]
    truth: Tensor
    quantiles: tuple[float, ...]
    codes: Tensor | None
    groups: tuple[str, ...]

    @classmethod
    def of(cls, folder: Path, group: str | None) -> Pool:
        """Read what the run has stored, and its columns again."""
        loaded, source = load(folder), RunFolder(folder)
        frame = read_rows(folder, "test")
        raw = loaded.lookup(rows_with(own_table(source, loaded, ""), frame["row_id"].to_numpy()).frame)
        found = None if group is None else Groups.find(loaded.lookup, group)
        return cls(
            prediction_of(frame, loaded.spec) | {DRAW: draw_of(raw, loaded.lookup)},
            truth_of(frame, loaded.spec),
            tuple(loaded.task.quantiles),
            None if found is None else raw.cat[:, found.position],
            () if found is None else found.names,
        )

    def halved(self, method: str, level: float, seed: int, *, grouped: bool) -> tuple[Tensor, Tensor, Tensor]:
        """Whether each row of one half is covered, the size of its set, and which rows these are."""
        order = torch.from_numpy(np.random.default_rng(seed).permutation(len(self.truth)))
        fitted, rest = order[: len(order) // 2], order[len(order) // 2 :]
        codes = self.codes if grouped else None
        module = fit_conformal(
            method.partition(" ")[0],
            options(method, level),
            {name: values[fitted] for name, values in self.prediction.items()},
            self.truth[fitted],
            None,
            codes=None if codes is None else codes[fitted],
            n_codes=len(self.groups) or 1,
            quantiles=self.quantiles,
        )
        new = {name: values[rest] for name, values in self.prediction.items()}
        told = module(new, None if codes is None else codes[rest])
        return (*(of[:, 0] for of in covered({**new, **told}, self.truth[rest])), rest)


def line(head: list[object], level: float, rows: tuple[int, int], found: list[Measured]) -> list[object]:
    """A line of the first two tables."""
    coverage = np.array([each.coverage for each in found])
    r = rank(rows[0], level)
    chance = betabinom(rows[1], r, rows[0] + 1 - r)
    inside = chance.cdf(np.floor((level + NEAR) * rows[1] + 1e-9)) - chance.cdf(
        np.ceil((level - NEAR) * rows[1] - 1e-9) - 1
    )
    near = (np.abs(coverage - level) <= NEAR + 1e-12).mean()
    return [
        *head,
        f"{rows[0]}, {rows[1]}",
        f"{level:.0%}",
        len(found),
        f"{coverage.mean():.2%}",
        f"{coverage.min():.1%} to {coverage.max():.1%}",
        f"{100 * coverage.std(ddof=1):.2f}",
        f"{100 * chance.std() / rows[1]:.2f}",
        f"{near:.0%}",
        f"{inside:.0%}",
        f"{np.mean([each.size for each in found]):.4g}",
    ]


def lines_of(case: Case, seeds: int, splits: int, runs: Path) -> dict[str, list[list[object]]]:
    """The lines of a case in the first two tables."""
    made = [case.run(seed, runs) for seed in range(case.seeds or seeds)]
    pool = Pool.of(made[0][0], None)
    lines: dict[str, list[list[object]]] = {"trained": [], "halves": []}
    for method in METHODS[made[0][1]]:
        each = [trained(folder, method) for folder, _ in made]
        for level in LEVELS:
            head = [*case.head, method]
            lines["trained"].append(line(head, level, each[0][0], [found[level] for _, found in each]))
            halves = [pool.halved(method, level, seed, grouped=False) for seed in range(splits)]
            found = [Measured(inside.mean().item(), size.mean().item()) for inside, size, _ in halves]
            n = len(pool.truth)
            lines["halves"].append(line(head, level, (n // 2, n - n // 2), found))
    return lines


def groups_of(case: Case, splits: int, runs: Path) -> dict[str, list[list[object]]]:
    """The lines of a case in the third table."""
    folder, task = case.run(0, runs)
    pool = Pool.of(folder, case.group)
    assert pool.codes is not None
    large = [code for code, n in enumerate(torch.bincount(pool.codes).tolist()) if n >= LEAST]
    lines = []
    for method in METHODS[task]:
        for level in LEVELS:
            cells, whole = [], 0.0
            for grouped in (False, True):
                halves = [pool.halved(method, level, seed, grouped=grouped) for seed in range(splits)]
                means = [
                    [inside[pool.codes[rest] == code].mean().item() for inside, _, rest in halves] for code in large
                ]
                each = np.mean(means, axis=1)
                cells.append(f"{each.min():.1%} to {each.max():.1%}")
                whole = float(np.mean([inside.mean().item() for inside, _, _ in halves]))
            head = [*case.head, f"{len(large)} of {case.group}", method, f"{level:.0%}", splits]
            lines.append([*head, f"{whole:.2%}", *cells])
    return {"groups": lines}


def main() -> None:
    """Train and measure what is missing, and write the tables after each case."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", default="")
    parser.add_argument("--groups", default="", help="cases of the third table, each with @column")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--splits", type=int, default=20)
    parser.add_argument("--runs", type=Path, default=ROOT / "outputs" / "coverage")
    args = parser.parse_args()
    torch.set_num_threads(1)
    args.runs.mkdir(parents=True, exist_ok=True)
    kept = args.runs / "lines.json"
    lines: dict[str, dict[str, list[list[Any]]]] = json.loads(kept.read_text()) if kept.exists() else {}
    words = [word for of in (args.cases, args.groups) for word in of.split(",") if word]
    for word in words:
        case = Case.of(word)
        if word not in lines:
            if case.group is None:
                lines[word] = lines_of(case, args.seeds, args.splits, args.runs)
            else:
                lines[word] = groups_of(case, args.splits, args.runs)
            kept.write_text(json.dumps(lines))
            print(word, flush=True)
        command = f"python scripts/coverage.py --cases {args.cases} --seeds {args.seeds} --splits {args.splits}"
        command += f" --groups {args.groups}" if args.groups else ""
        parts = (("Trained runs", "trained", COLUMNS), ("Halves", "halves", COLUMNS), ("By group", "groups", OF_GROUPS))
        text = [machine.header("Coverage", command, NOTE)]
        for title, part, columns in parts:
            told = [each for word in words for each in lines.get(word, {}).get(part, [])]
            text += [f"## {title}\n", machine.table(columns, told)]
        machine.write("coverage", "\n".join(text))


if __name__ == "__main__":
    main()
