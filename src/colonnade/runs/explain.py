"""Explain: what each raw column contributes to the predictions of a finished run."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from omegaconf import DictConfig

from colonnade.config.build import build
from colonnade.core.files import replacing, write_json
from colonnade.data.sequences.dataset import SequenceDataset
from colonnade.data.table import Table
from colonnade.explain.explainer import explain as attribute
from colonnade.explain.explanation import Explanation
from colonnade.explain.joint import Joint
from colonnade.explain.options import Explain, method_for
from colonnade.explain.subject import Subject
from colonnade.runs.folder import RunFolder
from colonnade.runs.illustrate import to_board
from colonnade.runs.joint import EXPLANATION, IMPORTANCE, joined, list_joint, write_joint
from colonnade.runs.load import ENSEMBLE, LoadedRun, load_run, members_of
from colonnade.runs.own import own_table
from colonnade.runs.own_parts import own_parts, sample
from colonnade.runs.predict import report_unknown, row_ids

log = logging.getLogger(__name__)

ATTRIBUTIONS = "attributions.parquet"
NEW = "new"


def explain(
    run: Path | str, data: Any = None, *, background: Any = None, options: Explain | None = None
) -> Explanation:
    """Explain a finished run; the run folder gets ``attributions.parquet``, ``explanation.json`` and figures.

    Args:
        run: folder of a finished run.
        data: rows to be explained: path of a file, or a polars or pandas frame, with the columns of the training data;
            None: the run's own test rows, read again from where the configuration says.
        background: rows that explained ones are compared with, as ``data``; None: the run's own train rows.
        options: how; None: as :class:`~colonnade.explain.options.Explain` has it.

    Raises:
        RunFolderError: see :func:`~colonnade.runs.load.load_run`, or another process holds the folder.
        SchemaError: columns are missing or mistyped.
        DataError: the run's own rows are needed and cannot be read, or have changed.
        ConfigError: the method does not fit the model.
    """
    options = options or Explain()
    loaded, folder = load_run(run), RunFolder(run)
    # Told before anything is read.
    method_for(options.method, loaded.predictor.network, loaded.spec)
    own = None
    if data is None or background is None:
        words = "background=rows.csv" if data is not None else "data.path=rows.csv background=others.csv"
        own = own_parts(folder.path, loaded, own_table(folder, loaded, f"name files with such rows, {words}"))
    with folder.locked():
        if data is None:
            assert own is not None
            rows, split = own.explained(options.rows_of(loaded.spec), options.seed)
        else:
            whole = _read(loaded, data)
            rows, split = sample(whole, np.arange(len(whole)), options.rows_of(loaded.spec), options.seed), NEW
            report_unknown(loaded, rows)
        if background is None:
            assert own is not None
            others = own.sample("train", options.background, options.seed)
        else:
            others = _compared(loaded, background, options)
        return _explained(folder, loaded, rows, split, others, options)


def explain_several(
    runs: Sequence[Path | str],
    data: Any = None,
    *,
    background: Any = None,
    options: Explain | None = None,
    out: Path | str | None = None,
) -> list[Joint]:
    """Explain each model, and what all of them say together: means over runs with an interval over runs.

    Runs that differ by their seeds alone say with it how far the importance of a column is one of the data and not one
    of a training. Each run is explained as :func:`explain` does, in its own folder. One run of
    several models, a cross-validation or an ensemble, gets ``importance.json`` and ``figures/importance_runs.png``.

    Args:
        runs: folders of finished runs; of one that holds several models, all of these.
        data, background, options: see :func:`explain`.
        out: a folder that ``importance.json`` and the figure are written to, beside that.

    Returns:
        One for each target.

    Raises:
        ConfigError: there is one model alone, or they explain other targets.
    """
    models = [model for run in runs for model in models_of(RunFolder(run))]
    for model in models:
        explain(model.path, data, background=background, options=options)
    found = joined(models)
    if len(runs) == 1:
        list_joint(RunFolder(runs[0]), found)
    if out is not None:
        write_joint(Path(out), found)
    return found


def explain_missing(cfg: DictConfig, folder: RunFolder, frame: Any = None) -> None:
    """Explain what ``explain:`` asks for and a finished run has not yet; of several models each by its own test rows.

    Args:
        cfg: what was asked for.
        folder: of the run.
        frame: what the run was trained on, where that was no file.
    """
    options = build(cfg.explain)
    missing = [model for model in models_of(folder) if not (model / EXPLANATION).exists()]
    table = None
    for model in missing:
        loaded = load_run(model.path)
        instead = "name files with such rows, data.path=rows.csv background=others.csv"
        table = table or own_table(model, loaded, instead, frame)
        own = own_parts(model.path, loaded, table)
        rows, part = own.explained(options.rows_of(loaded.spec), options.seed)
        with model.locked():
            _explained(model, loaded, rows, part, own.sample("train", options.background, options.seed), options)
        log.info("%s: %s, %s, figures/", model.path, ATTRIBUTIONS, EXPLANATION)
    if missing and folder.path != missing[0].path:
        list_joint(folder, joined(models_of(folder)))
        log.info("%s: %s, figures/", folder.path, IMPORTANCE)


def models_of(folder: RunFolder) -> list[RunFolder]:
    """The runs of one model that a run is made of: itself, or its members."""
    if not (folder / ENSEMBLE).exists():
        return [folder]
    return [model for member in members_of(folder) for model in models_of(RunFolder(folder / member))]


def _explained(
    folder: RunFolder, loaded: LoadedRun, rows: Table, split: str, others: Table, options: Explain
) -> Explanation:
    subject = Subject(loaded.predictor.network, loaded.pipeline, loaded.task, loaded.spec)
    found = attribute(subject, rows.frame, others.frame, options)
    _write(folder, found, rows, split)
    return found


def _read(loaded: LoadedRun, data: Any) -> Table:
    """Rows of a file; of series that are forecast, their ends, from which they are."""
    table = loaded.dataset.read_new(data, loaded.schema, need_target=False)
    if loaded.spec.horizon is None:
        return table
    assert isinstance(loaded.dataset, SequenceDataset)
    return loaded.dataset.ends(table)


def _compared(loaded: LoadedRun, data: Any, options: Explain) -> Table:
    """Rows of a file to compare with; of series that are forecast, windows anywhere in them."""
    table = loaded.dataset.read_new(data, loaded.schema, need_target=False)
    if loaded.spec.horizon is None:
        return sample(table, np.arange(len(table)), options.background, options.seed)
    assert isinstance(loaded.dataset, SequenceDataset)
    return loaded.dataset.windows(table, options.background)


def _write(folder: RunFolder, found: Explanation, rows: Table, split: str) -> None:
    """Files, figures, and their digests."""
    from colonnade.report.explanation import draw

    with replacing(folder / ATTRIBUTIONS) as file:
        found.to_frame(row_ids(rows), split).write_parquet(file)
    write_json(folder / EXPLANATION, {"split": split, **found.to_dict()})
    figures = to_board(draw(found, rows.frame, row_ids(rows)), folder)
    folder.list_files(ATTRIBUTIONS, EXPLANATION, *figures)
