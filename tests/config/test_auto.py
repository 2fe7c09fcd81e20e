from pathlib import Path

import polars as pl
import pytest
from omegaconf import OmegaConf

from colonnade.config.auto import WORD, Shape, choose, shape, with_model
from colonnade.config.compose import compose
from colonnade.config.locate import shipped
from colonnade.core.errors import ColonnadeError, ConfigError


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "t.csv"
    rows = [(f"2024-01-{i % 28 + 1:02d}", i * 7 % 13 / 4, "abc"[i % 3], i % 3 / 7) for i in range(60)]
    pl.DataFrame(rows, ["d", "x", "c", "y"], orient="row").write_csv(path)
    return path


def test_without_the_word_nothing_is_read():
    def never(words):
        raise AssertionError(words)

    assert with_model(["model=mlp", "data=adult"], never) == ["model=mlp", "data=adult"]


def test_only_words_about_the_data_are_composed(table):
    seen = []

    def composed(words):
        seen.extend(words)
        return OmegaConf.create({"data": {"_target_": "colonnade.data.dataset.TableDataset", "name": "t"}})

    words = ["data.path=t.csv", "optim.lr=3", WORD, "+data.weight=w", "task=quantile", "model.head.bias=true", "seed=3"]
    with pytest.raises(ColonnadeError):
        with_model(words, composed)
    assert seen == ["data.path=t.csv", "+data.weight=w", "task=quantile"]


def test_a_pre_training_takes_a_network_whatever_the_table(tmp_path):
    pl.DataFrame({"id": [f"c{i % 120}" for i in range(480)], "y": [i % 7 for i in range(480)]}).write_csv(
        tmp_path / "m.csv"
    )
    words = [f"data.path={tmp_path}/m.csv", "data.target=y", WORD]
    assert with_model(words, compose)[-1] == "model=catboost"
    assert with_model(["task=denoising", *words], compose)[-1] == "model=tabm"


def test_the_shape_is_that_of_the_table(table):
    words = [f"data.path={table}", "data.target=y"]
    assert shape(compose(words)) == Shape(60, 3, dated=True, columns=3)
    assert shape(compose([*words, "data.exclude=[d]"])) == Shape(60, 3, dated=False, columns=2)
    assert shape(compose([*words, "data.exclude=[c]"])) == Shape(60, 2, dated=True, columns=2)


@pytest.mark.parametrize(
    ("rows", "levels", "dated", "columns", "model"),
    [
        (500, 2, False, 8, "tabm"),
        (9_999, 2, False, 8, "tabm"),
        (10_000, 2, False, 100, "tabr"),
        (10_000, 2, False, 101, "tabm"),
        (10_000, 2, True, 8, "tabm"),
        (75_000, 2, False, 8, "tabr"),
        (75_001, 2, False, 8, "tabm"),
        (50_000, 42, False, 8, "tabm"),
        (50_000, 100, False, 8, "tabm"),
        (50_000, 101, True, 8, "catboost"),
    ],
)
def test_the_choice_goes_by_levels_rows_dates_and_columns(rows, levels, dated, columns, model):
    assert choose(Shape(rows, levels, dated, columns)) == model
    assert (shipped() / "model" / f"{model}.yaml").is_file()


def test_compose_puts_the_choice_in_the_place_of_the_word(table):
    words = [f"data.path={table}", "data.target=y", "trainer.max_epochs=3"]
    cfg = compose([WORD, *words])
    assert cfg.choices.model == "tabm"
    assert "model=tabm" in cfg.overrides
    assert cfg == compose(["model=tabm", *words])


def test_sequences_are_refused_with_what_to_do():
    with pytest.raises(ConfigError, match="chooses for tables, and data=digits_rows holds sequences: name a model"):
        compose([WORD, "data=digits_rows"])


def test_a_word_that_is_wrong_is_told_as_ever(table):
    with pytest.raises(ConfigError, match="did you mean 'lr'"):
        compose([WORD, f"data.path={table}", "data.target=y", "optim.lrr=1"])
