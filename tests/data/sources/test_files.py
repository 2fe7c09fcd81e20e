"""Files of every kind give the same rows, and broken ones say so."""

from __future__ import annotations

import gzip
from pathlib import Path

import polars as pl
import pytest

from colonnade.core.errors import DataError
from colonnade.data.sources.delimited import Delimited
from colonnade.data.sources.files import read_file

FRAME = pl.DataFrame({"a": [1, None, 3], "b": ["x", "y", None], "c": [0.5, 1.5, None]})


def refusal(path: Path | str, **options) -> str:
    with pytest.raises(DataError) as error:
        read_file(path, Delimited(**options))
    return str(error.value)


def test_all_kinds_agree(tmp_path):
    FRAME.write_csv(tmp_path / "x.csv")
    (tmp_path / "x.tsv.gz").write_bytes(gzip.compress(FRAME.write_csv(separator="\t").encode()))
    FRAME.write_parquet(tmp_path / "x.parquet")
    FRAME.write_ipc(tmp_path / "x.feather", compression="zstd")
    FRAME.write_ipc_stream(tmp_path / "x.arrow")
    FRAME.write_ndjson(tmp_path / "x.jsonl")
    (tmp_path / "x.jsonl.gz").write_bytes(gzip.compress(FRAME.write_ndjson().encode()))
    (tmp_path / "parquet_without_an_ending").write_bytes((tmp_path / "x.parquet").read_bytes())
    paths = sorted(tmp_path.iterdir())
    assert len(paths) == 8
    for path in paths:
        frame, line = read_file(str(path), Delimited())
        assert frame.equals(FRAME), path
        assert line == {"csv": 2, "gz": 2 if "tsv" in path.name else 1, "jsonl": 1}.get(path.name.split(".")[-1])


def test_keys_that_come_late_in_json_lines(tmp_path):
    path = tmp_path / "x.jsonl"
    path.write_text('{"a": 1}\n' * 2000 + '{"a": 2, "b": "x"}\n')
    assert read_file(path, Delimited())[0]["b"].to_list()[-1] == "x"


def test_json_in_lines_or_in_an_array(tmp_path):
    path = tmp_path / "x.json"
    path.write_text('[{"a": 1, "b": "x"},\n {"b": "y"}]')
    frame, line = read_file(path, Delimited())
    assert (frame.rows(), line) == ([(1, "x"), (None, "y")], None)
    path.write_bytes(b'\xef\xbb\xbf\n{"a": 1}\n\n{"a": 2}\n')
    frame, line = read_file(path, Delimited())
    assert frame["a"].to_list() == [1, 2]
    assert line == 2
    assert line.places([0, 1], "a") == [(2, None), (4, None)]
    assert line.gaps == {}


def test_names_for_columns_without(tmp_path):
    path = tmp_path / "x.parquet"
    pl.DataFrame({"0": [1], "1": [2]}).write_parquet(path)
    assert read_file(path, Delimited(header=["u", "v"]))[0].columns == ["u", "v"]
    pl.DataFrame({"v": [1], "u": [2]}).write_parquet(path)
    assert read_file(path, Delimited(header=["u", "v"]))[0].columns == ["v", "u"]


def test_paths(tmp_path):
    (tmp_path / "table.csv").write_text("a,b\n1,2\n")
    assert refusal(tmp_path / "tabel.csv") == (
        f"data.path={tmp_path / 'tabel.csv'}: no such file; did you mean 'table.csv'?"
    )
    assert refusal(tmp_path / "no" / "x.csv").endswith(f"no such file; there is no folder {tmp_path / 'no'}")
    assert refusal(tmp_path) == f"data.path={tmp_path} is a folder: name a file in it"
    assert refusal("s3://bucket/x.csv") == "data.path=s3://bucket/x.csv: only local files are read; download it first"


def test_broken_files(tmp_path):
    for name, content, expected in (
        ("x.parquet", b"PAR1 nothing", "x.parquet: damaged or not what its name says: "),
        ("x.feather", b"ARROW1 nothing", "x.feather: damaged or not what its name says: "),
        ("x.xlsx", b"PK\x03\x04...", "x.xlsx: a spreadsheet or zip archive: save the table as CSV or Parquet (known: "),
        ("x.parquet", b"", "x.parquet: damaged or not what its name says: "),
        ("x.jsonl", b"", "x.jsonl: the file is empty (0 bytes)"),
        (
            "x.jsonl",
            b'{"a": 1}\n\n{"a": }\n',
            "x.jsonl, line 3: not JSON (Expecting value at column 7)",
        ),
        ("x.jsonl", b'{"a": 1}\n[1]\n', 'x.jsonl, line 2: expected an object like {"age": 39}, found [1]'),
        (
            "x.jsonl",
            b'{"a": 1}\n\n{"a": NaN, "b": "NaN"}\n{"a": -1e400}\n',
            "x.jsonl: 2 values are no finite numbers (line 3: NaN, line 4: -1e400): correct them, or write null where "
            "they are missing",
        ),
        ("x.json", b'[{"a": 1},\n{"a": Infinity}]', "x.json: 1 values are no finite numbers (line 2: Infinity): "),
        ("x.json", b'[{"a": 1},\n 7]', 'x.json, item 1: expected an object like {"age": 39}, found 7'),
        (
            "x.json",
            b'[{"a": 1}\n {"a": 2}]',
            "x.json, line 2: not JSON (Expecting ',' delimiter at column 2): an object",
        ),
        (
            "x.json",
            b'{\n"a": [1, 2]}\n',
            "x.json, line 1: not JSON (Expecting property name enclosed in double quotes at column 2): an object on "
            "each line is expected, or an array of objects",
        ),
        ("x.json", b"[]", "x.json: 0 rows (0 columns)"),
        ("x.jsonl", b'{"a": "caf\xe9"}\n', "x.jsonl, byte offset 10 (line 1): byte 0xe9 is not UTF-8: data.encoding="),
    ):
        (tmp_path / name).write_bytes(content)
        assert refusal(tmp_path / name).startswith(f"{tmp_path}/{expected}")
    FRAME.head(0).write_parquet(tmp_path / "x.parquet")
    assert refusal(tmp_path / "x.parquet") == f"{tmp_path}/x.parquet: 0 rows (3 columns)"
