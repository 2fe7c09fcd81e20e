"""Parameters of trials on an axis."""

import numpy as np
import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from colonnade.tuning.scales import Scale, scales_of

RATE = FloatDistribution(1e-5, 1.0, log=True)


def trial(value: float = 0.0, **params):
    distributions = {key: distribution for key, (_, distribution) in params.items()}
    given = {key: chosen for key, (chosen, _) in params.items()}
    return optuna.trial.create_trial(params=given, distributions=distributions, values=[value])


def test_kinds_of_parameters() -> None:
    blocks, width = IntDistribution(1, 8), CategoricalDistribution(["[8]", "[8,8]"])
    trials = [
        trial(lr=(1e-3, RATE), blocks=(2, blocks)),
        trial(lr=(1e-1, RATE), width=("[8,8]", width), blocks=(4, blocks)),
    ]
    lr, n, w = scales_of(trials)
    assert (lr.name, lr.log, lr.choices, lr.whole) == ("lr", True, (), False)
    assert (n.name, n.whole, n.values.tolist()) == ("blocks", True, [2.0, 4.0])
    assert (w.choices, np.isnan(w.values[0]), w.values[1]) == (("[8]", "[8,8]"), True, 1.0)
    assert lr.positions().tolist() == [0.0, 1.0]
    assert w.positions().tolist()[1] == 1.0


def test_a_choice_of_null_is_a_choice() -> None:
    first, second = CategoricalDistribution([None, "a"]), CategoricalDistribution([None, "b"])
    [scale] = scales_of([trial(p=(None, first)), trial(p=("b", second))])
    assert (scale.choices, scale.values.tolist()) == (("None", "a", "b"), [0.0, 2.0])


@pytest.mark.parametrize(
    ("scale", "ticks"),
    [
        (
            Scale("x", np.array([0.0, 1.0, np.nan])),
            [(0.0, "0"), (0.25, "0.25"), (0.5, "0.5"), (0.75, "0.75"), (1.0, "1")],
        ),
        (Scale("x", np.array([1e-4, 1.0]), log=True), [(i / 4, f"{10.0 ** (i - 4):.3g}") for i in range(5)]),
        (Scale("x", np.array([2.0, 4.0]), whole=True), [(0.0, "2"), (0.5, "3"), (1.0, "4")]),
        (Scale("x", np.array([7.0, 7.0])), [(0.5, "7")]),
        (Scale("x", np.array([0.0, 0.0]), choices=("a", "b")), [(0.0, "a"), (1.0, "b")]),
        (Scale("x", np.array([0.0]), choices=("a",)), [(0.5, "a")]),
        (Scale("x", np.array([1000.0, 5000.0]), whole=True), [(i / 4, str(1000 + 1000 * i)) for i in range(5)]),
    ],
)
def test_ticks(scale: Scale, ticks: list[tuple[float, str]]) -> None:
    found = scale.ticks()
    assert [text for _, text in found] == [text for _, text in ticks]
    assert [at for at, _ in found] == pytest.approx([at for at, _ in ticks])
