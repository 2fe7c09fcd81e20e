"""Delimited text: what comes out, and the text of every refusal."""

from __future__ import annotations

import csv
import gzip
import io
import re
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from colonnade.core.errors import DataError
from colonnade.data.sources import delimited
from colonnade.data.sources.delimited import Delimited, read_delimited
from colonnade.data.sources.written import Written


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "x.csv"


def read(file: Path, content: bytes, **options) -> dict[str, list]:
    file.write_bytes(content)
    return read_delimited(file, Delimited(**options))[0].to_dict(as_series=False)


def refusal(file: Path, content: bytes, **options) -> str:
    with pytest.raises(DataError) as error:
        read(file, content, **options)
    return str(error.value).replace(str(file), "x.csv")


@pytest.mark.parametrize(
    ("content", "options", "expected"),
    [
        (b"a,b\n1,x\n2.5,\n", {}, {"a": [1.0, 2.5], "b": ["x", None]}),
        (b"a,b\n1,NA\n?,y\n", {}, {"a": [1, None], "b": [None, "y"]}),
        (b"a,b\n1,-\n2,y\n", {"missing": ["-"]}, {"a": [1, 2], "b": [None, "y"]}),
        (b"a;b\n1,5;x\n2;y\n", {"decimal": ","}, {"a": [1.5, 2.0], "b": ["x", "y"]}),
        (b"a;b\n1,5;x\n", {"as_text": frozenset({"a"})}, {"a": ["1,5"], "b": ["x"]}),
        (b"a\tb\n1\tx y\n", {}, {"a": [1], "b": ["x y"]}),
        (b"a b\n1 x\n2 y\n", {"delimiter": " "}, {"a": [1, 2], "b": ["x", "y"]}),
        (b"two words\nx y\nu v\n", {"delimiter": ","}, {"two words": ["x y", "u v"]}),
        (b"some words\nx y\nu\n", {}, {"some words": ["x y", "u"]}),
        (b"a|b\n1|x\n", {}, {"a": [1], "b": ["x"]}),
        (b'a,b\n1,"x, y"\n2,"he said ""no"""\n', {}, {"a": [1, 2], "b": ["x, y", 'he said "no"']}),
        (b'a,b\n1,"two\nlines"\n', {}, {"a": [1], "b": ["two\nlines"]}),
        (b'a, b\n1, "x,  y"\n2, ?\n', {}, {"a": [1, 2], "b": ["x,  y", None]}),
        (b"a,b\r\n1,x\r\n", {}, {"a": [1], "b": ["x"]}),
        (b"a,b\r1,x\r2,y\r", {}, {"a": [1, 2], "b": ["x", "y"]}),
        (b"\xef\xbb\xbfa,b\n1,x\n", {}, {"a": [1], "b": ["x"]}),
        ("a,b\n1,é\n".encode("utf-16"), {}, {"a": [1], "b": ["é"]}),
        ("a,b\n1,é\n".encode("latin-1"), {"encoding": "latin-1"}, {"a": [1], "b": ["é"]}),
        (gzip.compress(b"a,b\n1,x\n", mtime=0), {}, {"a": [1], "b": ["x"]}),
        (b"# by hand\n\na,b\n1,x\n# so far\n2,y\n", {"comment": "#"}, {"a": [1, 2], "b": ["x", "y"]}),
        (b"title\n2024\na,b\n1,x\n", {"skip": 2}, {"a": [1], "b": ["x"]}),
        (b"title\n\na,b\n1,\n\n2,\n", {"skip": 1}, {"a": [1, 2], "b": [None, None]}),
        (b"1,x\n2,y\n", {"header": ["a", "b"]}, {"a": [1, 2], "b": ["x", "y"]}),
        (b"a,b\n2,y\n", {"header": ["a", "b"]}, {"a": [2], "b": ["y"]}),
        (b"b\ny\n", {"header": ["a", "b"]}, {"b": ["y"]}),
        (b'a,b\n1,5" pipe\n', {"quote": None}, {"a": [1], "b": ['5" pipe']}),
        (b",b\n1,x\n", {}, {"column_1": [1], "b": ["x"]}),
        (b"a,b\n1,x\n2,y\n3,z\n", {"rows": 2}, {"a": [1, 2], "b": ["x", "y"]}),
        (b"a,b\n1.10,x\n", {"as_text": frozenset({"a"})}, {"a": ["1.10"], "b": ["x"]}),
        (b"a,b\n1,true\n2,false\n", {}, {"a": [1, 2], "b": [True, False]}),
    ],
)
def test_reads(file, content, options, expected):
    assert read(file, content, **options) == expected


