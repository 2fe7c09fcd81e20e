"""Byte scans against a plain reading of the same bytes."""

from __future__ import annotations

import csv
import io
import re

from hypothesis import given
from hypothesis import strategies as st

from colonnade.data.sources import scan as module
from colonnade.data.sources.scan import records, scan

text = st.text(st.sampled_from('0179a,"\n'), max_size=60)


def test_sees_each_thing():
    seen = scan(b'a,b\n1,"x"\n', ",", '"', separators=True)
    assert (seen.nul, seen.quotes, seen.leading_zeros, seen.separators) == (None, 2, False, 2)
    assert scan(b"a\x00b", ",", '"').nul == 1
    assert scan(b"a,b\n1,01\n", ",", '"').leading_zeros
    assert scan(b"00,1\n", ",", '"').leading_zeros
    assert not scan(b"0,0.1\n10,100\n", ",", '"').leading_zeros
    assert not scan(b"a,b\n1,01\n", ",", '"', zeros=False).leading_zeros
    assert scan(b"a,b\n1,0.1\n", ",", '"', dots=True).dots
    assert not scan(b"a,b\n1,0.1\n", ",", '"').dots
    assert not scan(b"a,b\n1,01\n", ",", '"', dots=True).dots


@given(text, st.integers(3, 9))
def test_blocks_do_not_matter(content, size):
    data = content.encode()
    before = module._BLOCK
    module._BLOCK = size
    try:
        small = scan(data, ",", '"', separators=True)
    finally:
        module._BLOCK = before
    whole = scan(data, ",", '"', separators=True)
    assert (small.quotes, small.separators) == (whole.quotes, whole.separators)
    zeros = re.search(rb'(^|[,\n"])0[0-9]', data) if b'"' not in data else None
    if b'"' not in data:
        assert small.leading_zeros == whole.leading_zeros == (zeros is not None)


@given(
    st.lists(st.lists(st.text(st.sampled_from('a,"\n'), max_size=4), min_size=2, max_size=4), min_size=1, max_size=6)
)
def test_records_are_those_of_python(rows):
    out = io.StringIO()
    csv.writer(out, lineterminator="\n", quoting=csv.QUOTE_ALL).writerows(rows)
    data = out.getvalue().encode()
    found = records(data, ",", '"', None)
    assert found.fields.tolist() == [len(row) for row in rows]
    assert found.open_quote is None
    lines = [1]
    for row in rows[:-1]:
        lines.append(lines[-1] + 1 + sum(cell.count("\n") for cell in row))
    assert found.lines.tolist() == lines


def test_records_leave_out_blank_and_comment_lines():
    found = records(b"# c\na,b\n\r\n\n1,2,3\n", ",", '"', "#")
    assert found.lines.tolist() == [2, 5]
    assert found.fields.tolist() == [2, 3]
    assert [found.text(i) for i in range(2)] == ["a,b", "1,2,3"]


def test_records_find_the_open_quote():
    assert records(b'a,b\n1,"x\n2,y\n', ",", '"', None).open_quote == 2
    assert records(b'a,b\n1,"x\n2,"y"\n', ",", '"', None).open_quote == 2
    assert records(b'a,b\n1,x\n2,5" y\n', ",", '"', None).open_quote == 3
    assert records(b'a,b\n1,5" y\n', ",", None, None).open_quote is None
