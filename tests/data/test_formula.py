"""The grammar of formulas: what is read, and what is refused."""

import pytest

from colonnade.data.formula import DEEPEST, LONGEST, parse


def refused(text: str) -> list[str]:
    with pytest.raises(ValueError, match=r".") as caught:
        parse(text)
    return str(caught.value).splitlines()


def test_names_are_columns_and_functions_are_not() -> None:
    assert parse("log(rooms + 1) / max(households, 1) - rooms").columns == ("rooms", "households")
    assert parse("log / 2").columns == ("log",)


def test_any_name_in_backticks() -> None:
    formula = parse("`total rooms` / `$ per m`  + (colour == 'a `b`')")
    assert formula.columns == ("total rooms", "$ per m", "colour")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("a + foo(b)", "there is no function 'foo'; did you mean 'floor'?"),
        ("sqr(a)", "there is no function 'sqr'; did you mean 'sqrt'?"),
        ("max(a)", "max takes 2 arguments"),
        ("log(a, b)", "log takes 1 argument"),
        ("hour(a + b)", "hour takes the name of a column"),
        ("0 < a < 1", "a chain of comparisons is written with 'and': 0 < a and a < 1"),
        ("a + 'red'", "the text 'red' stands alone: a category is compared, as in colour == 'red'"),
        (
            "home.dest * 2",
            "'home.dest' is not understood: a name that holds blanks or signs goes in backticks, `home.dest`",
        ),
        ("a % 2", "'a % 2' is not understood: see 'Expressions' in docs/features.md"),
        ("a + 1e999", "a number is too large"),
        ("a + 1j", "1j is no number"),
        ("a + True", "True is no number"),
        ("1 + 1", "it names no column"),
    ],
)
def test_what_is_refused(text: str, fault: str) -> None:
    assert refused(text) == [f"'{text}': {fault}"]


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('true')",
        "(lambda: a)()",
        "[a for a in b]",
        "a if b else c",
        "(a := b)",
        "f'{a}'",
        "a[0]",
        "a.__class__",
        "max(a, b)(c)",
        "await_ + (yield_,)",
        "{a: b}",
        "a @ b",
        "~a",
        "a << 3",
        "a is b",
        "a in b",
        "not_a and *b",
        "b'bytes' == a",
        "...",
        "exec('a')",
    ],
)
def test_nothing_but_arithmetic_is_read(text: str) -> None:
    assert refused(text)


def test_all_faults_of_a_formula_are_told() -> None:
    assert refused("foo(a) + bar(b) % 2 + max(c)") == [
        "'foo(a) + bar(b) % 2 + max(c)': there is no function 'foo'; did you mean 'floor'?",
        "'foo(a) + bar(b) % 2 + max(c)': 'bar(b) % 2' is not understood: see 'Expressions' in docs/features.md",
        "'foo(a) + bar(b) % 2 + max(c)': max takes 2 arguments",
    ]


def test_what_is_no_expression() -> None:
    (line,) = refused("a +")
    assert line == "'a +' is no formula: invalid syntax; a name that holds blanks or signs goes in backticks"
    assert "total rooms / households" in refused("total rooms / households")[0]


def test_size_is_limited() -> None:
    text = "a + " * 200 + "a"
    assert refused(text) == [f"a formula has at most {LONGEST} characters, '{text[:40]}...' has {len(text)}"]
    assert refused("-" * 60 + "a")[0].endswith(f"it is nested deeper than {DEEPEST}")
    assert refused("(" * 240 + "a" + ")" * 240)