def test_blank_lines_are_no_rows_but_empty_rows_are(file):
    assert read(file, b"a,b\n1,x\n\n,\n2,y\n\n\n") == {"a": [1, None, 2], "b": ["x", None, "y"]}
    assert read(file, b'a,b\n1,"x\n\ny"\n\n2,\n') == {"a": [1, 2], "b": ["x\n\ny", None]}
    assert read(file, b"a\n1\n\n2\n\n") == {"a": [1, 2]}


def test_line_of_the_first_row(file):
    for content, line in ((b"a,b\n1,2\n", 2), (b"# c\n\na,b\n\n1,2\n", 5)):
        file.write_bytes(content)
        assert read_delimited(file, Delimited(comment="#"))[1] == line


def test_na_as_a_category(file):
    content = b"country,n\nNA,NA\nDE,3\n\n"
    assert read(file, content) == {"country": [None, "DE"], "n": [None, 3]}
    kept = read(file, content, literal=frozenset({"country"}), as_text=frozenset({"country"}))
    assert kept == {"country": ["NA", "DE"], "n": [None, 3]}
    assert read(file, content, missing=[]) == {"country": ["NA", "DE"], "n": ["NA", "3"]}


def test_leading_zeros_are_codes_wherever_they_stand(file):
    late = b"zip,n\n" + b"90210,1\n" * 3000 + b"02134,1\n\n"
    frame = read(file, late)
    assert frame["zip"][-1] == "02134"
    assert frame["zip"][0] == "90210"
    assert frame["n"][0] == 1
    assert read(file, b'a,b\n1,"007"\n') == {"a": [1], "b": ["007"]}
    assert read(file, b"a,b\n0,0.5\n10,00:15\n") == {"a": [0, 10], "b": ["0.5", "00:15"]}


def test_large_integers_keep_their_digits(file):
    frame = read(file, b"a,b,c\n9007199254740993,18446744073709551616,1\n,2,1\n")
    assert frame == {"a": [9007199254740993, None], "b": ["18446744073709551616", "2"], "c": [1, 1]}
    assert read(file, b"a,b\n" + b"9" * 45 + b",1\n") == {"a": ["9" * 45], "b": [1]}


def test_a_column_that_changes_after_the_sample(file):
    head = b"a,b,c\n" + b"1,2,3\n" * (delimited._SAMPLE + 1)
    frame = read(file, head + b"1.5,x,?\n")
    assert frame["a"][-1] == 1.5
    assert frame["b"][-1] == "x"
    assert frame["b"][0] == "2"
    assert frame["c"][-1] is None
    many = ",".join(f"c{i}" for i in range(12)).encode()
    frame = read(file, many + b"\n" + (b",".join([b"1"] * 12) + b"\n") * 1100 + b",".join([b"x"] * 12) + b"\n")
    assert frame["c11"][-1] == "x"


def test_infinite_numbers_reach_the_cast(file):
    assert read(file, b"a,b\n1e400,1\n2,1\n")["a"][0] == float("inf")


