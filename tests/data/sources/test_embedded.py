"""The sets that scikit-learn and statsmodels carry."""

from __future__ import annotations

import numpy as np
import pytest

from colonnade.data.sources.embedded import Embedded


@pytest.mark.parametrize(
    ("name", "shape", "first"),
    [
        ("breast_cancer", (569, 31), "malignant"),
        ("diabetes", (442, 11), 151.0),
        ("digits", (1797, 65), 0),
        ("iris", (150, 5), "setosa"),
        ("wine", (178, 14), "class_0"),
    ],
)
def test_sets(name, shape, first):
    source = Embedded(name=name)
    frame = source.read()
    assert frame.shape == shape
    assert frame["target"][0] == first
    assert frame.null_count().sum_horizontal().item() == 0
    assert source.origin[0]["file"] == f"scikit-learn {name}"


def test_unknown():
    with pytest.raises(ValueError, match="name='iri': one of breast_cancer, diabetes, digits, iris, wine"):
        Embedded(name="iri")


def test_weeks_without_a_measurement_lie_on_a_line():
    from statsmodels.datasets import co2

    source = Embedded(name="co2")
    frame, raw = source.read(), co2.load_pandas().data["co2"]
    assert frame.shape == (2284, 2)
    assert frame["week"][0] == "1958-03-29"
    assert source.origin[0]["file"] == "statsmodels co2"
    assert raw.isna().sum() == 59
    known = raw.notna().to_numpy()
    np.testing.assert_array_equal(frame["co2"].to_numpy()[known], raw[known])
    at = np.arange(len(raw))
    np.testing.assert_allclose(frame["co2"].to_numpy(), np.interp(at, at[known], raw[known]))
