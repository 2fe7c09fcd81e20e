import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from colonnade.core.errors import Faults
from colonnade.tuning.space import parse_space


def one(text):
    faults = Faults()
    space = parse_space({"model.x": text}, faults)
    assert list(faults) == []
    return space["model.x"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("interval(0, 0.5)", FloatDistribution(0.0, 0.5)),
        ("interval(1, 3)", FloatDistribution(1.0, 3.0)),
        ("int(interval(4, 64))", IntDistribution(4, 64)),
        ("tag(log, interval(1e-4, 1e-2))", FloatDistribution(1e-4, 1e-2, log=True)),
        ("tag(log, int(interval(8, 512)))", IntDistribution(8, 512, log=True)),
        # Hydra leaves the stop out, Optuna takes its upper bound in.
        ("range(1, 7, 2)", IntDistribution(1, 5, step=2)),
        ("choice(a, b)", CategoricalDistribution(["a", "b"])),
        ("choice([8,8],[16])", CategoricalDistribution(["[8,8]", "[16]"])),
        ("relu, null", CategoricalDistribution(["relu", "null"])),
    ],
)
def test_words_are_distributions(text, expected):
    assert one(text).distribution == expected


def test_a_float_range_excludes_its_stop_too():
    found = one("range(0.1, 0.5, 0.1)").distribution
    assert found.low == pytest.approx(0.1)
    assert found.high == pytest.approx(0.4)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("3", "is not interval(a, b)"),
        ("interval(3, 1)", "the first bound must be below the second"),
        ("tag(log, interval(0, 1))", "needs bounds above 0"),
        ("range(1, 2)", "at least two values"),
        ("interval(1", "is not interval(a, b)"),
    ],
)
def test_what_gives_no_range_is_told(text, fault):
    faults = Faults()
    assert parse_space({"model.x": text}, faults) == {}
    [told] = faults
    assert fault in told
    assert "model.x" in told


def test_null_leaves_a_dimension_out():
    assert parse_space({"model.x": None}, Faults()) == {}


@pytest.mark.parametrize(
    ("text", "value", "point"),
    [
        ("interval(0, 0.5)", 0.5, 0.5),
        ("interval(0, 0.5)", 0, 0.0),
        ("interval(0, 0.5)", 0.6, None),
        ("int(interval(4, 64))", 4, 4),
        ("int(interval(4, 64))", 4.5, None),
        ("int(interval(4, 64))", "four", None),
        ("range(64, 1040, 16)", 512, 512),
        ("range(64, 1040, 16)", 500, None),
        ("range(0.1, 0.5, 0.1)", 0.3, 0.3),
        ("choice([8,8],[16])", [8, 8], "[8,8]"),
        ("choice([8,8],[16])", [8], None),
        ("choice(0.001,1)", 1e-3, "0.001"),
        ("relu, null", None, "null"),
        ("true, false", True, "true"),
    ],
)
def test_a_value_of_the_configuration_is_a_point_or_lies_outside(text, value, point):
    assert one(text).point(value) == point


def test_ends_and_words():
    assert one("interval(0, 0.5)").ends() == [0.0, 0.5]
    assert one("choice(a, b)").ends() == ["a", "b"]
    assert one("choice(a, b)").word("b") == "model.x=b"
