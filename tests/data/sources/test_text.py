"""Text: delimiters, spaces, blank lines."""

from __future__ import annotations

import pytest

from colonnade.data.sources import text


@pytest.mark.parametrize(
    ("lines", "decimal", "expected"),
    [
        (["a,b", "1,2"], ".", ","),
        (["a;b;c", "1,5;2,5;3,5"], ".", ";"),
        (["a\tb", "1\tx, y"], ".", "\t"),
        (["a|b", "1|2"], ".", "|"),
        (['"a;b",c', '"x;y",2'], ".", ","),
        (["a;b", "1,5;2"], ",", ";"),
        (["one"], ".", ","),
    ],
)
def test_find_delimiter(lines, decimal, expected):
    assert text.find_delimiter(list(enumerate(lines, 1)), '"', decimal) == expected


def test_spaces():
    assert text.is_spaced([(1, "a, b"), (2, "1, 2")], ",")
    assert not text.is_spaced([(1, "a, b"), (2, "1,2")], ",")
    assert not text.is_spaced([(1, "a b")], " ")
    assert text.without_spaces(b"a, b,   c\n1, 2, 3\n", ",", '"') == b"a,b,c\n1,2,3\n"
    assert text.without_spaces(b'a, "b, c",  d\n', ",", '"') == b'a,"b, c",d\n'


def test_blank_lines():
    assert text.without_blank_lines(b"t\n\na\n\n\n1\n\r\n2\n", 1, '"') == b"t\na\n1\n2\n"
    assert text.without_blank_lines(b'a\n\n"x\n\ny"\n\n', 0, '"') == b'a\n"x\n\ny"\n'
    assert text.trailing_blank_lines(b"a\n1\n\n\r\n") == 2
    assert text.trailing_blank_lines(b"a\n1") == 0


def test_head_lines_leave_out_comments_and_number_the_rest():
    assert text.head_lines(b"t\n\n#c\r\na\r\nb\n", skip=1, comment="#") == [(4, "a"), (5, "b")]
