import time

import pytest
from omegaconf import OmegaConf

from colonnade.config.compose import compose
from colonnade.config.record import config_hash, load_config, redact, redact_words
from colonnade.core.errors import ConfigError


def test_secrets_are_redacted_by_key_and_within_addresses():
    cfg = OmegaConf.create(
        {
            "logger": {"wandb": {"api_key": "k1", "apiToken": "k2", "project": "p", "n_tokens": 5, "token": None}},
            "data": {
                "source": {"uri": "postgresql://me:pa55@host/db", "query": "select 1"},
                "credentials": {"user": "me", "password": "k3"},
                "path": "https://me:pa55@host/x.csv?token=k4&a=1",
                "columns": {"password": "text", "token": "id"},
            },
            "keyboard": "qwerty",
        }
    )
    clean = redact(cfg)
    assert OmegaConf.to_container(clean) == {
        "logger": {"wandb": {"api_key": "***", "apiToken": "***", "project": "p", "n_tokens": 5, "token": None}},
        "data": {
            "source": {"uri": "postgresql://me:***@host/db", "query": "select 1"},
            "credentials": {"user": "me", "password": "***"},
            "path": "https://me:***@host/x.csv?token=***&a=1",
            "columns": {"password": "text", "token": "id"},
        },
        "keyboard": "qwerty",
    }
    assert cfg.logger.wandb.api_key == "k1", "the configuration itself keeps them"


def test_references_to_the_environment_stay_references(monkeypatch):
    monkeypatch.setenv("DB_PASSWORD", "pa55")
    cfg = OmegaConf.create(
        {
            "uri": "postgresql://me:${oc.env:DB_PASSWORD}@host/db",
            "data": {"uri": "${uri}", "password": "${oc.env:DB_PASSWORD}"},
            "seed": 3,
            "other": "${seed}",
        }
    )
    text = OmegaConf.to_yaml(redact(cfg))
    assert "pa55" not in text
    stored = OmegaConf.create(text)
    assert stored.data.uri == "postgresql://me:pa55@host/db"
    assert stored.data.password == "pa55"
    assert OmegaConf.to_container(stored, resolve=False)["other"] == 3


def test_words():
    words = ["seed=3", "+logger.wandb.api_key=k1", "data.password=${oc.env:X}", "data.uri=sqlite://a:b@c/d"]
    assert redact_words(words) == [
        "seed=3",
        "+logger.wandb.api_key=***",
        "data.password=${oc.env:X}",
        "data.uri=sqlite://a:***@c/d",
    ]


@pytest.mark.parametrize(
    ("words", "same"),
    [
        ([], True),
        (["overwrite=true"], True),
        (["debug=true"], True),
        (["run_dir=elsewhere"], True),
        (["optim=small"], True),
        (["data.password=other"], True),
        (["seed=1"], False),
        (["optim.lr=0.5"], False),
        (["trainer.max_epochs=4"], False),
        (["threads=1"], False),
        (["trainer.enable_progress_bar=false"], True),
        (["trainer.enable_model_summary=true"], True),
        (["+callbacks.progress={_target_: smallparts.Any}"], True),
        (["callbacks.watch=null"], False),
        # A recovery checkpoint counts chunks.
        (["loader.chunk=4"], False),
    ],
)
def test_the_hash_counts_what_decides_the_outcome(mini, words, same):
    base = config_hash(compose(["data.password=hush"], [mini], "mini"))
    other = config_hash(compose(["data.password=hush", *words], [mini], "mini"))
    assert (base == other) is same


def test_a_stored_configuration_comes_back(mini, tmp_path):
    cfg = compose([], [mini], "mini")
    path = tmp_path / "config.yaml"
    path.write_text(OmegaConf.to_yaml(redact(cfg)))
    loaded = load_config(path)
    assert loaded.callbacks.watch.monitor == "val/log_loss"
    assert config_hash(loaded) == config_hash(cfg)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("hydra: {callbacks: {x: {_target_: os.system}}}", "has a hydra node"),
        ("model: {_target_: os.system, command: ls}", "'os.system' is not among the targets"),
        ("a: [{b: {_target_: torch.load}}]", "'torch.load' is not among the targets"),
        ("- 1", "is not a mapping"),
        ("a: [", "is not YAML"),
        ("a: !!python/object/apply:os.system [ls]", "is not YAML"),
    ],
)
def test_a_stored_configuration_from_elsewhere_is_refused(tmp_path, text, message):
    path = tmp_path / "config.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message):
        load_config(path)


def test_a_bomb_of_aliases_is_refused_at_once(tmp_path):
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 15)]
    path = tmp_path / "config.yaml"
    path.write_text("\n".join(lines))
    start = time.perf_counter()
    with pytest.raises(ConfigError, match="YAML aliases; a configuration has at most 100"):
        load_config(path)
    assert time.perf_counter() - start < 2


def test_a_huge_file_is_refused(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text("a: " + "x" * 1_100_000)
    with pytest.raises(ConfigError, match="1,100,003 bytes; a configuration has at most 1,000,000"):
        load_config(path)
