"""The sets that scikit-learn carries."""

from __future__ import annotations

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
