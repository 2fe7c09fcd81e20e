"""Bad input to a finished run from end to end: new rows, labelled rows to measure, words that lead nowhere."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from colonnade.runs.load import load_run

from .kit import NETWORK, QUICK, accepted, plain, refused, table


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A finished run on the good table."""
    from colonnade.config.compose import compose
    from colonnade.runs.fit import fit

    folder = tmp_path_factory.mktemp("trained")
    (folder / "t.csv").write_text(table(plain))
    fit(compose([*QUICK, *NETWORK, f"data.path={folder / 't.csv'}", "data.target=y"]), folder / "run")
    return folder / "run"


NEW = {
    "missing columns": (
        "c,y\na,no\n",
        "t.csv: the columns are not those .* trained on: column 'x' \\(numeric\\) is missing",
    ),
    "another name": ("x,cc\n1,a\n", "column 'c' \\(categorical\\) is missing; did you mean 'cc'"),
    "the whole difference": ("cc,x\na,hello\n", r"(?s)\(3\):.*'c'.*is missing.*'x' has 1 .*ignored: cc"),
    "another type": (
        "x,c\nhello,a\n0.5,a\n",
        r"trained on: column 'x' has 1 values that are no number \(line 2: 'hello'\): correct them; the model learned",
    ),
    "infinite": ("x,c\ninf,a\n", r"column 'x' has 1 infinite values \(line 2: inf\): correct them\n"),
    "ragged": ("x,c\n1,a\n2\n3,a\n", "expected 2 fields in every row, .*line 3 has 1"),
    "empty": ("", "the file is empty"),
}


@pytest.mark.parametrize("fault", NEW)
def test_new_rows_that_do_not_fit_the_model_are_refused(run, trained, fault):
    content, text = NEW[fault]
    told = run("predict", f"run={trained}", f"data.path={run.file(content)}", "out=o.csv")
    refused(told, text)
    assert not (run.folder / "o.csv").exists()


def test_order_and_extra_columns_do_not_matter_and_unseen_categories_are_counted(run, trained):
    words = (f"run={trained}", f"data.path={run.file('z,c,x' + chr(10) + '1,never,0.5' + chr(10))}", "out=o.csv")
    told = run("predict", *words)
    accepted(told, ["columns that the model does not know are ignored: z"])
    accepted(told, ["column 'c': 1 of 1 rows hold a category unseen in training; they use its unknown slot"])
    assert pl.read_csv(run.folder / "o.csv").height == 1


LABELLED = {
    "no target": ("x,c\n0.5,a\n", "column 'y' \\(categorical\\) is missing"),
    "target missing": (
        "x,c,y\n0.5,a,\n0.4,a,no\n",
        r"'y' is missing .* in 1 of 2 rows \(from 0: 0\); .*leave those rows out\n",
    ),
    "unknown class": (
        "x,c,y\n0.5,a,maybe\n0.4,a,no\n",
        r"rows of .*t\.csv hold classes that the train rows lack: 'maybe' \(1 rows\); leave .*known: no, yes",
    ),
}


@pytest.mark.parametrize("fault", LABELLED)
def test_rows_that_cannot_be_measured_are_refused(run, trained, fault):
    content, text = LABELLED[fault]
    refused(run("evaluate", f"run={trained}", f"data.path={run.file(content)}"), text)


def test_a_measure_of_one_class_is_undefined_not_zero(run, trained):
    told = run("evaluate", f"run={trained}", f"data.path={run.file('x,c,y' + chr(10) + '0.5,a,no' + chr(10))}")
    accepted(told)
    assert "auroc              nan" in told.out
    assert "accuracy           0\n" in told.out or "accuracy           1\n" in told.out


def test_a_prediction_that_is_nan_names_its_rows(run, trained, monkeypatch):
    loaded = load_run(trained)
    for parameter in loaded.predictor.network.parameters():
        parameter.data.fill_(np.nan)
    monkeypatch.setattr("colonnade.runs.predict.load", lambda run: loaded)
    told = run("predict", f"run={trained}", f"data.path={run.file('x,c' + chr(10) + '0.5,a' + chr(10))}", "out=o.csv")
    refused(told, r"prediction 'probability' is NaN or infinite in 1 of 1 rows \(positions 0\)")
    assert not (run.folder / "o.csv").exists()


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["run=no-run"], "run='no-run' holds no finished run"),
        (["data.path=nope.csv"], r"data.path=nope.csv: no such file"),
        (["data.path=https://x.y/z.csv"], "only local files are read; download it first"),
        (["out=o.xlsx"], "unknown ending '.xlsx'; use .csv, .parquet, .jsonl or .arrow"),
    ],
)
def test_words_that_lead_nowhere(run, trained, words, text):
    given = {"run": str(trained), "data.path": str(run.file("x,c\n0.5,a\n")), "out": "o.csv"}
    given |= dict(word.split("=", 1) for word in words)
    told = run("predict", *(f"{key}={value}" for key, value in given.items()))
    refused(told, text, status=told.status)
    assert told.status in (1, 2)
