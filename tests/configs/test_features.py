"""Feature engineering as a person types it: words and files become steps of the pipeline."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from colonnade.config.check import check
from colonnade.config.compose import compose
from colonnade.core.errors import ConfigError
from colonnade.data.sentences import SentenceEncoder
from colonnade.runs.assemble import assemble
from colonnade.runs.fit import fit
from colonnade.runs.predict import predict

from .test_configs import forward, words


def test_formulas_are_typed(tmp_path: Path) -> None:
    typed = ["pipeline.expressions.ratio=(height + 1) / max(age, 1)", "pipeline.expressions.old=age > 40"]
    cfg = compose(words(tmp_path, "model=linear", "task=binary", *typed))
    check(cfg)
    parts = assemble(cfg)
    assert {"ratio", "ratio.missing", "old"} <= set(parts.datamodule.pipeline.num_names)
    forward(parts)


def test_a_formula_that_is_none_is_told_before_data_are_read(tmp_path: Path) -> None:
    typed = ["pipeline.expressions.ratio=height /", "pipeline.expressions.root=sqr(age)", "optim.lr=-1"]
    with pytest.raises(ConfigError) as caught:
        check(compose(words(tmp_path, "model=linear", "task=binary", *typed)))
    assert "ratio: 'height /' is no formula" in str(caught.value)
    assert "root: 'sqr(age)': there is no function 'sqr'; did you mean 'sqrt'?" in str(caught.value)
    assert "optim" in str(caught.value)


def test_several_files_are_chosen_together(tmp_path: Path) -> None:
    cfg = compose(words(tmp_path, "model=linear", "task=binary", "features=[groups,bins,information]"))
    check(cfg)
    pipeline = assemble(cfg).datamodule.pipeline
    assert list(cfg.pipeline.create) == ["groups", "bins"]
    assert list(pipeline.selection) == ["duplicates", "information"]


def test_choices_are_swept(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"features=pears: there is no such features; did you mean 'pairs'\?"):
        compose(words(tmp_path, "model=linear", "features=pears"))


def test_a_run_shows_what_was_selected(tmp_path: Path) -> None:
    quick = ["trainer.max_epochs=1", "logger=none", "trainer=cpu"]
    cfg = compose(words(tmp_path, "model=linear", "task=binary", "features=[pairs,information]", *quick))
    assert fit(cfg, tmp_path / "run")["status"] == "finished"
    page = (tmp_path / "run" / "features.md").read_text()
    assert "## Selected by information\n\n| column | score | limit | |" in page
    assert (tmp_path / "run" / "figures" / "selected_information.png").exists()


@pytest.fixture
def sentences(tmp_path: Path, monkeypatch) -> list[str]:
    """The package is there, and its model a stand-in; the texts that it was asked for."""
    asked: list[str] = []

    def encode(self: SentenceEncoder, texts: Sequence[str]) -> np.ndarray:
        asked.extend(texts)
        return np.array([[len(text), text.count("1"), text.count("2")] for text in texts], dtype=np.float32)

    monkeypatch.setattr("colonnade.data.sentences.find_spec", lambda name: True)
    monkeypatch.setattr(SentenceEncoder, "encode", encode)
    monkeypatch.setattr(SentenceEncoder, "options", lambda self: {"model": f"stand-in of {tmp_path}"})
    return asked


EMBEDDED = ("model=linear", "task=binary", "features=sentences", "data.columns.city=text")


def test_texts_are_embedded_once_each(tmp_path: Path, sentences: list[str]) -> None:
    quick = ["trainer.max_epochs=1", "logger=none", "trainer=cpu"]
    cfg = compose(words(tmp_path, *EMBEDDED, *quick))
    check(cfg)
    assert not sentences, "a check needs no model"
    assert fit(cfg, tmp_path / "run")["status"] == "finished"
    assert len(sentences) == len(set(sentences)) == 23 + 1, "every city, and the probe"
    rows = (
        pl.read_csv(tmp_path / "table.csv").head(4).with_columns(city=pl.Series(["city 1", "elsewhere", None, "Ulm"]))
    )
    rows.write_csv(tmp_path / "new.csv")
    predict(tmp_path / "run", tmp_path / "new.csv", tmp_path / "out.csv")
    found = pl.read_csv(tmp_path / "out.csv")
    assert found.height == 4
    assert sorted(sentences[24:]) == ["Ulm", "elsewhere"]


def test_what_cannot_leave_as_a_file_is_told_before_data_are_read(tmp_path: Path, sentences: list[str]) -> None:
    for export in ("onnx", "torch"):
        said = f"export.{export}: cannot be exported: pipeline.texts makes vectors of texts outside of the graph"
        with pytest.raises(ConfigError, match=said):
            check(compose(words(tmp_path, *EMBEDDED, f"export={export}")))
    check(compose(words(tmp_path, *EMBEDDED, "export=onnx", "pipeline.texts=null")))


def test_a_text_model_needs_its_package(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("colonnade.data.sentences.find_spec", lambda name: None)
    said = r"pipeline.texts.encoder: sentence-transformers is not installed: pip install 'colonnade\[text\]'"
    with pytest.raises(ConfigError, match=said):
        check(compose(words(tmp_path, *EMBEDDED)))
