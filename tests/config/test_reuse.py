"""A stored configuration is one to train with: paths, secrets, and words that change it."""

import pytest
from omegaconf import OmegaConf

from colonnade.config.check import check
from colonnade.config.compose import compose
from colonnade.config.record import config_hash, load_config, redact
from colonnade.config.reuse import reusable
from colonnade.core.errors import ConfigError

WORDS = ("model=mlp", "data=wine", "trainer=cpu", "overwrite=true", "debug=true", "seed=3", "optim.lr=0.01")


def stored(tmp_path, *words, task="multiclass"):
    """As ``runs.fit`` writes it."""
    cfg = compose([*WORDS, f"task={task}", *words])
    cfg.run_dir = "."
    (tmp_path / "config.yaml").write_text(OmegaConf.to_yaml(redact(cfg)))
    return load_config(tmp_path / "config.yaml")


def test_it_is_what_was_composed(tmp_path):
    again = reusable(stored(tmp_path))
    whole = compose([*WORDS, "task=multiclass"])
    assert config_hash(again) == config_hash(whole)
    assert (again.overwrite, again.debug, again.run_dir) == (False, False, None)
    assert list(again.overrides) == list(whole.overrides)
    check(again)


def test_what_is_written_goes_to_the_folder_of_the_new_run(tmp_path):
    cfg = reusable(stored(tmp_path, "data.path=./t.csv", "data.source=null", "data.target=y"))
    cfg.run_dir = "elsewhere"
    assert cfg.callbacks.recovery.dirpath == "elsewhere/checkpoints"
    assert cfg.callbacks.metrics.path == "elsewhere/metrics.jsonl"
    assert cfg.logger.tensorboard.run_dir == "elsewhere"
    assert cfg.data.path == "./t.csv"


def test_words_change_it_and_are_recorded(tmp_path):
    before = stored(tmp_path)
    cfg = reusable(before, ["seed=4", "optim.betas=[0.9,0.95]", "optim.lr=0.02", "callbacks.throughput=null"])
    assert (cfg.seed, cfg.optim.lr, list(cfg.optim.betas), cfg.callbacks.throughput) == (4, 0.02, [0.9, 0.95], None)
    assert (before.seed, "betas" in before.optim) == (3, False)
    told = [word for word in cfg.overrides if word.startswith(("seed", "optim"))]
    assert told == ["seed=4", "optim.lr=0.02", "optim.betas=[0.9,0.95]"]
    check(cfg)


@pytest.mark.parametrize(
    ("word", "text"),
    [
        ("optim.lrr=1", "optim.lrr: optim has no 'lrr'; did you mean 'lr'?"),
        ("optom.lr=1", "optom.lr: there is no key 'optom'; did you mean 'optim'?"),
        ("trainer=gpu", "'trainer=gpu': no file can be chosen for what is stored; set its keys, such as trainer.<key>"),
        ("optim.lr=1,2", "'optim.lr=1,2': one value is expected"),
        ("~optim.lr=0.01", "'~optim.lr=0.01': only key=value changes what is stored"),
        ("optim.lr", "'optim.lr': expected key=value"),
        ("optim.lr=[1", "'optim.lr=[1': "),
    ],
)
def test_words_that_are_not_understood(tmp_path, word, text):
    before = stored(tmp_path)
    with pytest.raises(ConfigError) as error:
        reusable(before, [word])
    assert text in str(error.value)


def test_all_faults_are_told_together(tmp_path):
    before = stored(tmp_path)
    with pytest.raises(ConfigError, match=r"configuration \(2\):\n  - optim.lrr: .*\n  - model.heads: "):
        reusable(before, ["optim.lrr=1", "model.heads=2"])


SQL = ("data=table", "data.target=y", "data.sql.query='select 1'", "task=binary")


def test_a_secret_has_to_be_given_again(tmp_path):
    before = stored(tmp_path, *SQL, "data.sql.uri=postgresql://me:pa55@host/db")
    with pytest.raises(ConfigError) as error:
        reusable(before)
    assert str(error.value) == (
        "configuration: data.sql.uri: holds a secret, which the record of a run does not keep: give it again, "
        "data.sql.uri=... or 'data.sql.uri=${oc.env:NAME}'"
    )
    uri = "postgresql://me:pa55@host/db?sslmode=require"
    cfg = reusable(before, [f"data.sql.uri={uri}"])
    assert cfg.data.sql.uri == uri
    assert "data.sql.uri=postgresql://me:***@host/db?sslmode=require" in cfg.overrides
    assert "pa55" not in OmegaConf.to_yaml(redact(cfg))


def test_a_secret_of_the_environment_is_still_there(tmp_path, monkeypatch):
    before = stored(tmp_path, *SQL, "data.sql.uri='${oc.env:SHOP_URI}'")
    cfg = reusable(before)
    with pytest.raises(Exception, match="SHOP_URI"):
        _ = cfg.data.sql.uri
    assert reusable(before, ["data.sql.uri=duckdb:///x.db"]).data.sql.uri == "duckdb:///x.db"
    monkeypatch.setenv("SHOP_URI", "postgresql://me:pa55@host/db")
    assert cfg.data.sql.uri == "postgresql://me:pa55@host/db"
    again = reusable(before, ["data.sql.uri='${oc.env:OTHER_URI}'"])
    assert "data.sql.uri='\\${oc.env:OTHER_URI}'" in OmegaConf.to_container(again, resolve=False)["overrides"]
