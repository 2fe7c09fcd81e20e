"""Text: length and hashed n-grams of levels."""

import zlib

import numpy as np
import pytest
import torch

from colonnade.data.columns import Columns, Layout, TrainRows
from colonnade.data.steps.text import Text

LEVELS = ("red", "reddish", "größe", "")


def fit(step: Text):
    """Fitted on levels that occur once, twice, three times and never."""
    cat = torch.tensor([[2, 3, 3, 4, 4, 4, 0, 1]])
    layout = Layout(cat=("k",), levels=(LEVELS,), counts=(torch.bincount(cat[0], minlength=6),))
    none = Columns.of(torch.empty(8, 0, dtype=torch.float64), cat.T, torch.empty(8, 0, dtype=torch.int64))
    train = TrainRows(torch.arange(8), torch.zeros(8, dtype=torch.int64), lambda: none, lambda: cat)
    return step.fit(train, layout, torch.Generator()), none


def test_length(of) -> None:
    fitted, given = fit(Text(min_levels=1, buckets=0))
    assert fitted.layout.num == ("k.length",)
    found = fitted.module(given).num[0].tolist()
    assert found[:6] == [3, 7, 7, 5, 5, 5]
    assert np.isnan(found[6]), "missing"
    assert found[7] == pytest.approx((3 + 2 * 7 + 3 * 5) / 6), "the mean of the train rows"


def test_ngrams_are_counted_by_their_hash() -> None:
    fitted, given = fit(Text(min_levels=1, length=False, n=2, buckets=5, keep=False))
    assert fitted.layout.num == tuple(f"k.ngram.{i}" for i in range(5))
    assert fitted.layout.cat == ()
    grams = [" r", "re", "ed", "d "]
    expected = np.bincount([zlib.crc32(gram.encode()) % 5 for gram in grams], minlength=5)
    np.testing.assert_array_equal(fitted.module(given).num[:, 0], expected)
    told = fitted.module.features()
    assert told[3].formula == "character n-grams of k in bucket 3"


def test_similar_texts_lie_near() -> None:
    fitted, given = fit(Text(min_levels=1, length=False, buckets=64))
    red, reddish, size = fitted.module(given).num[:, [0, 1, 3]].T
    assert torch.minimum(red, reddish).sum() > torch.minimum(red, size).sum()


def test_nothing_to_do() -> None:
    assert fit(Text())[0].module is None
    assert fit(Text(columns=["k"]))[0].layout.cat == ("k",)


def test_ranges() -> None:
    with pytest.raises(ValueError, match="n must be at least 1, got 0"):
        Text(n=0)
    with pytest.raises(ValueError, match="length=false and buckets=0 leave nothing to add"):
        Text(length=False, buckets=0)