@pytest.mark.parametrize(
    ("content", "options", "expected"),
    [
        (b"", {}, "x.csv: the file is empty (0 bytes)"),
        (gzip.compress(b"", mtime=0), {}, "x.csv: the file is empty (0 bytes after decompression)"),
        (b"\n\n", {}, "x.csv: no line holds data (data.skip=0, data.comment=None)"),
        (b"a,b\n", {}, "x.csv: 0 rows: the file has a header (2 columns) and nothing below it"),
        (
            b"a,b,a,b\n1,2,3,4\n",
            {},
            "x.csv, line 1: duplicate column names 'a' (columns 1, 3), 'b' (columns 2, 4): give each column its own "
            "name",
        ),
        (
            b"a,b,c\n1,2,3\n1,2\n1,2,3\n4,5\n",
            {},
            "x.csv: expected 3 fields in every row, as in the first line, but line 3 has 2, line 5 has 2: complete "
            "them, "
            "or quote fields that hold the delimiter (comma)",
        ),
        (
            b'a,b,c\n\n"x,\ny",2,3\n1,2,3,4\n',
            {},
            "x.csv: expected 3 fields in every row, as in the first line, but line 5 has 4: complete them, "
            "or quote fields that hold the delimiter (comma)",
        ),
        (
            b"a,b\n1,2\n1,caf\xe9\n",
            {},
            "x.csv, byte offset 13 (line 3): byte 0xe9 is not UTF-8: data.encoding=cp1252 (Windows, western Europe), "
            "latin-1 "
            "or the one it was written in",
        ),
        (
            b"a,caf\xe9\n1,2\n",
            {},
            "x.csv, byte offset 5 (line 1): byte 0xe9 is not UTF-8: data.encoding=cp1252 (Windows, western Europe), "
            "latin-1 "
            "or the one it was written in",
        ),
        (
            b"a,b\n1,\x81\n",
            {"encoding": "cp1252"},
            "x.csv, byte offset 6 (line 2): not cp1252 ('charmap' codec can't decode byte 0x81 in position 6: "
            "character maps "
            "to <undefined>): set data.encoding to the one it was written in",
        ),
        (
            b"a,b\n1,2\n",
            {"encoding": "utf9"},
            "data.encoding=utf9 is no known encoding: utf-8, latin-1, cp1252, utf-16, ...",
        ),
        (
            "a,b\n1,2\n".encode("utf-16-le"),
            {},
            "x.csv, byte offset 1: NUL byte in a text file: is it binary, or UTF-16 without a byte order mark "
            "(data.encoding=utf-16-le)?",
        ),
        (
            b"a,b\n1,x\x00y\n",
            {},
            "x.csv, byte offset 7: NUL byte in a text file: is it binary, or UTF-16 without a byte order mark "
            "(data.encoding=utf-16-le)?",
        ),
        (
            "a,b\n1,2\n".encode("utf-16-be"),
            {},
            "x.csv, byte offset 0: NUL byte in a text file: is it binary, or UTF-16 without a byte order mark "
            "(data.encoding=utf-16-be)?",
        ),
        (
            b"ab,c\n1,2\n3,45\n",
            {"encoding": "utf-16-le"},
            "x.csv, byte offset 0: not utf-16-le: read so, it begins with '\u6261\u632c\u310a\u322c\u330a\u342c' and "
            "has no ASCII character: data.encoding=utf-8",
        ),
        (
            "a,b\n1,2\n".encode("utf-16-le"),
            {"encoding": "utf-16-be"},
            "x.csv, byte offset 0: not utf-16-be: read so, it begins with '\u6100\u2c00\u6200\\u0a00\\u3100\u2c00' and "
            "has no ASCII character: data.encoding=utf-16-le",
        ),
        (
            b"x c y\n1 a no\n2 b yes\n",
            {},
            "x.csv, line 1: one column when split at the comma, but it holds as many blanks as the lines below: "
            "data.delimiter=space, or data.delimiter=comma if it is one column",
        ),
        (
            b"x  c  y\n1  a no\n22 b yes\n",
            {},
            "x.csv, line 1: one column when split at the comma, but it holds 3 words, as the lines below do: write one "
            "delimiter between the columns, or data.delimiter=comma if it is one column",
        ),
        (
            b"a;b\nx;1\n" + b"y;2\n" * 200 + b"z;3,5\n",
            {},
            "x.csv: column 'b' holds numbers with a decimal comma (such as '3,5', from line 203 on): "
            "data.decimal=comma, or data.columns.b=categorical if they are none",
        ),
        (
            b"a;b\n1;2\n",
            {"delimiter": ","},
            "x.csv, line 1: one column when split at the comma, but it holds semicolons: data.delimiter=semicolon",
        ),
        (
            b"a\tb\n1\t2\n",
            {"delimiter": ","},
            "x.csv, line 1: one column when split at the comma, but it holds tabs: data.delimiter=tab",
        ),
        (
            b"a;b\nx;1,5\ny;2\n",
            {},
            "x.csv: column 'b' holds numbers with a decimal comma (such as '1,5', from line 2 on): data.decimal=comma, "
            "or data.columns.b=categorical if they are none",
        ),
        (
            b'a,b\n1,"x\n2,y\n3,z\n',
            {},
            'x.csv, line 2: a quote (") is opened and not closed at the end of its field: close it, double it if it '
            "is part "
            "of the text, or data.quote=null if quotes mean nothing here",
        ),
        (
            b'a,b\n1,x\n2,5" pipe\n3,z\n',
            {},
            'x.csv, line 3: a quote (") is opened and not closed at the end of its field: close it, double it if it '
            "is part "
            "of the text, or data.quote=null if quotes mean nothing here",
        ),
        (
            b"5.1,3.5\n4.9,3.0\n",
            {},
            "x.csv, line 1: expected column names, found the numbers 5.1, 3.5, ...: for a file without a header line, "
            "data.header=[name1,name2,...]",
        ),
        (
            b"1,x,2\n",
            {"header": ["a", "b"]},
            "x.csv, line 1: 3 fields, but data.header names 2: write the names of the columns as the first line of the "
            "file",
        ),
    ],
)
def test_refuses(file, content, options, expected):
    assert refusal(file, content, **options) == expected


