"""features.md: what it says of each encoded column."""

from pathlib import Path

import numpy as np
import pytest
import torch

from colonnade.data.features import Origins, features_page
from colonnade.data.pipeline import FittedPipeline, Pipeline
from colonnade.data.steps.calendar import Calendar
from colonnade.data.steps.drop import Drop
from colonnade.data.steps.impute import Impute
from colonnade.data.steps.onehot import OneHot, OneHotted
from colonnade.data.steps.rare import Rare
from colonnade.data.steps.scale import Standard
from colonnade.data.steps.target_encode import TargetEncode
from colonnade.testing.steps import N_ROWS, example, example_target


@pytest.fixture(scope="module")
def pipeline() -> FittedPipeline:
    steps = {
        "calendar": Calendar(parts=["month", "elapsed"]),
        "drop": Drop(),
        "rare": Rare(min_count=5),
        "target": TargetEncode(columns=["many"]),
        "onehot": OneHot(columns=["yes"]),
        "impute": Impute(),
        "scale": Standard(),
    }
    frame, schema = example()
    return Pipeline(steps=steps).fit(frame, schema, example_target(), np.arange(N_ROWS), seed=0)


def lines(page: str, column: str) -> list[list[str]]:
    """Cells of the lines of a column."""
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in page.splitlines() if line[:1] == "|"]
    first = next(i for i, row in enumerate(rows) if row[0] == column)
    stop = next((i for i, row in enumerate(rows) if i > first and row[0]), len(rows))
    return rows[first:stop]


def test_a_column_step_after_step(pipeline: FittedPipeline) -> None:
    frame, _ = example()
    fill = frame["skewed"].median()
    values = frame["skewed"].fill_null(fill).to_numpy()
    (first, second) = lines(features_page(pipeline), "skewed")
    assert first == ["skewed", "impute", f"skewed, or {fill:g} if missing", "skewed", f"fill {fill:.6g}"]
    center, factor = values.mean(), 1 / values.std()
    assert second[1:4] == ["scale", rf"(skewed - {center:g}) \* {factor:g}", "skewed"]
    assert second[4] == f"center {center:.6g}; factor {factor:.6g}"


def test_added_columns_name_what_they_are_made_of(pipeline: FittedPipeline) -> None:
    page = features_page(pipeline)
    assert lines(page, "when.month")[0][1:4] == ["calendar", "month of when", "when"]
    earliest = example()[0]["when"].min()
    assert lines(page, "when.elapsed")[0][2] == f"days from {earliest:%Y-%m-%dT%H:%M:%S}.000000 to when"
    assert lines(page, "yes=true")[0][1:4] == ["onehot", "1 if yes=true", "yes"]
    (target, *_) = lines(page, "many.target.0")
    assert target[1:4] == ["target", "smoothed mean target of train rows with this many", "many"]
    told = [feature for step in pipeline.module.fitted() for feature in step.features()]
    values = next(feature for feature in told if feature.name == "many.target.0").numbers["by code"]
    assert target[4] == f"by code {len(values)} numbers from {values.min():.6g} to {values.max():.6g}"


def test_what_does_not_come_out(pipeline: FittedPipeline) -> None:
    page = features_page(pipeline)
    between = page.split("## On the way")[1].split("\n## ")[0]
    assert "| many | rare | many, rare levels as unknown | many |" in between
    assert page.split("## Not used\n\n")[1].splitlines()[0] == "same, empty"
    assert "* drop: column 'same' dropped: constant (7) in the train rows" in page
    assert "made of 8 of 10 raw columns" in page


def test_origins_go_down_to_raw_columns(pipeline: FittedPipeline) -> None:
    origins = Origins(pipeline)
    assert origins.of("many.target.1") == ["many"]
    assert origins.of("when.month.missing") == ["when"]
    assert origins.of("plain") == ["plain"]


def test_names_cannot_break_the_table() -> None:
    frame, schema = example()
    odd = "a|b `c`\n<d>"
    frame = frame.rename({"plain": odd})
    schema.columns = {name.replace("plain", odd): column for name, column in schema.columns.items()}
    schema.columns[odd].name = odd
    made = Pipeline(steps={"impute": Impute()}).fit(frame, schema, example_target(), np.arange(N_ROWS), seed=0)
    rows = [line for line in features_page(made).splitlines() if r"a\|b" in line]
    assert rows[0].startswith(r"| a\|b \`c\` \<d\> | impute | ")


def test_pipelines_of_earlier_versions_know_their_flags() -> None:
    where = torch.tensor([0])
    old = OneHotted(flags=["k=0"], formulas=["k=0"], source=where, code=where[:, None], rest=where[:0])
    assert old.features()[0].inputs == ("k",)


def test_the_page_follows_from_what_is_stored(pipeline: FittedPipeline, tmp_path: Path) -> None:
    pipeline.save(tmp_path)
    pipeline.document(tmp_path)
    page = (tmp_path / "features.md").read_text(encoding="utf-8")
    assert page == features_page(pipeline) == features_page(FittedPipeline.load(tmp_path))
