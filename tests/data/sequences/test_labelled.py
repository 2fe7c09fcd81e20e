"""Steps without a label among others with one."""

from __future__ import annotations

import polars as pl
import pytest

from colonnade.core.errors import DataError
from colonnade.core.schema import TargetKind
from colonnade.data.sequences.labelled import Labelled
from colonnade.data.sequences.steps import StepDataset
from colonnade.data.sources.frame import Frame
from colonnade.data.split.record import Split
from colonnade.data.split.shuffled import Random

LOG = pl.DataFrame(
    {
        "case": ["a", "a", "a", "b", "b", "c", "c"],
        "x": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0],
        "what": ["on", None, "off", "off", "on", None, "on"],
    }
)


def dataset(**options):
    return StepDataset(source=Frame(LOG), **{"id": "case", "target": "what", "drop_missing_target": True} | options)


class First(Random):
    """The first rows train."""

    def split(self, table, kind, seed):
        return Split.from_labels(pl.Series([0, 0, 0, 1, 1, 2, 2]).to_numpy(), "by hand")


def test_steps_without_a_label_are_looked_back_at_alone():
    data = dataset()
    table = data.read()
    assert table.frame.height == 7
    found = Labelled(First()).split(table, TargetKind.CLASS, 0)
    assert [rows.tolist() for rows in found.parts().values()] == [[0, 2], [3, 4], [6]]
    assert found.how == "by hand; 2 steps without a label are only looked back at"
    part = data.part(table, pl.Series([1, 2, 6]).to_numpy())
    assert part.row_ids.tolist() == [2, 6]
    assert part.frame["x"].to_list() == [[1.0, 2.0, 3.0], [6.0, 7.0]]


def test_new_steps_are_measured_where_they_have_one_and_predicted_everywhere():
    data = dataset()
    schema = data.read().schema
    measured = data.read_new(LOG, schema, need_target=True)
    assert measured.row_ids.tolist() == [0, 2, 3, 4, 6]
    assert measured.frame["x"].to_list()[1] == [1.0, 2.0, 3.0]
    assert len(data.read_new(LOG, schema, need_target=False)) == 7


def test_of_what_comes_next_too():
    data = dataset(lead=1)
    measured = data.read_new(LOG, data.read().schema, need_target=True)
    assert measured.frame["what+1"].to_list() == ["off", "on", "on"]
    assert measured.frame["x"].to_list() == [[1.0, 2.0], [4.0], [6.0]]


def test_a_part_without_any_label_is_told():
    data = StepDataset(
        source=Frame(LOG.with_columns(what=pl.when(pl.col("case") != "c").then("what"))),
        id="case",
        target="what",
        drop_missing_target=True,
    )
    with pytest.raises(DataError, match="only looked back at. leaves test empty"):
        Labelled(First()).split(data.read(), TargetKind.CLASS, 0)
