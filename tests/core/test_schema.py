from hypothesis import given
from hypothesis import strategies as st

from colonnade.core.schema import Column, Kind, Schema

names = st.text(min_size=1, max_size=8)
columns = st.builds(
    Column,
    name=names,
    kind=st.sampled_from(Kind),
    levels=st.none() | st.lists(st.text(max_size=4), max_size=4).map(tuple),
    missing=st.lists(st.text(max_size=4), max_size=3).map(tuple),
    format=st.none() | st.text(max_size=8),
    note=st.text(max_size=8),
)


@given(st.lists(columns, max_size=5), st.data())
def test_a_schema_survives_its_json(tmp_path_factory, listed, data):
    table = {c.name: c for c in listed}
    role = st.none() | st.sampled_from([*table, "other"])
    schema = Schema(
        columns=table,
        targets=tuple(data.draw(st.lists(st.sampled_from([*table, "y"]), max_size=2))),
        weight=data.draw(role),
        time=data.draw(role),
        exclude=data.draw(st.dictionaries(names, st.text(max_size=5), max_size=2)),
    )
    path = tmp_path_factory.mktemp("schema") / "schema.json"
    schema.save(path)
    assert Schema.load(path) == schema


def test_features_are_what_a_model_may_see():
    kinds = {"key": Kind.ID, "a": Kind.NUMERIC, "when": Kind.DATETIME, "w": Kind.NUMERIC, "g": Kind.CATEGORICAL}
    kinds |= {"leak": Kind.NUMERIC, "y": Kind.BOOLEAN}
    schema = Schema(
        columns={name: Column(name, kind) for name, kind in kinds.items()},
        targets=("y",),
        weight="w",
        group="g",
        time="when",
        exclude={"leak": "known afterwards"},
    )
    assert schema.features == ("a", "when")


def test_kinds_go_one_way_into_the_pipeline():
    assert [k for k in Kind if k.is_number] == [Kind.NUMERIC, Kind.INTEGER]
    assert not any(k.is_number and k.is_category for k in Kind)
