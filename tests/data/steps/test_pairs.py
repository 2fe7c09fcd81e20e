"""Pairs: finds the pair that makes a target, and none where there is none."""

import numpy as np
import pytest

from colonnade.data.steps.pairs import Pairs

RNG = np.random.default_rng(0)
NUM = RNG.uniform(1, 5, (3000, 4))


# What says the same as the first, beside the two numbers alone: (b - d)^2 = b^2 + d^2 - 2 b d.
@pytest.mark.parametrize(
    ("target", "names"),
    [
        (NUM[:, 0] / NUM[:, 2], ("a / c", "c / a")),
        (NUM[:, 1] * NUM[:, 3], ("b * d", "b - d")),
        (np.abs(NUM[:, 1] - NUM[:, 2]), ("b - c",)),
        ((NUM[:, 0] > NUM[:, 3]).astype(np.int64), ("a - d", "a / d", "d / a")),
    ],
)
def test_finds_what_makes_the_target(fit, target: np.ndarray, names: tuple[str, ...]) -> None:
    noisy = target if target.dtype == np.int64 else (target + RNG.normal(0, 0.1, 3000)).astype(np.float32)
    fitted, given = fit(Pairs(max_columns=1), NUM, target=noisy)
    (new,) = fitted.layout.num[4:]
    assert new in names
    first, second = (NUM[:, "abcd".index(letter)] for letter in (new[0], new[-1]))
    expected = {"/": first / second, "*": first * second, "-": first - second}[new[2]]
    np.testing.assert_allclose(fitted.module(given).num[4], expected)
    (feature,) = fitted.module.features()
    assert (feature.formula, feature.inputs) == (new, (new[0], new[-1]))
    gain = feature.numbers["gain"].item()
    assert gain > 0.2
    assert fitted.log == [f"column '{new}' made: it takes away {gain:.1%} of the squared error on held-out train rows"]


def test_stops_when_no_more_is_gained(fit) -> None:
    target = (NUM[:, 0] / NUM[:, 2] + RNG.normal(0, 0.3, 3000)).astype(np.float32)
    found = fit(Pairs(), NUM, target=target)[0].layout.num[4:]
    assert {*found} <= {"a / c", "c / a", "a - c", "a * c"}
    assert len(found) <= 2


def test_finds_nothing_in_noise_or_sums(fit) -> None:
    for target in (RNG.normal(size=3000), np.sin(NUM[:, 0]) + NUM[:, 1] ** 2 + RNG.normal(size=3000)):
        fitted, _ = fit(Pairs(), NUM, target=target.astype(np.float32))
        assert fitted.module is None
        assert fitted.log == ["no pair of numbers says more on held-out train rows than the two alone"]


def test_classes_and_several_targets(fit) -> None:
    ratio = NUM[:, 0] / NUM[:, 1]
    three = np.digitize(ratio, [0.7, 1.4])
    assert fit(Pairs(), NUM, target=three)[0].layout.num[4] in ("a / b", "b / a")
    several = np.stack([1000 * ratio, NUM[:, 2] * NUM[:, 3]], 1).astype(np.float32)
    found = set(fit(Pairs(), NUM, target=several)[0].layout.num)
    assert found & {"a / b", "b / a"}
    assert found & {"c * d", "c - d"}


def test_division_by_zero_is_missing(fit, of) -> None:
    target = (NUM[:, 0] / NUM[:, 2]).astype(np.float32)
    fitted, _ = fit(Pairs(max_columns=1, operations=["ratio"]), NUM, target=target)
    assert np.isnan(fitted.module(of([[0.0, 1.0, 0.0, 1.0]])).num[4].item())


def test_sources_and_operations_can_be_chosen(fit) -> None:
    target = (NUM[:, 0] / NUM[:, 2]).astype(np.float32)
    assert fit(Pairs(columns=["b", "d"]), NUM, target=target)[0].module is None
    found = fit(Pairs(operations=["difference"], max_columns=1), NUM, target=target)[0].layout.num[4:]
    assert found == ("a - c",)
    assert fit(Pairs(columns=["a"]), NUM, target=target)[0].module is None


def test_ranges() -> None:
    with pytest.raises(ValueError, match="operations must be some of ratio, difference, product, got sum"):
        Pairs(operations=["sum"])
    with pytest.raises(ValueError, match="max_sources must be at least 2, got 1"):
        Pairs(max_sources=1)
    with pytest.raises(ValueError, match="min_gain must be at least 0 and below 1, got 1"):
        Pairs(min_gain=1)
