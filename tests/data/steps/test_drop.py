"""Drop: which columns go, and what is said."""

import numpy as np

from colonnade.data.columns import MISSING_TIME
from colonnade.data.steps.drop import Drop

NAN = np.nan
NUM = np.array([[1, 2.5, NAN, 7], [2, 2.5, NAN, NAN], [3, 2.5, NAN, 7]])
CAT = np.array([[2, 3, 0, 1, 2], [3, 3, 0, 1, 0], [2, 3, 0, 1, 2]])
TIME = np.array([[5, MISSING_TIME, 4, 4], [5, MISSING_TIME, 5, MISSING_TIME], [5, MISSING_TIME, 6, 4]])


def test_what_is_dropped_and_said(fit) -> None:
    fitted, given = fit(Drop(), NUM, CAT, TIME, flags=[[1, 0], [1, 1], [1, 0]])
    found = fitted.module(given)
    np.testing.assert_array_equal(found.num.T, NUM[:, [0, 3]])
    np.testing.assert_array_equal(found.flag.T, [[0], [1], [0]])
    np.testing.assert_array_equal(found.cat.T, CAT[:, [0, 4]])
    np.testing.assert_array_equal(found.time.T, TIME[:, [2, 3]])
    np.testing.assert_array_equal(fitted.module.recode(given.cat), found.cat)
    layout = fitted.layout
    assert (layout.num, layout.flag, layout.cat, layout.time) == (("a", "d"), ("flag1",), ("k", "o"), ("v", "w"))
    assert layout.levels == (("0", "1"), ("0",))
    assert fitted.log == [
        "column 'b' dropped: constant (2.5) in the train rows",
        "column 'c' dropped: no value in the train rows",
        "column 'flag0' dropped: constant (1) in the train rows",
        "column 'l' dropped: constant ('1') in the train rows",
        "column 'm' dropped: no value in the train rows",
        "column 'n' dropped: constant (rare) in the train rows",
        "column 't' dropped: constant (one datetime) in the train rows",
        "column 'u' dropped: no value in the train rows",
    ]


def test_each_reason_can_be_switched_off(fit) -> None:
    kept = fit(Drop(constant=False), NUM, CAT, TIME)[0].layout
    assert (kept.num, kept.cat, kept.time) == (("a", "b", "d"), ("k", "l", "n", "o"), ("t", "v", "w"))
    kept = fit(Drop(empty=False), NUM, CAT, TIME)[0].layout
    assert (kept.num, kept.cat, kept.time) == (("a", "c", "d"), ("k", "m", "o"), ("u", "v", "w"))


def test_nothing_to_drop(fit) -> None:
    assert fit(Drop(), NUM[:, [0]])[0].module is None
