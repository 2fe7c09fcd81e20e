"""Texts: each is encoded once, unseen ones like any, and never by another model than the one of the training."""

import json
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
import torch

from colonnade.core.errors import ConfigError, RunFolderError
from colonnade.core.schema import Column, Kind, Schema
from colonnade.data.joint import join
from colonnade.data.lookup import Category, Lookup
from colonnade.data.pipeline import FittedPipeline, Pipeline
from colonnade.data.steps.impute import Impute
from colonnade.data.texts import PROBE, Memory, TextColumn, TextEncoder, Texts, encoder_from, memory_of

FRAME = pl.DataFrame(
    {
        "x": [1.0, 2.0, None, 4.0, 5.0, 6.0],
        "note": ["red car", "blue", None, "red car", "a tree", "never seen"],
        "town": ["Ulm", "Rom", "Rom", None, "Ulm", "Rom"],
        "other": ["s", "t", "u", "v", "w", "x"],
    }
)
KINDS = {"x": Kind.NUMERIC, "note": Kind.TEXT, "town": Kind.CATEGORICAL, "other": Kind.CATEGORICAL}
SCHEMA = Schema({name: Column(name, kind) for name, kind in KINDS.items()})


class Letters(TextEncoder):
    """Length and letters of a text, and what it was asked for."""

    def __init__(self, *, letters: str = "aer", salt: str = "") -> None:
        self.letters = letters
        self.salt = salt
        self.asked: list[str] = []

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        self.asked += texts
        return np.array([[len(t), *(t.count(c) for c in self.letters)] for t in texts], dtype=np.float32)

    def options(self) -> dict[str, str]:
        return {"letters": self.letters, "salt": self.salt}


def fitted(salt: str, **options) -> tuple[FittedPipeline, Letters]:
    """A pipeline fitted on the first five rows, and its encoder; no two tests have equal ones."""
    encoder = Letters(salt=salt)
    pipeline = Pipeline(steps={"impute": Impute()}, texts=Texts(encoder=encoder, **options))
    return pipeline.fit(FRAME, SCHEMA, torch.zeros(5, dtype=torch.int64), np.arange(5), 0), encoder


def test_each_text_is_encoded_once_however_often_it_is_read() -> None:
    pipeline, encoder = fitted("once")
    first = pipeline.encode(FRAME)
    second = pipeline.encode(FRAME[::-1])
    assert torch.equal(first[0], second[0].flip(0))
    again = FittedPipeline(
        lookup=Lookup.from_dict(json.loads(json.dumps(pipeline.lookup.to_dict()))),
        module=pipeline.module,
        num_names=pipeline.num_names,
        cat_names=pipeline.cat_names,
        cardinalities=pipeline.cardinalities,
        log=[],
    )
    assert torch.equal(again.encode(FRAME)[0], first[0])
    assert sorted(encoder.asked) == sorted([PROBE, "red car", "blue", "a tree", "never seen"])


def test_components_are_of_the_train_rows_and_a_text_that_is_new_has_its_own(tmp_path) -> None:
    pipeline, encoder = fitted("parts", n_components=2)
    assert pipeline.num_names == ("x", "note.pc.0", "note.pc.1", "note.missing", "x.missing")
    assert pipeline.cat_names == ("town", "other")
    num, _ = pipeline.encode(FRAME)
    vectors = encoder.encode([t for t in FRAME["note"] if t is not None]).astype(float)
    centred = vectors - vectors[:4].mean(0)
    _, _, axes = np.linalg.svd(centred[:4])
    expected = np.abs(centred @ axes[:2].T)
    np.testing.assert_allclose(num[[0, 1, 3, 4, 5], 1:3].abs(), expected, atol=1e-5)
    assert num[2, 1:3].tolist() == [0, 0]
    assert num[:, 3].tolist() == [0, 0, 1, 0, 0, 0]
    pipeline.save(tmp_path)
    loaded = FittedPipeline.load(tmp_path)
    assert torch.equal(loaded.encode(FRAME)[0], num)
    assert loaded.lookup.texts == pipeline.lookup.texts
    assert not loaded.module.exportable
    pipeline.document(tmp_path)
    assert "| note.pc.0 | texts | principal component of the vector of note | note |" in (
        (tmp_path / "features.md").read_text()
    )


