"""Sentences: a model of sentence-transformers; without the package, how its absence is told."""

import json
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from colonnade.core.errors import ConfigError, MissingExtraError
from colonnade.core.schema import Column, Kind, Schema
from colonnade.data.pipeline import FittedPipeline, Pipeline
from colonnade.data.sentences import PACKAGE, SentenceEncoder
from colonnade.data.steps.impute import Impute
from colonnade.data.texts import Texts, encoder_from

WORDS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "car", "is", "red", "blue", "old")
TEXTS = ("the car is red", "the car", "blue", "an old red car", "the car is blue")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A transformer of random weights and eleven words, as the library saves one."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
    from transformers import BertConfig, BertModel, BertTokenizerFast

    parts, whole = tmp_path_factory.mktemp("parts"), tmp_path_factory.mktemp("model")
    (parts / "vocab.txt").write_text("\n".join(WORDS) + "\n")
    sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    torch.manual_seed(0)
    BertModel(BertConfig(vocab_size=len(WORDS), max_position_embeddings=32, **sizes)).save_pretrained(parts)
    BertTokenizerFast(str(parts / "vocab.txt")).save_pretrained(parts)
    transformer = Transformer(str(parts))
    SentenceTransformer(modules=[transformer, Pooling(8)], device="cpu").save(str(whole))
    return whole


with_package = pytest.mark.skipif(
    find_spec(PACKAGE) is None,
    reason="sentence-transformers is no part of the dev extra: pip install 'colonnade[text]'",
)


@with_package
def test_vectors_are_those_of_the_library(folder, monkeypatch) -> None:
    from sentence_transformers import SentenceTransformer

    found = SentenceEncoder(model=str(folder), device="cpu").encode(TEXTS)
    assert (found.shape, found.dtype) == ((5, 8), np.float32)
    np.testing.assert_allclose(found, SentenceTransformer(str(folder), device="cpu").encode(list(TEXTS)), atol=1e-6)
    np.testing.assert_allclose(found[1:2], SentenceEncoder(model=str(folder)).encode(TEXTS[1:2]), atol=1e-5)
    monkeypatch.setenv("COLONNADE_DATA", str(folder.parent))
    np.testing.assert_array_equal(SentenceEncoder(model=folder.name, device="cpu").encode(TEXTS), found)


@with_package
def test_a_pipeline_with_a_model_is_stored_and_loaded(folder, tmp_path) -> None:
    frame = pl.DataFrame({"note": [*TEXTS, None], "x": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]})
    schema = Schema({"note": Column("note", Kind.TEXT), "x": Column("x", Kind.NUMERIC)})
    texts = Texts(encoder=SentenceEncoder(model=str(folder), device="cpu"), n_components=3)
    pipeline = Pipeline(steps={"impute": Impute()}, texts=texts)
    fitted = pipeline.fit(frame, schema, torch.zeros(6), np.arange(6), 0)
    assert fitted.num_names == ("x", "note.pc.0", "note.pc.1", "note.pc.2", "note.missing")
    fitted.save(tmp_path)
    loaded = FittedPipeline.load(tmp_path)
    new = pl.DataFrame({"note": ["is the car old", None], "x": [0.0, 1.0]})
    assert torch.equal(loaded.encode(new)[0], fitted.encode(new)[0])
    assert loaded.encode(new)[0][1, 1:].tolist() == [0, 0, 0, 1]


@with_package
def test_weights_that_are_no_safetensors_are_refused(folder, tmp_path) -> None:
    for path in folder.rglob("*"):
        if path.is_file() and path.suffix != ".safetensors":
            (tmp_path / path.relative_to(folder)).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path.relative_to(folder)).write_bytes(path.read_bytes())
    torch.save({}, tmp_path / "pytorch_model.bin")
    with pytest.raises(ConfigError, match=r"cannot be loaded: .*; give pipeline.texts.encoder.model a folder"):
        SentenceEncoder(model=str(tmp_path)).encode(["red"])


def test_a_package_that_is_not_there_is_told_with_its_extra(monkeypatch) -> None:
    monkeypatch.setattr("colonnade.data.sentences.find_spec", lambda name: None)
    with pytest.raises(
        MissingExtraError, match=r"sentence-transformers is not installed: pip install 'colonnade\[text\]'"
    ):
        SentenceEncoder()


def test_a_folder_that_is_not_there_is_told_and_nothing_is_loaded(monkeypatch) -> None:
    monkeypatch.setattr("colonnade.data.sentences.find_spec", lambda name: True)
    monkeypatch.setattr("colonnade.data.sentences.optional_import", lambda *names: pytest.fail("loaded"))
    with pytest.raises(ConfigError, match="model='./nowhere': there is no such folder"):
        SentenceEncoder(model="./nowhere")
    encoder = SentenceEncoder(model="some/model", device="cpu")
    assert json.loads(json.dumps(encoder.to_dict()))["options"] == {"model": "some/model"}
    assert encoder_from(encoder.to_dict()) == encoder != SentenceEncoder()