def test_damaged_gzip(file):
    assert refusal(file, gzip.compress(b"a,b\n1,2\n" * 99)[:-9]).startswith("x.csv: damaged or truncated gzip file (")


def test_thousands_are_no_decimal_commas(file):
    assert read(file, b"a;b\nx;1,500\ny;2,250\n")["b"] == ["1,500", "2,250"]


def test_dots_between_thousands(file):
    """Text that can be cast, also where polars takes 1.100 for 1.1."""
    comma = {"decimal": ","}
    assert read(file, b"a;b\n1.100,50;1.100\n-2,5;12\n", **comma) == {"a": ["1100.50", "-2.5"], "b": ["1100", "12"]}
    late = b"a;b\n" + b"1,5;7\n" * (delimited._SAMPLE + 1)
    assert read(file, late + b"1.100;8\n", **comma)["a"][-1] == "1100"
    frame = read(file, late + b"oops;1.234.567\n", **comma)
    assert (frame["a"][0], frame["a"][-1], frame["b"][-1]) == ("1.5", "oops", "1234567")
    assert read(file, b"v;d\n1.100;01.02.2024\n", as_text=frozenset({"v"}), **comma)["v"] == ["1.100"]
    assert read(file, b"v;d\n1,5;01.02.2024\n", **comma) == {"v": [1.5], "d": ["01.02.2024"]}
    assert read(file, b'a,b\n1,"3,5"\n', **comma) == {"a": [1], "b": [3.5]}


def written(file: Path, content: bytes, **options) -> Written:
    file.write_bytes(content)
    return read_delimited(file, Delimited(**options))[1]


