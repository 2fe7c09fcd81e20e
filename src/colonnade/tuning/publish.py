"""Publish: what a search leaves for people: a table, figures, TensorBoard, and the command of the best."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from colonnade.report import leaderboard
from colonnade.report.crossval import nested_choice
from colonnade.report.leaderboard import Row
from colonnade.report.table import number
from colonnade.tuning.plan import Plan
from colonnade.tuning.queue import Queue, shown
from colonnade.tuning.studies import Studies
from colonnade.tuning.study import Study


def publish(queue: Queue, rows: Sequence[Row], folder: Path, planned: Plan) -> None:
    """Write and print it.

    Args:
        queue: of the search.
        rows: all trainings.
        folder: of the search.
        planned: what was asked for.
    """
    from rich.console import Console

    from colonnade.report import hparams

    figures: list[Path] = []
    notes: list[str] = []
    if isinstance(queue, Studies):
        from colonnade.tuning.figures import draw

        for study in queue.studies:
            figures += draw(study.study, folder / study.cell.key)
            notes += pareto(study)
    choice = nested_choice(rows)
    notes += [] if choice is None else [choice]
    program = "python train.py" if sys.argv[0].endswith("train.py") else "colonnade train"
    command = leaderboard.reproduce(rows, program)
    leaderboard.write(rows, folder, title=planned.name, command=command, figures=figures, notes=notes)
    # A run with a TensorBoard of its own has its settings and metrics there: twice would be two lines in the table.
    hparams.write([row for row in rows if not (Path(row.folder) / "tensorboard").exists()], folder)
    hparams.images(figures, folder)
    console = Console()
    console.print(leaderboard.table(rows, title=planned.name))
    lines = {"folder": shown(folder), "leaderboard": shown(folder / "leaderboard.html")}
    lines["TensorBoard"] = f"tensorboard --logdir {shown(folder)}"
    if command:
        lines["best again"] = command
    for note in notes:
        console.print(note, soft_wrap=True, markup=False, highlight=False)
    width = max(map(len, lines))
    for name, text in lines.items():
        console.print(f"{name.rjust(width)}  {text}", crop=False, soft_wrap=True, markup=False, highlight=False)


def pareto(study: Study) -> list[str]:
    """The Pareto set of a study of several objectives, the best of the first one first."""
    sign = -1 if study.objectives[0].mode == "max" else 1
    found = sorted(study.pareto(), key=lambda trial: sign * trial.values[0])
    if not found:
        return []
    names = [goal.name for goal in study.objectives]
    lines = [
        f"  {study.key(trial.number)}: {', '.join(f'{n} {number(v)}' for n, v in zip(names, trial.values))}"
        for trial in found
    ]
    return ["\n".join([f"Pareto set of {', '.join(names)}:", *lines])]
