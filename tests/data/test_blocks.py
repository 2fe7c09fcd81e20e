"""Blocks: which rows, and on which threads."""

import numpy as np
import polars as pl
import pytest
import torch

from colonnade.data.blocks import each_block, take


@pytest.mark.parametrize("rows", [None, np.array([7, 3, 3, 0, 9])])
def test_rows_of_a_frame_in_pieces(rows: np.ndarray | None) -> None:
    frame = pl.concat([pl.DataFrame({"x": range(i, i + 5)}) for i in (0, 5)], rechunk=False)
    found = pl.concat([take(frame, rows, 0, 2), take(frame, rows, 2, 9)])["x"].to_list()
    assert found == (list(range(9)) if rows is None else rows.tolist())


@pytest.mark.parametrize("threads", [1, 3])
def test_blocks_on_threads(threads: int) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        seen: list[tuple[int, int]] = []
        each_block(lambda start, stop: seen.append((start, stop)), 10, 4)
        assert sorted(seen) == [(0, 4), (4, 8), (8, 10)]
        each_block(lambda start, stop: seen.append((start, stop)), 0, 4)
        assert len(seen) == 3
        with pytest.raises(ZeroDivisionError):
            each_block(lambda start, stop: seen.append((1 // start, 0)), 10, 4)
        assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
