"""Three lines for each student."""

from __future__ import annotations

import gzip

import pytest

from colonnade.core.errors import DataError
from colonnade.data.sources.delimited import Delimited
from colonnade.data.sources.files import read_file
from colonnade.data.sources.tracing import is_tracing, read_tracing

TEXT = "3\n5,7,5\n0,1,1\n1\n9\n1\n2,\n5,5,\n0,0,\n"


@pytest.mark.parametrize("name", ["a.csv", "a.txt", "a.csv.gz"])
def test_a_row_for_each_answer(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(gzip.compress(TEXT.encode()) if name.endswith("gz") else TEXT.encode())
    frame, first_line = read_file(path, Delimited())
    assert frame.to_dict(as_series=False) == {
        "student": [0, 0, 0, 1, 2, 2],
        "skill": [5, 7, 5, 9, 5, 5],
        "correct": [0, 1, 1, 1, 0, 0],
    }
    assert first_line is None


@pytest.mark.parametrize("text", ["a,b\n1,2\n3,4\n", "1\n5\n0\n", "2\n5,7\n0,x\n", "2\n5,7\n0\n", "2\n", ""])
def test_other_files_are_none_of_these(tmp_path, text):
    (tmp_path / "a.csv").write_text(text)
    assert not is_tracing(tmp_path / "a.csv")


def test_every_faulty_student_is_named(tmp_path):
    (tmp_path / "a.csv").write_text("2\n5,7\n0,1\n3\n5,7\n0,1,1\n2\n5,b\n0,1\n")
    with pytest.raises(DataError) as error:
        read_tracing(tmp_path / "a.csv")
    assert "lines 4 to 6: 3 answers are told, and 2 and 3 listed" in str(error.value)
    assert "lines 7 to 9: a number, and two lists of integers, are expected" in str(error.value)
    (tmp_path / "a.csv").write_text("2\n5,7\n0,1\n3\n5,7,9\n")
    with pytest.raises(DataError, match="5 lines, three for each student: the last one is cut off"):
        read_tracing(tmp_path / "a.csv")
