"""Illustrate: the figures of a run, as files and in TensorBoard."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig

from colonnade.config.record import redacted
from colonnade.runs.folder import METRICS, RunFolder
from colonnade.runs.trained import Trained

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from torch.utils.tensorboard import SummaryWriter

FIGURES = "figures"
# Columns of TensorBoard's table, which shows the first five by the alphabet.
COLUMNS = {
    "batch_size": "loader.batch_size",
    "data": "data.name",
    "lr": "optim.lr",
    "model": "choices.model",
    "seed": "seed",
}
# Nodes that are choices of a person and may be compared between runs; paths and files are not.
COMPARED = ("seed", "model", "optim", "loader", "pipeline", "split", "module", "choices")


def epochs(metrics: Path) -> list[dict[str, float]]:
    """The rows of ``metrics.jsonl``, which may be being written; none when that callback was off."""
    if not metrics.exists():
        return []
    text = metrics.read_text(encoding="utf-8")
    return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]


def best_epoch(rows: Sequence[Mapping[str, float | None]], monitor: str, mode: str) -> int | None:
    """The epoch with the best monitored value; None when it was never measured.

    >>> best_epoch([{"epoch": 0, "val/rmse": 2.0}, {"epoch": 1, "val/rmse": 1.0}], "val/rmse", "min")
    1
    """
    measured = [(row[monitor], row["epoch"]) for row in rows if row.get(monitor) is not None]
    if not measured:
        return None
    best = (min if mode == "min" else max)(measured, key=lambda pair: pair[0] or 0.0)
    return None if best[1] is None else int(best[1])


def publish(figures: Mapping[str, Figure], trained: Trained, folder: Path) -> None:
    """Write each figure, and those of the finders, to files and to TensorBoard."""
    from lightning.pytorch.loggers import TensorBoardLogger

    boards = [logger.experiment for logger in trained.loggers if isinstance(logger, TensorBoardLogger)]
    write_figures({**figures, **_found(folder)}, folder, boards, trained.global_step)


def write_figures(figures: Mapping[str, Figure], folder: Path, boards: Sequence[SummaryWriter], step: int) -> list[str]:
    """Write each figure to ``figures/<name>.png`` and to TensorBoard, drawn once; the names of the files."""
    import numpy as np
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import Image

    from colonnade.report.glyphs import fit_fonts

    (folder / FIGURES).mkdir(exist_ok=True)
    for name, figure in figures.items():
        fit_fonts(figure)
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        pixels = np.asarray(canvas.buffer_rgba())[..., :3]
        Image.fromarray(pixels).save(folder / FIGURES / f"{name}.png")
        for board in boards:
            board.add_image(name, pixels, step, dataformats="HWC")
    return [f"{FIGURES}/{name}.png" for name in figures]


def to_board(figures: Mapping[str, Figure], folder: RunFolder) -> list[str]:
    """Figures as files, and in the run's TensorBoard where it has one."""
    events = folder / "tensorboard"
    if not events.is_dir():
        return write_figures(figures, folder.path, [], 0)
    from torch.utils.tensorboard import SummaryWriter

    lines = epochs(folder / METRICS)
    with SummaryWriter(str(events)) as board:
        return write_figures(figures, folder.path, [board], int(lines[-1]["step"]) if lines else 0)


def _found(folder: Path) -> dict[str, Figure]:
    """What the finders wrote before the training, drawn."""
    from colonnade.report import finders

    drawings = {"lr_find": finders.learning_rate, "batch_size_find": finders.batch_size}
    tables = {name: folder / f"{name}.json" for name in drawings}
    return {
        name: drawings[name](json.loads(path.read_text(encoding="utf-8")))
        for name, path in tables.items()
        if path.exists()
    }


def record_settings(cfg: DictConfig, metrics: Mapping[str, Mapping[str, float]], trained: Trained) -> None:
    """Tell every logger the settings of the run; TensorBoard's table of them also gets the final metrics."""
    from lightning.pytorch.loggers import TensorBoardLogger

    if not trained.loggers:
        return
    clean = redacted(cfg)
    settings = _settings(clean)
    final = {f"{split}/{name}": value for split, values in metrics.items() for name, value in values.items()}
    for logger in trained.loggers:
        if isinstance(logger, TensorBoardLogger):
            # Under a name of their own: the curve of an epoch keeps its.
            named = {name.replace("val/", "val_best/"): value for name, value in final.items()}
            logger.log_hyperparams(_columns(clean), named)
        else:
            logger.log_hyperparams(settings)
        logger.save()


def _columns(clean: Mapping[str, Any]) -> dict[str, Any]:
    """Few enough for a table: what tells runs apart first, and what was typed. The text tab holds the rest."""
    columns = {name: _at(clean, key) for name, key in COLUMNS.items()}
    for word in clean.get("overrides") or ():
        key = word.lstrip("+~").partition("=")[0].partition("@")[0]
        value = _at(clean, key)
        if key not in COLUMNS.values() and isinstance(value, str | int | float | bool):
            columns[key] = value
    return {name: value for name, value in columns.items() if value is not None}


def _at(node: Any, key: str) -> Any:
    """The value of a dotted key; None: there is none."""
    for part in key.split("."):
        node = node.get(part) if isinstance(node, Mapping) else None
    return node


def _settings(plain: Mapping[str, Any]) -> dict[str, Any]:
    """Dotted keys to plain values."""
    flat: dict[str, Any] = {}

    def visit(prefix: str, node: Any) -> None:
        if isinstance(node, dict):
            for key, value in node.items():
                visit(f"{prefix}.{key}" if prefix else str(key), value)
        elif not prefix.endswith(("_target_", "_partial_")):
            flat[prefix] = node if isinstance(node, str | int | float | bool) or node is None else str(node)

    visit("", {key: plain[key] for key in COMPARED if key in plain})
    return flat
