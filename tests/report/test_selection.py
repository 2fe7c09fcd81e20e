"""Figures of what was selected."""

from colonnade.data.steps.base import Verdict
from colonnade.report.selection import MAX_COLUMNS, selection


def test_bars_limits_and_names() -> None:
    verdicts = [
        Verdict("income $", 0.5, 0.1, True, "kept"),
        Verdict("age", 0.05, 0.1, False, "too little"),
        Verdict("city", 0.2, 0.1, True, "kept"),
    ]
    figures = selection({"information": verdicts})
    assert list(figures) == ["selected_information"]
    (ax,) = figures["selected_information"].axes
    assert figures["selected_information"].get_suptitle() == "information: 2 of 3 columns kept"
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["age", "city", "income $"]
    assert sorted(bar.get_width() for bar in ax.patches) == [0.05, 0.2, 0.5]
    assert {text.get_text() for text in ax.get_legend().get_texts()} == {"kept", "dropped", "limit"}


def test_many_columns() -> None:
    verdicts = [Verdict(f"column {i}", i, 0, True, "kept") for i in range(100)]
    (figure,) = selection({"s": verdicts}).values()
    assert len(figure.axes[0].patches) == MAX_COLUMNS
    assert figure.get_suptitle() == f"s: 100 of 100 columns kept, the first {MAX_COLUMNS} by score"


def test_nothing_selected() -> None:
    assert selection({}) == {}
