import numpy as np
import polars as pl
import pytest
import torch

from colonnade.core.errors import ConfigError
from colonnade.core.schema import TargetKind
from colonnade.core.spec import BatchSpec
from colonnade.runs.predict import predict
from colonnade.runs.predictions import to_frame, write_frame


def spec(kind, targets, classes=()):
    return BatchSpec(("x",), (), (), kind, targets, classes=classes)


def test_classes_give_a_label_and_a_probability_each():
    prediction = {"label": torch.tensor([1, 0]), "probability": torch.tensor([[0.2, 0.8], [0.9, 0.1]])}
    frame = to_frame(prediction, spec(TargetKind.CLASS, ("income",), ("<=50K", ">50K")), np.array([7, 9]))
    assert frame.columns == ["row_id", "prediction", "probability/<=50K", "probability/>50K"]
    assert frame["prediction"].to_list() == [">50K", "<=50K"]
    assert frame["row_id"].to_list() == [7, 9]
    assert frame["probability/>50K"].to_list() == pytest.approx([0.8, 0.1])


def test_several_labels_give_two_columns_each():
    prediction = {"label": torch.tensor([[1, 0]]), "probability": torch.tensor([[0.7, 0.3]])}
    frame = to_frame(prediction, spec(TargetKind.MULTILABEL, ("calm", "sad")), np.array([0]))
    assert frame.columns == ["row_id", "calm", "probability/calm", "sad", "probability/sad"]


def test_a_label_takes_the_name_of_no_other_column():
    labels = ("row_id", "split", "probability/row_id")
    prediction = {"label": torch.tensor([[1, 0, 1]]), "probability": torch.tensor([[0.75, 0.25, 0.5]])}
    frame = to_frame(prediction, spec(TargetKind.MULTILABEL, labels), np.array([7]))
    assert frame.to_dicts() == [
        {
            "row_id": 7,
            "prediction/row_id": 1,
            "probability/row_id": 0.75,
            "prediction/split": 0,
            "probability/split": 0.25,
            "prediction/probability/row_id": 1,
            "probability/probability/row_id": 0.5,
        }
    ]


def test_quantiles_stand_beside_the_value():
    prediction = {"value": torch.tensor([[2.0]]), "quantile": torch.tensor([[[1.0, 2.0, 3.0]]])}
    frame = to_frame(prediction, spec(TargetKind.REAL, ("price",)), np.array([0]))
    assert frame.row(0) == (0, 2.0, 1.0, 2.0, 3.0)
    assert frame.columns == ["row_id", "prediction", "quantile/0", "quantile/1", "quantile/2"]


def test_several_targets_are_named():
    frame = to_frame({"value": torch.tensor([[2.0, 3.0]])}, spec(TargetKind.REAL, ("Y1", "Y2")), np.array([0]))
    assert frame.columns == ["row_id", "prediction/Y1", "prediction/Y2"]


@pytest.mark.parametrize("ending", ["csv", "parquet", "jsonl", "arrow"])
def test_a_table_is_written_by_its_ending(tmp_path, ending):
    frame = pl.DataFrame({"row_id": [0, 1], "prediction": ["yes", "no"]})
    out = tmp_path / "deep" / f"out.{ending}"
    write_frame(frame, out)
    readers = {"csv": pl.read_csv, "parquet": pl.read_parquet, "jsonl": pl.read_ndjson, "arrow": pl.read_ipc}
    assert readers[ending](out).equals(frame)


def test_csv_cells_cannot_be_formulas(tmp_path):
    frame = pl.DataFrame({"prediction": ["=1+1", "@x", "fine", "-"], "p": [-0.5, 1.0, 2.0, 3.0]})
    write_frame(frame, tmp_path / "o.csv")
    assert (tmp_path / "o.csv").read_text().splitlines()[1:] == ["'=1+1,-0.5", "'@x,1.0", "fine,2.0", "'-,3.0"]


def test_csv_keeps_numbers_and_guards_headers_tabs_and_returns(tmp_path):
    frame = pl.DataFrame({"=cmd": ["-1", "+1.5e-3", "-.5", "-1-1"], "-2": ["\t=1", "\r=1", "\n=1", None]})
    write_frame(frame, tmp_path / "o.csv")
    again = pl.read_csv(tmp_path / "o.csv", infer_schema=False)
    assert again.to_dict(as_series=False) == {
        "'=cmd": ["-1", "+1.5e-3", "-.5", "'-1-1"],
        "-2": ["'\t=1", "'\r=1", "'\n=1", None],
    }


def test_a_place_that_cannot_be_written_is_told_before_anything_is_read(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    (tmp_path / "folder.csv").mkdir()
    for out, text in (
        (tmp_path / "file" / "o.csv", f"'{tmp_path / 'file'}' is no folder"),
        (tmp_path / "folder.csv", "is a folder: name a file in it"),
        (tmp_path / "o.xls", "unknown ending '.xls'"),
    ):
        with pytest.raises(ConfigError) as refused:
            predict(tmp_path / "no run", tmp_path / "no data.csv", out)
        assert str(refused.value).startswith(f"out='{out}'")
        assert text in str(refused.value)
    # Root may write everywhere.
    monkeypatch.setattr("os.access", lambda path, mode: False)
    with pytest.raises(ConfigError, match=f"o.csv': '{tmp_path}' cannot be written; choose another place"):
        predict(tmp_path / "no run", tmp_path / "no data.csv", tmp_path / "a" / "b" / "o.csv")
    assert not (tmp_path / "a").exists()


def test_a_write_that_fails_is_told(tmp_path, monkeypatch):
    def full(frame, out):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pl.DataFrame, "write_csv", full)
    with pytest.raises(ConfigError, match=r"out='.*o.csv' cannot be written: \[Errno 28\] No space left on device"):
        write_frame(pl.DataFrame({"a": [1]}), tmp_path / "o.csv")


def test_an_unknown_ending_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"unknown ending '.xls'; use .csv, .parquet, .jsonl or .arrow"):
        write_frame(pl.DataFrame({"a": [1]}), tmp_path / "o.xls")
