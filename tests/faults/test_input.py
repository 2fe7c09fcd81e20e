"""Bad input to training from end to end, in the order of the list of faults: what a user types and is told."""

from __future__ import annotations

import json
import sys

import pytest

from colonnade.core.errors import TrainingError

from .kit import accepted, label, noise, plain, refused, table

GOOD = table(plain)
FILE = r"t\.csv"


def swapped(old: str, new: str, count: int = 1) -> str:
    """The good table with a piece of it replaced."""
    assert old in GOOD
    return GOOD.replace(old, new, count)


FIRST = GOOD.splitlines()[1]
BROKEN = {
    "empty file": (b"", f"{FILE}: the file is empty \\(0 bytes\\)"),
    "header only": ("x,c,y\n", f"{FILE}: 0 rows: the file has a header \\(3 columns\\) and nothing below it"),
    "duplicate column names": (
        "x,x,y\n1,2,no\n",
        f"{FILE}, line 1: duplicate column names 'x' \\(columns 1, 2\\): give each column its own name",
    ),
    "short row": ("x,c,y\n1,a,no\n2,b\n3,a,yes\n", f"{FILE}: expected 3 fields in every row, .*but line 3 has 2"),
    "long row": ("x,c,y\n1,a,no\n2,b,no,z\n3,a,yes\n", f"{FILE}: expected 3 fields in every row, .*but line 3 has 4"),
    "wrong encoding": (
        swapped(",a,", ",\u00e9,").encode("latin-1"),
        f"{FILE}, byte offset \\d+ \\(line \\d+\\): byte 0xe9 is not UTF-8: data.encoding=cp1252",
    ),
    "UTF-16 without a mark": (GOOD.encode("utf-16-le"), r"byte offset 1: NUL byte.*data.encoding=utf-16-le"),
    "decimal comma": (
        GOOD.replace(",", ";").replace(".", ","),
        f"{FILE}: column 'x' holds numbers with a decimal comma \\(such as '0,\\d+', from line 2 on\\): "
        "data.decimal=comma",
    ),
    "NUL byte": (swapped(",a,", ",a\0,"), f"{FILE}, byte offset \\d+: NUL byte in a text file"),
    "open quote": (swapped(",a,", ',"a,'), f"{FILE}, line \\d+: a quote .* is opened and not closed.*data.quote=null"),
    "infinite": (swapped(FIRST[:5], "inf"), r"t\.csv: .*column 'x' has 1 infinite values \(line 2: inf\).*=clip"),
    "too large": (
        swapped(FIRST[:5], "1e400"),
        r"column 'x' has 1 infinite values \(line 2: 1e400\).*data.infinite=missing",
    ),
    "mixed types": (
        swapped(FIRST[:5], "oops"),
        r"t\.csv: .*column 'x' has 1 values that are no number \(line 2: 'oops'\): correct them, or "
        "data.columns.x=categorical",
    ),
    "target missing": (
        swapped(FIRST, FIRST[:8]),
        r"'y' is missing or infinite in 1 of 120 rows \(from 0: 0\); .*data.drop_missing_target=true",
    ),
    "target infinite": (
        table(lambda i: f"{noise(i)},a,{'inf' if i == 4 else noise(5 * i)}"),
        r"column 'y' has 1 infinite values \(line 6: inf\).*data.infinite=missing data.drop_missing_target=true",
    ),
    "single class": (table(lambda i: f"{noise(i)},a,no"), "target 'y' has the single value 'no' in all 120 rows"),
    "class of one row": (
        GOOD + "0.5,a,maybe\n",
        "1 classes of 'y' have a single row and cannot be in every part: 'maybe'; split.rare=train",
    ),
    "no class at all": (
        table(lambda i: f"{noise(i)},a,k{i}"),
        "target 'y' is categorical, 120 distinct values in 120 rows: too many for classes; another data.target",
    ),
    "leakage": (
        table(lambda i: f"{noise(3 * i)},{label(i).upper()},{label(i)}"),
        r"column 'c' alone foretells the target 'y': .*data.exclude.c=leak leaves it out, data.waive=\[c\]",
    ),
    "no features": (
        table(lambda i: f"{i},{label(i)}", head="key,y"),
        "no column is left as a feature: 'key': id; declare what a column is, such as data.columns",
    ),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_a_broken_table_is_refused(run, fault):
    content, text = BROKEN[fault]
    told = run.train(content)
    refused(told, text)
    assert json.loads((told.run / "result.json").read_text())["status"] == "failed"


ORDERED = table(lambda i: f"{noise(3 * i)},2024-{1 + i // 28:02d}-{1 + i % 28:02d},{label(i)}")
WRONG = {
    "all rows filtered": (GOOD, ["data.filter='x > 7'"], r"no rows are left: 120 rows read, 0 after data.filter"),
    "wrong delimiter": (
        GOOD.replace(",", ";"),
        ["data.delimiter=comma"],
        "line 1: one column when split at the comma, but it holds semicolons: data.delimiter=semicolon",
    ),
    "tab read as comma": (GOOD.replace(",", "\t"), ["data.delimiter=comma"], "data.delimiter=tab"),
    "levels lack a value": (GOOD, ["data.levels.c=[a,z]"], r"data.levels.c lacks 1 values of the column: 'b'"),
    "no such target": (GOOD, ["data.target=yy"], "data.target=yy is no column; did you mean 'y'?"),
    "roles that are no columns": (
        GOOD,
        ["data.weight=w", "data.columns.xx=numeric"],
        r"(?s)\(2\):.*data.weight=w is no column.*data.columns.xx is no column; did you mean 'x'",
    ),
    "waived column that is none": (
        GOOD,
        ["data.waive=[cc]"],
        "data.waive names 'cc', which is no column; did you mean",
    ),
    "text for a regression": (GOOD, ["task=regression"], "'y' is categorical, but a regression task needs numbers"),
    "more folds than rows": (GOOD, ["split=kfold", "split.folds=200"], r"120 rows cannot fill 200 parts.*split.folds="),
    "more folds than groups": (
        table(lambda i: f"{noise(3 * i)},g{i % 3},{label(i)}"),
        ["split=kfold", "split.folds=5", "data.group=c"],
        r"3 groups of 'c' cannot fill 5 parts: fewer folds, or more groups of 'c' \(cv.folds= or split.folds=",
    ),
    "class in test that train lacks": (
        table(lambda i: f"{noise(3 * i)},{'train' if i < 60 else 'test'},{label(i) if i != 70 else 'maybe'}"),
        ["split=predefined", "split.column=c", "data.exclude.c=split"],
        "test holds classes of 'y' that train lacks: 'maybe' \\(1 rows\\)",
    ),
    "split without test rows": (
        table(lambda i: f"{noise(3 * i)},{'train' if i < 60 else 'val'},{label(i)}"),
        ["split=predefined", "split.column=c", "data.exclude.c=split"],
        r"leaves test empty: train 60, val 60, test 0 of 120 rows; change the shares",
    ),
    "times all tied": (
        table(lambda i: f"{noise(3 * i)},2024-01-01,{label(i)}"),
        ["data.time=c"],
        "1 different times of 'c' cannot fill 3 parts",
    ),
    "time missing": (
        ORDERED.replace("2024-01-06", ""),
        ["data.time=c"],
        r"time column 'c' is missing in 1 rows \(first rows 5\)",
    ),
    "time that is none": (GOOD, ["data.time=c"], "data.time=c is categorical, not a time: data.columns.c=datetime"),
    "mixed offsets": (
        table(lambda i: f"{noise(3 * i)},2024-05-{1 + i % 28:02d}T10:00:00+0{i % 2}:00,{label(i)}"),
        ["data.time=c"],
        r"column 'c': UTC offsets are mixed \(\+00:00, \+01:00\): say the zone, for example data.timezone=UTC",
    ),
    "hour that a clock change skips": (
        table(lambda i: f"{noise(3 * i)},2024-03-31T02:{i % 60:02d}:00,{label(i)}"),
        ["data.timezone=Europe/Berlin"],
        r"column 'c': 120 local times do not exist once in Europe/Berlin.*\(row 0 2024-03-31 02:00:00",
    ),
    "negative weight": (
        table(lambda i: f"{noise(3 * i)},{-1 if i == 4 else 1},{label(i)}"),
        ["data.weight=c"],
        r"weight column 'c' \(data.weight\): negative in 1 of 120 rows \(from 0: 4\); weights are finite and >= 0",
    ),
    "missing weight": (
        table(lambda i: f"{noise(3 * i)},{'' if i == 4 else 1},{label(i)}"),
        ["data.weight=c"],
        r"weight column 'c' \(data.weight\): missing or infinite in 1 of 120 rows \(from 0: 4\)",
    ),
    "weight that is text": (GOOD, ["data.weight=c"], "column 'c' has 120 values .*name another column as data.weight"),
    "label -100": (
        table(lambda i: f"{noise(3 * i)},a,{-100 if i == 3 else i % 3}"),
        ["task=multiclass"],
        r"'y' is -100 in 1 of 120 rows \(from 0: 3\); torch takes that for 'ignore'",
    ),
    "label out of range": (
        table(lambda i: f"{noise(3 * i)},{i % 2},{2 if i == 3 else i * i % 7 % 2}", head="x,a,b"),
        ["data.target=[a,b]", "task=multilabel"],
        r"label 'b' must be 0 or 1, but is \[2",
    ),
}


@pytest.mark.parametrize("fault", WRONG)
def test_what_does_not_fit_the_table_is_refused(run, fault):
    content, words, text = WRONG[fault]
    refused(run.train(content, *words), text)


CONFIGURATIONS = {
    "typos and types": (
        ["model=tabnett", "data.pth=x", "loader.batch_size=abc"],
        [
            "model=tabnett: there is no such model; did you mean 'tabnet'",
            "data.pth: data has no 'pth'; did you mean 'path'",
            "loader.batch_size: expected an integer, got text 'abc'",
        ],
    ),
    "ranges": (
        ["optim.lr=-5", "loader.batch_size=0", "split.test=2"],
        ["lr must be above 0, not -5", "batch_size=0 must be at least 1", "split.test=2 must be between 0 and 1"],
    ),
    "nothing to read": ([], ["data.path: nothing to read", "data.target: which column is to be predicted"]),
    "monitor that is not measured": (["task=binary", "task.monitor=val/aurocc"], ["'val/aurocc' cannot be monitored"]),
    "checkpoint by address": (["trainer.ckpt_path=http://x/y.ckpt"], ["trainer has no 'ckpt_path'"]),
}


@pytest.mark.parametrize("fault", CONFIGURATIONS)
def test_faults_of_the_configuration_are_told_all_at_once_before_data_is_read(run, fault):
    words, texts = CONFIGURATIONS[fault]
    given = ["data.path=there-is-no-such.csv", "data.target=y"] if words else []
    told = run("train", *given, *words)
    refused(told, *texts, status=2)
    assert "no such file" not in told.text
    assert not (told.run / "result.json").exists()


def test_a_logger_whose_package_is_absent_names_the_extra_before_data_is_read(run, monkeypatch):
    monkeypatch.setattr("colonnade.config.rehearse.find_spec", lambda name: None)
    for logger in ("wandb", "mlflow"):
        told = run("train", "data.path=there-is-no-such.csv", "data.target=y", f"logger={logger}")
        refused(told, rf"logger.{logger}: {logger} is not installed: pip install 'colonnade\[{logger}\]'", status=2)


def test_an_optional_source_names_its_extra(run, monkeypatch):
    monkeypatch.setitem(sys.modules, "sqlalchemy", None)
    told = run("train", "data.sql.uri=mysql://here/x", "data.sql.query=SELECT 1", "data.target=y")
    refused(told, r"sqlalchemy is not installed: pip install 'colonnade\[sql\]'")


KEPT = {
    "byte order mark": (GOOD.encode("utf-8-sig"), [], {"x": "numeric", "c": "categorical"}, []),
    "UTF-16": (GOOD.encode("utf-16"), [], {"x": "numeric", "c": "categorical"}, []),
    "semicolons and decimal comma": (
        GOOD.replace(",", ";").replace(".", ","),
        ["data.decimal=comma"],
        {"x": "numeric"},
        [],
    ),
    "NA as a category": (GOOD.replace(",b,", ",NA,"), ["data.levels.c=[a,NA]"], {"c": "ordinal"}, []),
    "codes with leading zeros": (
        table(lambda i: f"{noise(3 * i)},{i * i % 7:03d},{label(i)}"),
        [],
        {"c": "categorical"},
        [],
    ),
    "integers beyond 2^53 with missing ones": (
        table(lambda i: f"{noise(3 * i)},{'' if i == 3 else 9007199254740993 + i * i % 50},{label(i)}"),
        [],
        {"c": "integer"},
        [],
    ),
    "infinite, declared": (swapped(FIRST[:5], "inf"), ["data.infinite=clip"], {"x": "numeric"}, []),
    "mixed, declared": (swapped(FIRST[:5], "oops"), ["data.columns.x=categorical"], {"x": "categorical"}, []),
    "constant and all-missing columns": (
        table(lambda i: f"{noise(3 * i)},,7,{label(i)}", head="x,m,k,y"),
        [],
        {"x": "numeric"},
        ["column 'k' dropped: constant \\(7\\) in the train rows", "column 'm' dropped: no value in the train rows"],
    ),
    "target missing, opted": (
        swapped(FIRST, FIRST[:8]),
        ["data.drop_missing_target=true"],
        {},
        ["1 rows without a target were left out"],
    ),
    "class of one row, opted": (GOOD + "0.5,a,maybe\n", ["split.rare=train"], {}, []),
    "id column": (
        table(lambda i: f"{noise(3 * i)},{1000 + i},{label(i)}", head="x,customer_id,y"),
        [],
        {"customer_id": "id"},
        ["customer_id: a different integer in every row: taken for a key, left out; keep it with"],
    ),
    "leak, waived": (
        table(lambda i: f"{noise(3 * i)},{label(i).upper()},{label(i)}"),
        ["data.waive=[c]"],
        {},
        [r"column 'c' alone foretells .*\(waived\)"],
    ),
    "rows shared by the splits": (
        table(lambda i: f"{i % 7},a,{label(i)}"),
        [],
        {},
        [r"\d+ rows \(100.0%\) of test have the same features as a row of train"],
    ),
    "time out of order": (ORDERED, ["data.time=c"], {"c": "datetime"}, []),
}


def _enough(cfg, run_dir):
    """Takes the place of training, which comes after all that is looked at here."""
    raise TrainingError("the data are ready")


@pytest.mark.parametrize("case", KEPT)
def test_what_is_unusual_is_kept_and_noted(run, case, monkeypatch):
    content, words, kinds, notes = KEPT[case]
    monkeypatch.setattr("colonnade.runs.network.build_trainer", _enough)
    told = run.train(content, *words)
    refused(told, "TrainingError: the data are ready", *notes)
    columns = json.loads((told.run / "schema.json").read_text())["columns"]
    assert {name: columns[name]["kind"] for name in kinds} == kinds
    recorded = "\n".join(json.loads((told.run / "environment.json").read_text())["notes"])
    refused(type(told)(0, recorded, "", told.run), *notes, status=0)


def test_rows_that_are_equal_stay_together_on_request(run, monkeypatch):
    monkeypatch.setattr("colonnade.runs.network.build_trainer", _enough)
    told = run.train(table(lambda i: f"{i * i % 60},a,{label(i)}"), "split.group_duplicates=true")
    refused(told, "the data are ready")
    assert "have the same features" not in told.text


@pytest.mark.parametrize(
    ("content", "words", "text"),
    [
        ("", [], "the file is empty"),
        ("x,c\n1,a\n2\n3,a\n", [], "line 3 has 1"),
        (GOOD, ["data.target=yy"], "data.target=yy is no column; did you mean 'y'"),
    ],
)
def test_inspect_refuses_as_train_does(run, content, words, text):
    refused(run("inspect", f"data.path={run.file(content)}", *words), text)
    assert not (run.folder / "conf").exists()


def test_faults_of_the_data_node_are_told_before_data_is_read(run):
    words = ["data.columns={x: numerc}", "data.timezone=Europe/Berln", "data.encoding=utf-9", "data.filter='x >'"]
    texts = (
        "columns.x=numerc is no kind; did you mean 'numeric'",
        "timezone=Europe/Berln is no IANA zone; did you mean 'Europe/Berlin'",
        "encoding=utf-9 is no known encoding; did you mean 'utf-8'",
        "filter=x >: not a SQL expression",
    )
    told = run("train", "data.path=there-is-no-such.csv", "data.target=y", *words)
    refused(told, *texts, status=2)
    assert "no such file" not in told.text
    words = ["data.target=[y,y]", "data.parts={train: [0, 110], test: [100, 120]}"]
    told = run("train", "data.path=there-is-no-such.csv", *words)
    refused(told, r"target names 'y' twice; parts.train=\[0, 110\] and parts.test=\[100, 120\] share rows", status=2)


def test_inspect_tells_which_categories_were_taken_for_missing(run):
    content = table(lambda i: f"{noise(3 * i)},{['DE', 'NA', 'FR', 'None'][i % 4]},{label(i)}")
    told = run("inspect", f"data.path={run.file(content)}", "data.target=y", "out=-")
    accepted(told)
    assert "'NA', 'None' read as missing (50.0% of rows); data.missing=[]" in " ".join(told.out.split())


def test_a_file_parted_by_blanks_is_told_so(run):
    refused(run.train(GOOD.replace(",", " ")), f"{FILE}, line 1: .* as many blanks .*: data.delimiter=space")


def test_a_label_that_was_read_as_missing_is_told_with_the_key(run):
    told = run.train(table(lambda i: f"{noise(3 * i)},{'ab'[i % 2]},{('NA', 'B', 'C')[i * i % 7 % 3]}"))
    refused(told, r"'y' is missing or infinite in \d+ of 120 rows .*'NA' read as missing .*data.missing=\[\]")
