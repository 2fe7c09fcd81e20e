"""Features: the page of a run folder that says how each encoded column came about."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from torch import Tensor

from colonnade.data.steps.base import Feature

if TYPE_CHECKING:
    from colonnade.data.pipeline import FittedPipeline

PAGE = "features.md"
# Numbers that are listed one by one; of more, their count and range.
_LISTED = 6
# What would end a cell of a table, or begin mark-up.
_SPECIAL = str.maketrans({sign: f"\\{sign}" for sign in "\\|`*_<>#["} | {"\n": " ", "\r": " "})


class Origins:
    """What the steps of a pipeline say, by column.

    Args:
        pipeline: fitted.
    """

    def __init__(self, pipeline: FittedPipeline) -> None:
        self.raw = pipeline.lookup.names
        self.steps: dict[str, list[tuple[str, Feature]]] = {}
        for name, step in zip(pipeline.module.names, pipeline.module.fitted(), strict=True):
            for feature in step.features():
                self.steps.setdefault(feature.name, []).append((name, feature))

    def of(self, column: str) -> list[str]:
        """Raw columns that a column is made of, in the order of the table."""
        met: set[str] = set()
        ask = [column]
        while ask:
            name = ask.pop()
            if name not in met:
                met.add(name)
                ask += [source for _, feature in self.steps.get(name, ()) for source in feature.inputs]
        return [name for name in self.raw if name in met]

    def between(self, outputs: Iterable[str]) -> list[str]:
        """Columns that steps made or changed on the way to ``outputs``, which do not come out themselves."""
        met: set[str] = set()
        ask = list(outputs)
        given = set(ask)
        while ask:
            for _, feature in self.steps.get(ask.pop(), ()):
                ask += [name for name in feature.inputs if name not in met]
                met.update(feature.inputs)
        return [name for name in self.steps if name in met - given]


def features_page(pipeline: FittedPipeline) -> str:
    """Markdown: each encoded column with its formula, its inputs and its fitted numbers, step after step.

    Args:
        pipeline: fitted.
    """
    origins = Origins(pipeline)
    numbers, categories = pipeline.num_names, pipeline.cat_names
    used = {name for column in (*numbers, *categories) for name in origins.of(column)}
    lines = [
        "# Features",
        "",
        f"{len(numbers)} numbers and {len(categories)} categories, made of {len(used)} of {len(origins.raw)} raw "
        "columns. Each line is a step, in terms of the columns that the steps before it gave; its numbers were learned "
        "from the train rows.",
    ]
    lines += _section("Numbers", numbers, origins)
    lines += _section("Categories", categories, origins)
    lines += _section("On the way", origins.between((*numbers, *categories)), origins)
    unused = [name for name in origins.raw if name not in used]
    if unused:
        lines += ["", "## Not used", "", ", ".join(map(_cell, unused))]
    for step, verdicts in pipeline.selection.items():
        lines += ["", f"## Selected by {_cell(step)}", "", "| column | score | limit | |", "|---|---|---|---|"]
        ordered = sorted(verdicts, key=lambda verdict: (not verdict.kept, -verdict.score))
        lines += [_row(v.column, f"{v.score:.4g}", f"{v.limit:.4g}", v.why) for v in ordered]
    if pipeline.log:
        lines += ["", "## Said by the steps", "", *(f"* {_cell(line)}" for line in pipeline.log)]
    return "\n".join(lines) + "\n"


def _section(title: str, columns: Sequence[str], origins: Origins) -> list[str]:
    if not columns:
        return []
    rows = ["", f"## {title}", "", "| column | step | formula | inputs | fitted |", "|---|---|---|---|---|"]
    for column in columns:
        steps = origins.steps.get(column, [])
        if not steps:
            rows.append(_row(column, "", "as read", column, ""))
        for i, (step, feature) in enumerate(steps):
            fitted = "; ".join(f"{name} {shown(values)}" for name, values in feature.numbers.items())
            rows.append(_row("" if i else column, step, feature.formula, ", ".join(feature.inputs), fitted))
    return rows


def _row(*cells: str) -> str:
    return f"| {' | '.join(_cell(cell) for cell in cells)} |"


def _cell(text: str) -> str:
    return text.translate(_SPECIAL)


def shown(values: Tensor) -> str:
    """Fitted numbers in a few words.

    >>> import torch
    >>> shown(torch.tensor(0.25)), shown(torch.tensor([1.0, 2.5])), shown(torch.arange(40))
    ('0.25', '1, 2.5', '40 numbers from 0 to 39')
    """
    flat = values[~values.isnan()].tolist()
    if len(flat) <= _LISTED:
        return ", ".join(f"{value:.6g}" for value in flat)
    return f"{len(flat)} numbers from {min(flat):.6g} to {max(flat):.6g}"
