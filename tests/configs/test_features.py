"""Feature engineering as a person types it: words and files become steps of the pipeline."""

from __future__ import annotations

from pathlib import Path

import pytest

from colonnade.config.check import check
from colonnade.config.compose import compose
from colonnade.core.errors import ConfigError
from colonnade.runs.assemble import assemble
from colonnade.runs.fit import fit

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
