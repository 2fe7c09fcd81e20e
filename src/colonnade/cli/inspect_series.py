"""What ``inspect`` says of series: how many, how long, what is learned of them, and their columns, step by step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from colonnade.core.errors import DataError

if TYPE_CHECKING:
    from rich.console import Console

    from colonnade.cli.findings import Findings
    from colonnade.core.schema import Schema
    from colonnade.data.sequences.dataset import SequenceDataset
    from colonnade.data.table import Table


def steps_of_series(dataset: SequenceDataset, table: Table) -> Table:
    """A row for each step, with what is one value for a series in each of its steps; what is forecast are the targets.

    Args:
        dataset: what read it.
        table: a row for each series, or, of a data set of steps, for each step.
    """
    from colonnade.data.sequences.fold import lists_of

    schema = table.schema
    frame = table.frame.explode(lists_of(table.frame)) if lists_of(table.frame) else table.frame
    columns = {name: column for name, column in schema.columns.items() if name in frame.columns}
    targets = schema.targets if dataset.horizon is None else tuple(dataset.target)
    return replace(table, frame=frame, schema=replace(schema, columns=columns, targets=targets), row_ids=None)


def lengths(dataset: SequenceDataset, table: Table) -> np.ndarray:
    """Steps of each series, ``(S,)``."""
    from colonnade.data.sequences.fold import lists_of, starts_of

    named = lists_of(table.frame)
    if named:
        counted: np.ndarray = table.frame[named[0]].list.len().to_numpy()
        return counted
    starts = np.flatnonzero(starts_of(table.frame[dataset.id], table.parts))
    return np.diff([*starts, table.frame.height])


def look_at_series(dataset: SequenceDataset, table: Table, waive: Sequence[str] = ()) -> Findings:
    """Everything that there is to say of series; see :func:`~colonnade.cli.findings.look`.

    Args:
        dataset: what read them.
        table: what it gave.
        waive: columns that are no leak, of data sets of steps.
    """
    from colonnade.cli.findings import Findings, look
    from colonnade.data.doubts import examine
    from colonnade.data.infer import target_doubt, target_kind
    from colonnade.data.sequences.steps import StepDataset

    if isinstance(dataset, StepDataset):
        found = look(table, waive)
        # Steps of a log are often alike, and no split tears a series.
        return replace(found, doubts=[d for d in found.doubts if d[0] or d[1] in table.notes])
    doubts = [("", note, False) for note in table.notes]
    kind, task = None, None
    if dataset.horizon is not None:
        task = "forecast"
        assert dataset.context is not None
        need = dataset.context + dataset.horizon
        short = int((lengths(dataset, table) < need).sum())
        if short:
            text = f"{short:,} of {len(table):,} series have fewer than the {need} steps of a window"
            doubts.append(("", f"{text} (data.context + data.horizon); data.short=repeat forecasts them too", False))
    elif table.schema.targets:
        try:
            kind, task = target_kind(table.frame, table.schema)
        except DataError as error:
            doubts.append((table.schema.targets[0], str(error), True))
        doubts += [(d.column, d.text, False) for d in target_doubt(table.frame, table.schema)]
    steps = steps_of_series(dataset, table)
    features = replace(steps, schema=replace(steps.schema, targets=()))
    doubts += [
        (d.column, d.text, False)
        for d in examine(features.frame, features.schema)
        if d.column in features.schema.features
    ]
    return Findings(kind, task, sorted(doubts, key=lambda d: not d[2]), [])


def show_series(console: Console, dataset: SequenceDataset, table: Table, findings: Findings, *, title: str) -> None:
    """Print series, columns, target and doubts."""
    from rich.markup import escape

    from colonnade.cli.listing import show_columns, show_doubts, target_text

    steps, counted = steps_of_series(dataset, table), lengths(dataset, table)
    text = f"{len(counted):,} series, {counted.sum():,} steps, {len(steps.schema.columns)} columns"
    console.print(f"[bold]{escape(title)}[/]  {text}\n", soft_wrap=True)
    show_columns(console, steps, findings)
    console.print(f"\n[bold]Series[/]  {escape(_spread(dataset, counted))}", soft_wrap=True)
    if dataset.horizon is not None:
        assert dataset.context is not None
        windows = int(np.maximum(0, counted - dataset.context - dataset.horizon + 1).sum())
        wanted = ", ".join(dataset.target) or "none yet: data.target=<column>"
        sizes = f"{dataset.horizon} steps ahead, from {dataset.context} before: {windows:,} windows"
        console.print(f"[bold]Target[/]  {escape(wanted)}: forecast, {sizes}", soft_wrap=True)
    elif table.schema.targets:
        console.print(f"[bold]Target[/]  {escape(target_text(table, findings))}", soft_wrap=True)
    else:
        console.print("[bold]Target[/]  none yet: data.target=<column>")
    show_doubts(console, findings, everything="series")


def written_schema(dataset: SequenceDataset, table: Table) -> Schema:
    """What is written down of the columns: the key is ``data.id``, and what is forecast is the target."""
    from colonnade.data.sequences.dataset import ORDER
    from colonnade.data.sequences.steps import StepDataset

    steps = steps_of_series(dataset, table).schema
    targets = dataset.looked_up if isinstance(dataset, StepDataset) else steps.targets
    kept = {*steps.features, *targets} - dataset.derived
    columns = {name: column for name, column in steps.columns.items() if name in kept}
    exclude = {name: reason for name, reason in dataset.exclude.items() if reason != ORDER}
    return replace(steps, columns=columns, targets=targets, exclude=exclude, row_id=None)


def first_model(dataset: SequenceDataset) -> str:
    """A model to begin with."""
    from colonnade.data.sequences.steps import StepDataset

    return "event_gru" if isinstance(dataset, StepDataset) else "gru" if dataset.horizon is None else "nlinear"


def _spread(dataset: SequenceDataset, counted: np.ndarray) -> str:
    """How long series are, and what names and orders them."""
    from colonnade.data.sequences.steps import StepDataset

    least, most = int(counted.min()), int(counted.max())
    sizes = (
        f"{most:,} steps each" if least == most else f"{least:,} to {most:,} steps, median {np.median(counted):,.0f}"
    )
    named = "all rows are one" if dataset.one else f"named by '{dataset.id}'"
    if dataset.channels is not None:
        named = f"a row each, of {len(dataset.channels)} channels side by side"
    clock = dataset.clock if isinstance(dataset, StepDataset) else dataset.order_by
    order = "in the order of the rows" if clock is None else f"ordered by '{clock}'"
    step = "" if dataset.step is None else f", a step every {dataset.step}"
    return f"{sizes}; {named}, {order}{step}"
