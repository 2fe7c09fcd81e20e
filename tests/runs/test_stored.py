"""Stored predictions come back as what they were made of, for every kind of target."""

import pytest
import torch

from colonnade.core.errors import RunFolderError
from colonnade.core.spec import BatchSpec
from colonnade.runs.predictions import to_frame, truth_columns
from colonnade.runs.stored import prediction_of, read_rows, truth_of

CASES = {
    "classes": ("class", ("y",), ("row_id", "b", "c"), {}, torch.tensor([2, 0])),
    "label": ("multilabel", ("split",), (), {}, torch.tensor([[1], [0]])),
    "labels": ("multilabel", ("fold", "b"), (), {}, torch.tensor([[1, 0], [0, 1]])),
    "value": ("real", ("y",), (), {"value": (2, 1)}, torch.tensor([[1.5], [2.5]]).double()),
    "values": ("real", ("y", "z"), (), {"value": (2, 2)}, torch.tensor([[1.5, 2], [2.5, 3]]).double()),
    "quantiles": ("real", ("y", "z"), (), {"value": (2, 2), "quantile": (2, 2, 3)}, torch.zeros(2, 2).double()),
}


@pytest.mark.parametrize("case", CASES)
def test_round_trip(case):
    kind, names, classes, shapes, truth = CASES[case]
    spec = BatchSpec((), (), (), kind, names, classes=classes)
    shapes = shapes or {"probability": (2, len(classes or names))}
    prediction = {name: torch.rand(shape) for name, shape in shapes.items()}
    label = {"class": torch.zeros(2).long(), "multilabel": torch.zeros(2, len(names)).long()}.get(kind)
    given = prediction if label is None else {**prediction, "label": label}
    frame = to_frame(given, spec, torch.arange(2).numpy()).with_columns(truth_columns(truth, spec))
    found = prediction_of(frame, spec)
    assert found.keys() == prediction.keys()
    for name, value in prediction.items():
        torch.testing.assert_close(found[name], value)
    assert torch.equal(truth_of(frame, spec), truth)


def test_what_is_missing_or_damaged(tmp_path):
    with pytest.raises(RunFolderError, match="has no predictions.parquet"):
        read_rows(tmp_path, "val")
    (tmp_path / "predictions.parquet").write_text("PAR1")
    with pytest.raises(RunFolderError, match="predictions.parquet' is damaged"):
        read_rows(tmp_path, "val")
