"""Own rows: the data that a finished run was trained on, read again."""

from __future__ import annotations

from typing import Any

import numpy as np

from colonnade.core.errors import ColonnadeError, DataError
from colonnade.data.table import Table
from colonnade.runs.assemble import dataset_of
from colonnade.runs.folder import RunFolder
from colonnade.runs.load import Loaded
from colonnade.runs.predict import row_ids


def own_table(folder: RunFolder, loaded: Loaded, instead: str, frame: Any = None) -> Table:
    """The run's own data, from where its configuration says, or from a frame.

    Args:
        folder: of the run.
        loaded: the run.
        instead: what to do where they cannot be had, in words.
        frame: what the run was trained on, where that was no file.

    Raises:
        DataError: they cannot be read, or have changed.
    """
    try:
        dataset = dataset_of(loaded.cfg, frame)
        table = dataset.rows(dataset.read())
        before = (folder.state or {}).get("origin", [])
        changed = [new["file"] for old, new in zip(before, table.origin) if old["sha256"] != new["sha256"]]
        if changed:
            raise DataError(f"{', '.join(changed)} changed since")
    except ColonnadeError as error:
        raise DataError(
            f"the rows that '{folder.path}' was trained on cannot be read again ({error}): {instead}"
        ) from error
    return table


def rows_with(table: Table, ids: np.ndarray) -> Table:
    """The rows of a table with the given ids, in their order.

    Raises:
        DataError: one is not there.
    """
    own = row_ids(table)
    order = np.argsort(own, kind="stable")
    place = np.searchsorted(own[order], ids).clip(max=len(own) - 1)
    found = order[place]
    if not np.array_equal(own[found], ids):
        raise DataError("the data lack rows that the run has predicted")
    return Table(table.frame[found], table.schema, origin=table.origin, row_ids=own[found])
