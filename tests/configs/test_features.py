"""Feature engineering as a person types it: words and files become steps of the pipeline."""

from __future__ import annotations

from pathlib import Path

import pytest

from colonnade.config.check import check
from colonnade.config.compose import compose
from colonnade.core.errors import ConfigError
from colonnade.runs.assemble import assemble

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
