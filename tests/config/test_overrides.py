"""Words with names of columns that Hydra's grammar does not take."""

from __future__ import annotations

import pytest
from omegaconf import OmegaConf

from colonnade.config.check import check
from colonnade.config.compose import Request, compose, composed
from colonnade.config.overrides import correct
from colonnade.config.record import redact
from colonnade.core.errors import ConfigError


def data(*words: str) -> dict:
    """What stands below ``data`` once all words are composed and resolved."""
    node = OmegaConf.to_container(compose(["data.path=t.csv", "data.target=y", *words]).data, resolve=True)
    assert isinstance(node, dict)
    return node


NAMES = ["sp ace", "a.b", "p[0]", "x=1", "{z}", "été", "it's", 'say "so"', "a\\b", "$HOME", "a,b", "-x", "007", "😀"]


@pytest.mark.parametrize("quotes", [False, True])
def test_any_name_can_be_typed_with_quotes_or_without(quotes):
    words = []
    for name in NAMES:
        typed = name if not quotes else f"'{name}'" if "'" not in name else f'"{name}"'
        words += [
            f"data.exclude.{typed}=only known later",
            f"data.columns.{typed}=datetime:%d/%m/%Y %H:%M",
            f"data.levels.{typed}=[low,very high]",
        ]
    found = data(*words)
    assert found["exclude"] == dict.fromkeys(NAMES, "only known later")
    assert found["columns"] == dict.fromkeys(NAMES, "datetime:%d/%m/%Y %H:%M")
    assert found["levels"] == dict.fromkeys(NAMES, ["low", "very high"])


def test_a_mapping_adds_to_the_search_of_the_model():
    ask = Request(sweep=True)
    words = ["model=mlp", "search={optim.lr:null,optim.eps:'interval(1e-9,1e-7)'}"]
    found = composed(correct(words, ask, ValueError()), ask).search
    assert (found["optim.lr"], found["optim.eps"]) == (None, "interval(1e-9,1e-7)")
    assert "model.backbone.dropout" in found


def test_names_as_a_shell_quotes_them():
    assert data("data.exclude.'it'\"'\"'s'=leak")["exclude"] == {"it's": "leak"}
    assert data("data.exclude.'x=1'=a=b")["exclude"] == {"x=1": "a=b"}


def test_mappings_and_lists_of_names():
    assert data("data.columns={sp ace: categorical, zip: text}")["columns"] == {"sp ace": "categorical", "zip": "text"}
    assert data("data.columns={été: integer, 2019: id}")["columns"] == {"été": "integer", "2019": "id"}
    assert data("data.exclude=[sp ace]")["exclude"] == {"sp ace": "excluded by the user"}
    assert list(data("data.exclude=[été,'a,b', {z}]")["exclude"]) == ["été", "a,b", "{z}"]
    assert data("data.waive=[été,p[0],x=1]")["waive"] == ["été", "p[0]", "x=1"]
    assert data("data.waive=['a,b',é]")["waive"] == ["a,b", "é"]
    assert data("data.group=p[0]", "data.path=Verkäufe.csv")["group"] == "p[0]"
    assert data("data.path=Verkäufe (1).csv")["path"] == "Verkäufe (1).csv"
    assert data("data.select={été: a + 1}")["select"] == {"été": "a + 1"}


def test_all_words_on_a_mapping_are_kept():
    words = (
        "data.exclude.zip=plain",
        "data.exclude.'a b'=odd",
        "data.exclude=[c d]",
        "data.exclude.zip=last",
        "seed=3",
    )
    assert data(*words)["exclude"] == {"zip": "last", "a b": "odd", "c d": "excluded by the user"}
    titanic = compose(["data=titanic", "data.columns.sp ace=text", "data.exclude.boat=null"]).data
    assert titanic.columns["home.dest"] == "text"
    assert titanic.columns["sp ace"] == "text"
    assert titanic.exclude.boat is None
    assert "lifeboat" not in str(titanic.exclude)


def test_the_configuration_is_sound_and_recorded_with_the_names():
    cfg = compose(["data.path=t.csv", "data.target=y", "data.exclude.sp ace=leak"])
    check(cfg)
    assert redact(cfg).data.exclude == {"sp ace": "leak"}
    assert "${" not in OmegaConf.to_yaml(redact(cfg).data)
    again = compose([word.replace("\\${", "${") for word in cfg.overrides])
    assert again.data.exclude == {"sp ace": "leak"}


def test_slips_beside_them_are_still_told():
    with pytest.raises(ConfigError, match=r"optim.lrr: optim has no 'lrr'") as error:
        data("data.exclude.sp ace=leak", "optim.lrr=1", "data.excludes.x=1")
    assert "sp ace" not in str(error.value)
    assert "data.excludes" in str(error.value)
    with pytest.raises(ConfigError, match=r"'data.levels.a b=\[1,': token recognition error"):
        data("data.levels.a b=[1,")


def test_a_key_of_a_group_of_which_nothing_is_chosen_names_the_choice():
    with pytest.raises(ConfigError) as error:
        compose(["model=mlp", "data=breast_cancer", "uncertainty.coverage=0.9"])
    assert "uncertainty.coverage: goes with uncertainty=auto, and uncertainty=none" in str(error.value)
    with pytest.raises(ConfigError, match="cv.folds: goes with cv=group or cv=kfold or .* or cv=time, and cv=none"):
        compose(["model=mlp", "data=breast_cancer", "cv.folds=3"])
    # Where it is chosen, the key is looked for in it.
    with pytest.raises(ConfigError, match="uncertainty.coverage: uncertainty has no 'coverage'"):
        compose(["model=mlp", "data=breast_cancer", "uncertainty=auto", "uncertainty.coverage=0.9"])


def test_a_query_and_a_filter_are_text_to_their_end():
    query = "select x, count(*) as n from t where c = 'a' group by x"
    found = data(f"data.sql.query={query}", "data.sql.uri=sqlite:///a,b.db", "data.filter=x > 1 and c in ('a', 'b')")
    assert found["sql"] == {"query": query, "uri": "sqlite:///a,b.db"}
    assert found["filter"] == "x > 1 and c in ('a', 'b')"


def test_several_values_without_m_are_told_for_keys_of_a_signature_too():
    with pytest.raises(ConfigError, match=r"'optim.eps=1,2': several values need -m"):
        compose(["optim.eps=1,2"])
