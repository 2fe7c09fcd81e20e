import pytest

from colonnade.core.errors import ConfigError, DataError, Faults, MissingExtraError, closest, collect


def test_closest_names_the_nearest_or_lists_the_few():
    assert closest("adlut", ["adult", "wine"]) == "; did you mean 'adult'?"
    assert closest("zzz", ["a", "b"]) == "; known: a, b"
    assert closest("zzz", map(str, range(20))) == ""
    assert closest("zzz", []) == ""


def test_one_fault_is_a_sentence_and_several_are_a_list():
    faults = Faults()
    faults.raise_if_any(DataError)
    faults.add("column 'a' is empty")
    faults.add("column 'a' is empty")
    with pytest.raises(DataError, match=r"^x.csv: column 'a' is empty$"):
        faults.raise_if_any(DataError, "x.csv")
    faults.add("column 'b' is empty")
    with pytest.raises(DataError) as caught:
        faults.raise_if_any(DataError, "x.csv")
    assert str(caught.value) == "x.csv (2):\n  - column 'a' is empty\n  - column 'b' is empty"
    assert list(faults) == ["column 'a' is empty", "column 'b' is empty"]


def test_collect_raises_at_its_end():
    reached = []
    with pytest.raises(ConfigError, match="lr must be above 0"), collect(ConfigError) as faults:
        faults.add("lr must be above 0")
        reached.append(True)
    assert reached


def test_a_missing_extra_says_how_to_install_it():
    assert str(MissingExtraError("duckdb", "sql")) == "duckdb is not installed: pip install 'colonnade[sql]'"
    assert ConfigError.exit_code == 2
