"""Evaluate: a finished run on new labelled data."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from colonnade.core.files import write_json
from colonnade.data.store import sample_weight
from colonnade.data.table import Table
from colonnade.evaluation.conformal import coverage
from colonnade.runs.calibrated import conformal_metrics
from colonnade.runs.folder import RunFolder
from colonnade.runs.load import Loaded, load
from colonnade.runs.predict import report_unknown, row_ids
from colonnade.runs.predictions import check_out

log = logging.getLogger(__name__)


def evaluate(run: Path | str, data: Any, out: Path | str | None = None) -> dict[str, float]:
    """Metrics of a finished run on new labelled rows.

    Args:
        run: folder of a finished run.
        data: path of a file, or a polars or pandas frame, with the columns of the training data, the target among them;
            a weight column, if the run had one, weighs the metrics.
        out: a JSON file to write the metrics to; None: nowhere.

    Returns:
        The metrics of the task by name; NaN where one is undefined on these rows. Of a run with intervals or sets,
        their coverage and size too.

    Raises:
        ConfigError: ``out`` is no JSON file, or cannot be written.
        SchemaError: columns are missing or mistyped; the whole difference is printed.
        DataError: targets are missing, or of a class that training did not see.
    """
    if out is not None:
        check_out(Path(out), (".json",))
    loaded = load(run)
    table = loaded.dataset.read_new(data, loaded.schema, need_target=True)
    report_unknown(loaded, table)
    _tell_windows(RunFolder(run), loaded, table)
    where = table.origin[0]["file"]
    target = loaded.coder.encode(table.frame, row_ids=row_ids(table), where=f"rows of {where}", new=True)
    name = loaded.schema.weight
    weight = None if name is None else sample_weight(table.frame, name, row_ids=row_ids(table))
    prediction = loaded.predict(table)
    metrics = loaded.task.metrics(prediction, target, weight)
    if loaded.fitted is not None and loaded.fitted.conformal is not None:
        metrics |= conformal_metrics(coverage(prediction, loaded.task.truth(target), weight), loaded.task)
    if out is not None:
        Path(out).parent.mkdir(parents=True, exist_ok=True)
        write_json(Path(out), {"run": str(run), "data": where, "rows": table.frame.height, "metrics": metrics})
    return metrics


def _tell_windows(folder: RunFolder, loaded: Loaded, table: Table) -> None:
    """Of forecasts, say that every window of the file is measured, and warn where the run has learned from some."""
    if loaded.spec.horizon is None:
        return
    learned = {entry["sha256"] for entry in (folder.state or {}).get("origin", [])}
    if learned & {entry["sha256"] for entry in table.origin}:
        log.warning(
            "%s is what the run was trained on: its train windows are among the %d that are measured; result.json has "
            "the measures of the test part",
            table.origin[0]["file"],
            len(table),
        )
    else:
        log.info("measured: all %d windows of %s", len(table), table.origin[0]["file"])
