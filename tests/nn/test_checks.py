import pytest

from colonnade.nn.checks import fraction, one_of, positive


def test_positive():
    positive(a=1, b=0.1)
    with pytest.raises(ValueError, match=r"^b=0 is out of range: expected b > 0$"):
        positive(a=1, b=0)


@pytest.mark.parametrize("value", [-0.1, 1.0, 1.5, float("nan")])
def test_fraction(value):
    fraction(dropout=0.0, rate=0.99)
    with pytest.raises(ValueError, match=rf"^rate={value} is out of range: expected 0 <= rate < 1$"):
        fraction(dropout=0.5, rate=value)


def test_one_of():
    one_of(("A", "B"), version="A")
    with pytest.raises(ValueError, match=r"^version='C' is unknown: expected one of A, B$"):
        one_of(("B", "A"), version="C")
