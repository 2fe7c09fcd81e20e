"""Pages of benchmarks: measured lines are replaced, what people wrote stays."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1] / "scripts" / "bench"))
import machine  # noqa: E402

COLUMNS = ["data", "model", "mse"]
PAGE = """\
# Old title

What it is.

By hand: lines of a GPU.

* Command: `old`
* Date: 2020-01-01

| data | model | mse |
|---|---|---|
| a | one | 1 |
| a | by hand |  |

## Below

| other | table |
|---|---|
| a | one |
"""
HEAD = "# Title\n\nWhat it is now.\n\n* Command: `new`\n* Date: 2021-01-01\n"


def test_measured_lines_take_the_place_of_theirs_and_all_else_stays():
    found = machine.merged(PAGE, HEAD, COLUMNS, [["b", "two", 2], ["a", "one", 3]], key=2)
    assert found == (
        PAGE.replace("# Old title", "# Title")
        .replace("What it is.", "What it is now.")
        .replace("`old`", "`new`")
        .replace("2020", "2021")
        .replace("| a | one | 1 |", "| a | one | 3 |")
        .replace("| a | by hand |  |\n", "| a | by hand |  |\n| b | two | 2 |\n")
    )
    assert machine.merged(found, HEAD, COLUMNS, [["a", "one", 3]], key=2) == found


def test_without_measured_lines_a_page_says_what_it_said():
    assert machine.merged(PAGE, HEAD, COLUMNS, [], key=2) == PAGE


def test_a_table_that_is_not_there_comes_last():
    found = machine.merged(PAGE, HEAD, ["data", "nll"], [["a", 5]], key=1, above="Times.")
    assert found.endswith("| a | one |\n\nTimes.\n\n| data | nll |\n|---|---|\n| a | 5 |\n")
    assert machine.merged("", HEAD, COLUMNS, [["a", "one", 1]], key=2) == (
        f"{HEAD}\n| data | model | mse |\n|---|---|---|\n| a | one | 1 |\n"
    )


@pytest.mark.parametrize("name", ["events", "series", "forecast_models"])
def test_pages_as_they_stand_are_kept(name):
    page = (machine.RESULTS / f"{name}.md").read_text()
    columns = next(line for line in page.split("\n") if line.startswith("| ")).strip("| ").split(" | ")
    before, command, after = page.partition("\n\n| ")[0].partition(machine.COMMAND)
    head = "\n\n".join([*before.split("\n\n")[:2], command + after])
    added = ["new", "line", *["1"] * (len(columns) - 2)]
    found = machine.merged(page, f"{head}\n", columns, [added], key=2)
    assert found.replace("| " + " | ".join(added) + " |\n", "") == page
