"""The `.ts` format: what is read, and what is said of faulty lines."""

from __future__ import annotations

import gzip

import pytest

from colonnade.core.errors import DataError
from colonnade.data.sources.delimited import Delimited
from colonnade.data.sources.files import read_file

HEAD = "#a comment\n@problemName X\n@timeStamps false\n@univariate false\n@classLabel true a b\n@data\n"


def read(tmp_path, text, name="x.ts"):
    path = tmp_path / name
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return read_file(path, Delimited())[0]


@pytest.mark.parametrize("name", ["x.ts", "x_TRAIN.ts.gz"])
def test_a_row_for_each_step(tmp_path, name):
    frame = read(tmp_path, HEAD + "1,2,?:4,5e1,6:a\n7:NaN:b\n\n", name)
    assert frame.to_dict(as_series=False) == {
        "series": [0, 0, 0, 1],
        "dim_0": [1.0, 2.0, None, 7.0],
        "dim_1": [4.0, 50.0, 6.0, None],
        "class": ["a", "a", "a", "b"],
    }


def test_targets_that_are_numbers_and_none_at_all(tmp_path):
    frame = read(tmp_path, "@targetLabel true\n@DATA\n1,2:0.5\n3:-1\n")
    assert frame["target"].to_list() == [0.5, 0.5, -1.0]
    assert read(tmp_path, "@classLabel false\n@data\n1,2\n3\n").columns == ["series", "dim_0"]


def test_all_faulty_lines_are_told(tmp_path):
    text = HEAD + "1,2:3,4:a\n1,2:3:a\n1,x:3,4:b\n1,2:3,4:c\n1,2:a\n:3:a\n"
    with pytest.raises(DataError) as caught:
        read(tmp_path, text)
    for said in (
        "line 8: channels of 1 and 2 values in one series",
        "line 9: could not convert string to float: 'x'",
        "line 10: the class 'c' is not in @classLabel: a, b",
        "line 11: 1 channels, and 2 before",
        "line 12: a series without values: a sequence has at least one step",
    ):
        assert said in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("1,2,3\n", "there is no line @data"),
        (
            "@timeStamps true\n@data\n(0,1):a\n",
            "@timeStamps true is not read: write the table with a row for each step",
        ),
        ("@data\n", "0 series behind @data"),
        ("@targetLabel true\n@data\n1,2:x\n", "1 targets are no numbers"),
    ],
)
def test_files_that_cannot_be_read(tmp_path, text, said):
    with pytest.raises(DataError, match=said):
        read(tmp_path, text)


def test_a_damaged_archive(tmp_path):
    (tmp_path / "x.ts.gz").write_bytes(b"no gzip")
    with pytest.raises(DataError, match=r"x.ts.gz: damaged or not what its name says"):
        read_file(tmp_path / "x.ts.gz", Delimited())
