import pytest

from colonnade.tuning.settings import Constraint, Objective, Tune, value_of


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"sampler": "tpee"}, "sampler=tpee: there is no such sampler; did you mean 'tpe'"),
        ({"pruner": "medain", "sampler": "tpe"}, "did you mean 'median'"),
        ({"n_trials": 0}, "n_trials must be at least 1, got 0"),
        ({"timeout": 0}, "timeout must be above 0 seconds"),
        ({"pruner": "median"}, "a grid runs every cell to its end"),
        (
            {"sampler": "tpe", "pruner": "median", "objectives": ["max:val/auroc", "min:latency"]},
            "several objectives have no order",
        ),
        ({"sampler": "cmaes", "objectives": ["max:val/auroc", "min:latency"]}, "cmaes has one objective"),
        ({"objectives": ["val/auroc"]}, "expected min: or max:"),
        ({"objectives": ["max:test/auroc"]}, "expected min: or max:"),
        ({"constraints": ["parameters<100"]}, "expected val/<metric>"),
        ({"constraints": ["size<=100"]}, "expected val/<metric>"),
    ],
)
def test_what_is_out_of_range_is_refused(arguments, text):
    with pytest.raises(ValueError) as error:
        Tune(**arguments)
    assert text in str(error.value)


def test_only_the_grid_does_not_sample():
    assert not Tune().adaptive
    assert Tune(sampler="random").adaptive


def test_objectives_and_constraints_are_read():
    assert Objective.parse("max:val/accuracy") == Objective("val/accuracy", "max")
    at_most, at_least = Constraint.parse("parameters<=1e5"), Constraint.parse("val/recall >= 0.8")
    assert (at_most.excess(3e5), at_most.excess(1e5)) == (2e5, 0)
    assert at_least.excess(0.9) == pytest.approx(-0.1)


def test_values_come_from_the_result():
    result = {"metrics": {"val": {"rmse": 2, "r2": None}}, "parameters": 7, "latency": 0.1}
    assert [value_of(n, result) for n in ("val/rmse", "val/r2", "val/mae", "parameters", "latency", "seconds")] == [
        2.0,
        None,
        None,
        7.0,
        0.1,
        None,
    ]
