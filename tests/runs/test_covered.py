"""Coverage at several levels: rows that do not count, and the parts that it is told by."""

import torch

from colonnade.core.spec import BatchSpec
from colonnade.runs.covered import Covered, Rows
from colonnade.tasks.conformal import AbsoluteResidual
from colonnade.tasks.regression import Regression


def at(*thresholds):
    return {level: AbsoluteResidual(torch.tensor([[t]])) for level, t in zip((0.8, 0.9), thresholds)}


def test_rows_without_weight_or_truth_do_not_count():
    """Of errors 0 to 9, those at most 3 and 5 are covered; a missing one and one of weight zero are left out."""
    spec = BatchSpec(
        num_names=("x",),
        cat_names=(),
        cardinalities=(),
        target_kind="real",
        target_names=("y",),
        target_mean=(0.0,),
        target_scale=(1.0,),
        out_shape=(1,),
    )
    task = Regression()
    task.setup(spec)
    truth = torch.tensor([[float(i)] for i in range(10)] + [[float("nan")], [0.0]], dtype=torch.float64)
    weight = torch.tensor([1.0] * 11 + [0.0])
    rows = Rows.of({"value": torch.zeros(12, 1, dtype=torch.float64)}, truth, weight, None)
    assert len(rows.truth) == 10
    found = Covered(at(3.0, 5.0), 0.9, 99, task).measure(rows)
    assert [line["coverage"] for line in found] == [0.4, 0.6]
    assert [line["size"] for line in found] == [6.0, 10.0]
    assert [line["by_chance"]["mean"] for line in found] == [0.8, 0.9]
    assert "by_chance" not in Covered(at(3.0, 5.0), 0.9, None, task).measure(rows)[0], "rows that are not one draw"
    figure = Covered(at(3.0, 5.0), 0.9, 99, task).draw(rows, "test")
    assert figure.get_suptitle() == "Intervals of 10 test rows"