def test_what_stands_where_text_is_missing(file):
    gaps = written(file, b"n,c,d,t\nNA,NA,,x\n2,,,y\n3,None,z,z\n\n").gaps
    assert {name: values.to_list() for name, values in gaps.items()} == {"c": ["NA", None, "None"], "d": [None, None]}
    late = written(file, b",c\n" + b"1,DE\n" * 3 * delimited._GAPS + b"1,NA\n" + b"1,\n" * 2 * delimited._GAPS)
    assert late.gaps["c"].to_list() == ["NA"] + [None] * (delimited._GAPS - 1)
    assert written(file, b"c,n\n,1\n", missing=[""]).gaps == {}


def test_lines_and_fields_as_written(file):
    content = b'# c\nx, "two\nlines" ,y\n\n1e400,"a\n\nb",0\n# z\n"2.50",b,1\n\n\n3,c,0\n'
    found = written(file, content.replace(b'"two\nlines" ', b"c"), comment="#")
    assert found == 4
    assert found.places([0, 1, 2], "x") == [(4, "1e400"), (8, "2.50"), (11, "3")]
    assert found.places([0], "c") == [(4, "a\n\nb")]
    assert found.places([2], "derived") == [(11, None)]
    packed = written(file, gzip.compress(b"t\n\n1 x;2\n\n3 y;4\n", mtime=0), header=["a", "b"], skip=1)
    assert packed.places([0, 1], "a") == [(3, "1 x"), (5, "3 y")]


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(["", "\n", "# c\n", "\n# d\n\n"]), st.text("ab,\n ", max_size=4)), min_size=1)
)
def test_every_row_is_found_where_it_was_written(tmp_path_factory, rows):
    file = tmp_path_factory.mktemp("csv") / "x.csv"
    content, lines = "k,x\n", []
    for between, cell in rows:
        content += between
        lines.append(content.count("\n") + 1)
        content += f'{len(lines)},"{cell}"\n'
    found = written(file, content.encode(), comment="#")
    places = [(line, str(i)) for i, line in enumerate(lines, 1)]
    assert found.places(range(len(rows)), "k") == places


def test_short_rows_hide_in_no_gap(file):
    """A last column with gaps: delimiters are counted, also where quotes hide some of them."""
    assert read(file, b'a,b,c\n"x,",2,\n1,2,3\n')["c"] == [None, 3]
    assert "line 3 has 2" in refusal(file, b'a,b,c\n"x,",2,\n1,2\n4,5,6\n')


cells = st.text(st.sampled_from('ab 07.,;"\n\té'), max_size=6)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(cells, cells, cells), min_size=1, max_size=8), st.sampled_from([",", ";", "\t"]))
def test_text_survives_writing_and_reading(tmp_path_factory, rows, delimiter):
    """Whatever Python's csv module writes comes back cell for cell."""
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter, lineterminator="\n", quoting=csv.QUOTE_ALL)
    writer.writerow(["k", "x", "y", "z"])
    writer.writerows([("k", *row) for row in rows])
    file = tmp_path_factory.mktemp("csv") / "x.csv"
    file.write_bytes(out.getvalue().encode())
    options = Delimited(delimiter=delimiter, as_text=frozenset({"x", "y", "z"}), missing=[], decimal=".")
    if any(re.fullmatch(r"[\d.]+,\d+", cell) for row in rows for cell in row):
        return  # a decimal comma, refused elsewhere
    frame, _ = read_delimited(file, options)
    assert frame.select("x", "y", "z").fill_null("").rows() == rows


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False, allow_infinity=False), st.booleans()),
        min_size=1,
        max_size=8,
    )
)
def test_numbers_survive_writing_and_reading(tmp_path_factory, rows):
    file = tmp_path_factory.mktemp("csv") / "x.csv"
    frame = pl.DataFrame(rows, schema={"i": pl.Int64, "f": pl.Float64, "b": pl.Boolean}, orient="row")
    frame.write_csv(file)
    assert read_delimited(file, Delimited())[0].select(pl.col("i").cast(pl.Int64), "f", "b").equals(frame)
