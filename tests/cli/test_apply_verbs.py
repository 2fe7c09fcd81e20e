import sys
import types

import polars as pl
import pytest

from colonnade.cli.commands import main


def test_predict(monkeypatch, capsys):
    def predict(run, data_path, out):
        assert (run, data_path, out) == ("r", "d.csv", "p.csv")
        return pl.DataFrame({"row_id": [0, 1]})

    monkeypatch.setitem(sys.modules, "colonnade.runs.predict", types.SimpleNamespace(predict=predict))
    assert main(["predict", "run=r", "data.path=d.csv", "out=p.csv"]) == 0
    assert capsys.readouterr().out == "2 rows: p.csv\n"


def test_evaluate(monkeypatch, capsys):
    def evaluate(run, data_path, out):
        assert (run, data_path, out) == ("r", "d.csv", None)
        return {"accuracy": 0.87654321, "auroc": float("nan")}

    monkeypatch.setitem(sys.modules, "colonnade.runs.evaluate", types.SimpleNamespace(evaluate=evaluate))
    assert main(["evaluate", "run=r", "data.path=d.csv"]) == 0
    assert capsys.readouterr().out == "accuracy  0.876543\nauroc     nan\n"


@pytest.mark.parametrize("verb", ["predict", "evaluate"])
def test_what_is_required_is_named(verb, capsys):
    assert main([verb]) == 2
    text = capsys.readouterr().err
    assert "run=... is required: folder of a finished run" in text
    assert "data.path=... is required: file with the columns of the training data" in text


@pytest.mark.parametrize("verb", ["predict", "evaluate", "check"])
def test_help(verb, capsys):
    assert main([verb, "--help"]) == 0
    assert capsys.readouterr().out.startswith(f"colonnade {verb} ")
