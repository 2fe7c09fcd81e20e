"""Windows: integers over the steps of all series."""

from __future__ import annotations

import numpy as np
import torch

from colonnade.data.sequences.windows import WindowStore

LENGTHS = (12, 7, 9)
CONTEXT, HORIZON = 4, 2


def store(count=(7, 2, 0), first=(4, 12 + 4, 19 + 4)):
    n = sum(LENGTHS)
    generator = torch.Generator().manual_seed(0)
    return WindowStore(
        num=torch.randn(n, 3, generator=generator),
        cat=torch.randint(0, 5, (n, 1), generator=generator, dtype=torch.int32),
        target=torch.randn(n, 2, generator=generator),
        first=torch.tensor(first),
        before=torch.from_numpy(np.concatenate([[0], np.cumsum(count)])),
        context=CONTEXT,
        horizon=HORIZON,
    )


def test_each_window_is_its_context_and_its_horizon():
    windows = store()
    assert len(windows) == 9
    origins = [*range(4, 11), 16, 17]
    index = torch.tensor([8, 0, 3, 7, 1])
    batch = windows.gather(index)
    assert batch.row_id.tolist() == [origins[i] for i in index.tolist()]
    assert batch.mask is None
    for row, i in enumerate(index.tolist()):
        o = origins[i]
        assert batch.num[row].equal(windows.num[o - CONTEXT : o])
        assert batch.cat[row].equal(windows.cat[o - CONTEXT : o].long())
        assert batch.target[row].equal(windows.target[o : o + HORIZON].flatten())


def test_every_window_once_in_order():
    windows = store()
    batch = windows.rows(0, 100)
    assert batch.row_id.tolist() == [*range(4, 11), 16, 17]
    assert torch.cat([windows.rows(i, i + 4).num for i in (0, 4, 8)]).equal(batch.num)


def test_a_series_without_windows_is_passed_over():
    windows = store(count=(0, 2, 1))
    assert windows.rows(0, 3).row_id.tolist() == [16, 17, 23]


def test_other_origins_cost_no_memory():
    windows = store()
    later = WindowStore(**{**windows.__dict__, "first": windows.first + 1, "before": windows.before.clamp(max=3)})
    assert later.num.data_ptr() == windows.num.data_ptr()
    assert later.rows(0, 3).row_id.tolist() == [5, 6, 7]


def test_a_window_never_sees_what_it_forecasts():
    windows = store()
    before = windows.rows(0, 9)
    for row in range(9):
        origin = int(before.row_id[row])
        changed = windows.num.clone()
        changed[origin:] = torch.nan
        seen = WindowStore(**{**windows.__dict__, "num": changed}).rows(row, row + 1)
        assert seen.num.equal(before.num[row : row + 1])


def test_moved_it_is_the_same():
    windows = store()
    assert windows.to("cpu").rows(2, 5).target.equal(windows.rows(2, 5).target)
    assert windows.nbytes == 28 * (3 * 4 + 4 + 2 * 4) + 3 * 8 + 4 * 8


def test_the_steps_of_a_part_of_series_with_windows():
    assert store().spans.tolist() == [[0, 12], [12, 19]]
    # Two windows forecast the steps 7 to 9, and look at those from 3 on.
    assert store(count=(2, 0, 1), first=(7, 0, 23)).spans.tolist() == [[3, 10], [19, 25]]


def test_a_window_that_begins_before_its_series_repeats_the_first_step():
    windows = WindowStore(**{**store(count=(3, 2, 0), first=(1, 13, 20)).__dict__, "begin": torch.tensor([0, 12, 19])})
    batch = windows.rows(0, 5)
    assert batch.row_id.tolist() == [1, 2, 3, 13, 14]
    for row, (begin, origin) in enumerate([(0, 1), (0, 2), (0, 3), (12, 13), (12, 14)]):
        seen = [max(step, begin) for step in range(origin - CONTEXT, origin)]
        assert batch.num[row].equal(windows.num[seen])
        assert batch.cat[row].equal(windows.cat[seen].long())
        assert batch.target[row].equal(windows.target[origin : origin + HORIZON].flatten())
