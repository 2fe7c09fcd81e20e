"""Series that are arrays in Python."""

from __future__ import annotations

import numpy as np
import pytest

from colonnade.core.errors import DataError
from colonnade.data.sequences.arrays import from_arrays
from colonnade.data.sequences.dataset import SequenceDataset
from colonnade.data.sources.frame import Frame

RAGGED = [np.array([[1.0, 2.0], [3.0, np.nan]]), np.array([[5.0, 6.0]])]


def test_a_row_for_each_step():
    assert from_arrays(RAGGED, ["p", "q"], channels=["a", "b"]).to_dict(as_series=False) == {
        "series": [0, 0, 1],
        "a": [1.0, 3.0, 5.0],
        "b": [2.0, None, 6.0],
        "target": ["p", "p", "q"],
    }
    whole = from_arrays(np.arange(12.0).reshape(2, 3, 2))
    assert whole["dim_1"].to_list() == [1.0, 3.0, 5.0, 7.0, 9.0, 11.0]


def test_the_data_set_reads_it():
    table = SequenceDataset(source=Frame(from_arrays(RAGGED, [0.5, 1.5])), target="target").read()
    assert table.frame["dim_1"].to_list() == [[2.0, None], [6.0]]
    assert table.frame["target"].to_list() == [0.5, 1.5]


def test_every_faulty_series_is_named():
    with pytest.raises(DataError) as error:
        from_arrays([np.zeros((2, 2)), np.zeros((0, 2)), np.zeros((2, 3)), np.zeros((1, 2, 2))])
    assert "series 1 (from 0): no steps" in str(error.value)
    assert "series 2 (from 0): shape (2, 3), and (steps, 2 channels) is expected" in str(error.value)
    assert "series 3 (from 0): shape (1, 2, 2)" in str(error.value)
    with pytest.raises(DataError, match="2 targets of 1 series"):
        from_arrays([[1.0]], [1, 2])
    with pytest.raises(DataError, match="there is no series"):
        from_arrays([])