def test_a_table_without_texts_and_without_rows() -> None:
    pipeline, _ = fitted("empty")
    assert pipeline.encode(FRAME.clear())[0].shape == (0, len(pipeline.num_names))
    nothing = FRAME.with_columns(note=pl.lit(None, dtype=pl.String))
    assert pipeline.encode(nothing)[0][:, pipeline.num_names.index("note.missing")].tolist() == [1] * 6


def test_the_memory_keeps_the_last_texts() -> None:
    encoder = Letters()
    memory = Memory(encoder, limit=2)
    np.testing.assert_array_equal(memory(["a", "bb", "ccc"]), Letters().encode(["a", "bb", "ccc"]))
    memory(["ccc", "bb"])
    assert encoder.asked == ["a", "bb", "ccc"]
    memory(["a"])
    assert encoder.asked[3:] == ["a"]


def test_equal_encoders_share_a_memory() -> None:
    one, same, other = Letters(salt="m"), Letters(salt="m"), Letters(salt="n")
    assert one == same
    assert one != other
    assert memory_of(one) is memory_of(same)
    assert memory_of(one) is not memory_of(other)


def test_another_model_of_the_same_name_is_refused() -> None:
    pipeline, _ = fitted("probe")
    (text,) = pipeline.lookup.texts
    for changed in (replace(text, probe=(9.0, *text.probe[1:])), replace(text, width=5)):
        lookup = Lookup(num=["x"], cat=[], time=[], texts=[changed])
        with pytest.raises(
            RunFolderError, match=r"'note': .*\"probe\".* gives other vectors than the model that the run"
        ):
            lookup(FRAME)


def test_columns_are_those_of_free_text_or_those_that_are_named() -> None:
    encoder = Letters(salt="find")
    assert [text.name for text in Texts(encoder=encoder).find(SCHEMA)] == ["note"]
    assert [text.name for text in Texts(encoder=encoder, columns=["town", "note"]).find(SCHEMA)] == ["town", "note"]
    with pytest.raises(ConfigError, match="there is no text 'nota' here; did you mean 'note'?"):
        Texts(encoder=encoder, columns=["nota"]).find(SCHEMA)
    with pytest.raises(ConfigError, match="there is no text 'x' here; known: note, town, other"):
        Texts(encoder=encoder, columns=["x"]).find(SCHEMA)
    plain = Schema({name: Column(name, Kind.CATEGORICAL) for name in KINDS})
    with pytest.raises(
        ConfigError, match=r"no column is free text: data.columns.<name>=text, or pipeline.texts.columns"
    ):
        Texts(encoder=encoder).find(plain)
    with pytest.raises(ValueError, match="n_components must be at least 1, or null, got 0"):
        Texts(encoder=encoder, n_components=0)
    with pytest.raises(ValueError, match="a step is called 'texts'"):
        Pipeline(steps={"texts": Impute()}, texts=Texts(encoder=encoder))


def test_only_encoders_are_loaded() -> None:
    assert encoder_from(Letters(letters="xy").to_dict()) == Letters(letters="xy")
    for path, said in (
        ("os:system", "'os:system', but that is no text encoder"),
        ("colonnade.data.texts:Memory", "but that is no text encoder"),
        ("nowhere:Encoder", "import 'nowhere' before loading, if you trust it"),
    ):
        with pytest.raises(RunFolderError, match=said):
            encoder_from({"class": path, "options": {}})


def test_members_share_what_they_read_alike() -> None:
    same, other = (TextColumn.of("note", Letters(salt="join", letters=letters)) for letters in ("aer", "x"))
    lookups = [
        Lookup(num=["x"], cat=[], time=[], texts=[same]),
        Lookup(num=[], cat=[], time=[], texts=[other, same]),
        Lookup(num=["x"], cat=[Category("note", False, ("blue",))], time=[]),
    ]
    joint, shares = join(lookups)
    assert joint.names == ("x", "note")
    assert joint.texts == (same, other)
    whole = joint(FRAME)
    assert whole.num.shape == (6, 1 + 4 + 2)
    for lookup, share in zip(lookups, shares):
        torch.testing.assert_close(whole.num[:, share.num], lookup(FRAME).num, equal_nan=True)
