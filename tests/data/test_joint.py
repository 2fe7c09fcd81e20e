"""Joint lookup: what each model takes of it is what its own lookup gives."""

from datetime import datetime

import polars as pl
import pytest
import torch

from colonnade.core.errors import ConfigError
from colonnade.data.joint import join
from colonnade.data.lookup import Category, Lookup

FRAME = pl.DataFrame(
    {
        "x": [1.0, None, 3.0, 4.0],
        "z": [5.0, 6.0, 7.0, 8.0],
        "town": ["Rom", "Ulm", None, "Oz"],
        "yes": [True, None, False, True],
        "day": [datetime(2024, 1, 1), None, datetime(2024, 1, 3), datetime(2024, 1, 4)],
    }
)
TOWN = {"a": ("Rom", "Ulm"), "b": ("Oz", "Rom", "Bonn"), "c": ()}


def test_each_share_is_what_the_lookup_of_its_own_gives():
    lookups = [
        Lookup(num=["x"], cat=[Category("town", False, TOWN["a"])], time=["day"]),
        Lookup(
            num=["z", "x"], cat=[Category("yes", True, ("false", "true")), Category("town", False, TOWN["b"])], time=[]
        ),
        Lookup(num=[], cat=[Category("town", False, TOWN["c"])], time=["day"]),
    ]
    joint, shares = join(lookups)
    whole = joint(FRAME)
    for lookup, share in zip(lookups, shares):
        own = lookup(FRAME)
        torch.testing.assert_close(whole.num[:, share.num], own.num, equal_nan=True)
        assert torch.equal(share.codes[whole.cat[:, share.cat] + share.offset], own.cat)
        assert torch.equal(whole.time[:, share.time], own.time)
    assert joint.unknown_counts(FRAME) == {}
    assert joint.cat[0].levels == ("Rom", "Ulm", "Oz", "Bonn")


def test_a_column_of_two_kinds_is_named():
    with pytest.raises(ConfigError, match="column 'q' is boolean to one member and categorical to another"):
        join([Lookup(num=[], cat=[Category("q", b, ("false", "true"))], time=[]) for b in (True, False)])
