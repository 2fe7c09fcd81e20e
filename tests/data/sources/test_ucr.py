"""The ``.tsv`` files of the UCR archive."""

from __future__ import annotations

import gzip

import pytest

from colonnade.core.errors import DataError
from colonnade.data.sources.delimited import Delimited
from colonnade.data.sources.files import read_file
from colonnade.data.sources.ucr import is_ucr, read_ucr

TEXT = "1\t0.5\t-1e-1\t2\n-1\t3\tNaN\t4\n2.0000000e+00\t5\tNaN\tNaN\n"


@pytest.mark.parametrize("name", ["a_TRAIN.tsv", "a_TRAIN.tsv.gz"])
def test_a_row_for_each_step(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(gzip.compress(TEXT.encode()) if name.endswith("gz") else TEXT.encode())
    frame, first_line = read_file(path, Delimited())
    assert frame.to_dict(as_series=False) == {
        "series": [0, 0, 0, 1, 1, 1, 2],
        "dim_0": [0.5, -0.1, 2.0, 3.0, None, 4.0, 5.0],
        "class": ["1", "1", "1", "-1", "-1", "-1", "2"],
    }
    assert first_line is None


@pytest.mark.parametrize("text", ["a\tb\tc\n1\t2\t3\n", "1\t2\n3\t4\n", "0\t1\t2\n5\t6\t7\n", "1\t2\t3\n", ""])
def test_other_files_are_none_of_these(tmp_path, text):
    (tmp_path / "a.tsv").write_text(text)
    assert not is_ucr(tmp_path / "a.tsv")


def test_names_that_are_given_are_taken(tmp_path):
    (tmp_path / "a.tsv").write_text("1\t5\t6\n2\t7\t8\n")
    frame, _ = read_file(tmp_path / "a.tsv", Delimited(header=["y", "a", "b"]))
    assert frame.columns == ["y", "a", "b"]


def test_every_faulty_line_is_named(tmp_path):
    (tmp_path / "a.tsv").write_text("1\t0.5\t2\n2\tx\t3\n1\tNaN\tNaN\n")
    with pytest.raises(DataError) as error:
        read_ucr(tmp_path / "a.tsv")
    assert "line 2: could not convert string to float: 'x'" in str(error.value)
    assert "line 3: no value behind the class: a sequence has at least one step" in str(error.value)
