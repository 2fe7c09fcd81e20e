import time

import pytest
from omegaconf import OmegaConf

from colonnade.config.compose import compose
from colonnade.config.record import config_hash, load_config, redact, redact_words, stored_text
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
                "select": {"token": ">0"},
                "replace": {"token": {"a": "b"}, "city": {"secret": "x"}},
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
            "select": {"token": ">0"},
            "replace": {"token": {"a": "b"}, "city": {"secret": "x"}},
        },
        "keyboard": "qwerty",
    }
    assert cfg.logger.wandb.api_key == "k1", "the configuration itself keeps them"


@pytest.mark.parametrize(
    ("uri", "stored"),
    [
        ("postgresql://h/db?user=u&password=hunter2", "postgresql://h/db?user=u&password=***"),
        ("duckdb:///md:x?motherduck_token=hunter2", "duckdb:///md:x?motherduck_token=***"),
        ("x://h?sslpassword=hunter2&authToken=hunter2&mode=a", "x://h?sslpassword=***&authToken=***&mode=a"),
        ("mysql://u:p@ss/hunter2@h/x", "mysql://u:***@h/x"),
        ("postgresql://me@server:hunter2@h/x", "postgresql://me@server:***@h/x"),
        ("https://h:80/x.csv?n_tokens=3", "https://h:80/x.csv?n_tokens=3"),
        ("mysql://u:hunter2@h/${oc.env:DB}", "mysql://u:***@h/${oc.env:DB}"),
        ("mysql://${user}:${oc.env:DB}@h?token=${oc.env:DB}", "mysql://me:${oc.env:DB}@h?token=${oc.env:DB}"),
    ],
)
def test_secrets_within_addresses_of_all_kinds(uri, stored):
    clean = redact(OmegaConf.create({"uri": uri, "user": "me"}))
    assert OmegaConf.to_container(clean, resolve=False)["uri"] == stored


def test_text_that_looks_like_an_interpolation_stays_text(tmp_path):
    cfg = OmegaConf.create({"a": r"\${now:%Y}", "b": r"x\\\${y}", "c": r"^\d+\\$", "overrides": [r"q=\${oc.env:Z}"]})
    path = tmp_path / "config.yaml"
    path.write_text(OmegaConf.to_yaml(redact(cfg)))
    assert OmegaConf.to_container(load_config(path), resolve=True) == OmegaConf.to_container(cfg, resolve=True)


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


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        ("${oc.env:${name}}", "${oc.env:${name}}"),
        ("${ oc.env:KEY }", "${oc.env:KEY }"),
        ("x://u:hunter2@h/${oc.decode:${oc.env:DB}}", "x://u:***@h/${oc.decode:${oc.env:DB}}"),
        ("${scheme}://u:hunter2@h/${oc.env:DB}", "x://u:***@h/${oc.env:DB}"),
    ],
)
def test_neither_a_secret_of_the_environment_nor_one_beside_a_reference_is_stored(tmp_path, monkeypatch, value, stored):
    monkeypatch.setenv("KEY", "hunter2")
    monkeypatch.setenv("DB", "9")
    path = tmp_path / "config.yaml"
    path.write_text(OmegaConf.to_yaml(redact(OmegaConf.create({"a": value, "name": "KEY", "scheme": "x"}))))
    assert "hunter2" not in path.read_text()
    loaded = load_config(path)
    assert OmegaConf.to_container(loaded, resolve=False)["a"] == stored
    assert loaded.a in ("hunter2", "x://u:***@h/9")


def test_interpolations_are_kept_on_request():
    content = {
        "uri": "${scheme}://me:${oc.env:DB_PASSWORD}@host/${data.name}",
        "data": {"name": "${oc.select:nothing,db}", "password": "${oc.env:DB_PASSWORD}", "token": "${uri}"},
        "later": {"api_key": "???"},
        "text": r"\${now:%Y} \\\${y}",
        "deep": "${oc.select:a,${oc.select:b,${oc.select:c,${oc.select:d,e}}}}",
        "scheme": "postgresql",
    }
    spelled = {"first": {"password": "pa55"}, "second": {"password": "${oc.select:nothing,pa55}"}}
    spelled["third"] = {"uri": "${scheme}://me:pa55@host/${data.name}"}
    clean = OmegaConf.to_container(redact(OmegaConf.create(content | spelled), resolve=False), resolve=False)
    assert {key: clean[key] for key in content} == content
    assert [clean[key] for key in spelled] == [
        {"password": "***"},
        {"password": "***"},
        {"uri": "${scheme}://me:***@host/${data.name}"},
    ]


def test_words():
    words = ["seed=3", "+logger.wandb.api_key=k1", "data.password=${oc.env:X}", "data.uri=sqlite://a:b@c/d"]
    by_column = [
        "data.columns.token=text",
        "data.select.secret=>0",
        "data.replace.token={a: b}",
        "+data.levels.pwd=[a]",
    ]
    assert redact_words(by_column) == by_column
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
        ("a: " + "[" * 5000, "config.yaml' is damaged: it is nested more than 50 levels deep"),
        ("a: &x [1]\nb: *x", "has YAML aliases, which a stored configuration never has: it is none of ours"),
        (
            "a: ${oc.env:A}-${now:%Y}",
            r"holds '\$\{oc.env:A\}-\$\{now:%Y\}'; of interpolations, .* may only have \$\{a.b\} and",
        ),
        ("a: '${oc.create:{_target_:os.system}}'", "of interpolations"),
        ("a: '${oc.env:X,${oc.create:y}}'", "of interpolations"),
        ("a: '${${b}:y}'", "of interpolations"),
        (r"a: '\\${oc.create:y}'", "of interpolations"),
        ("a: '" + "${oc.env:A," * 3000 + "}" * 3000 + "'", "of interpolations"),
    ],
)
def test_a_stored_configuration_from_elsewhere_is_refused(tmp_path, text, message):
    path = tmp_path / "config.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message):
        load_config(path)


def test_a_bomb_of_aliases_is_refused_at_once(tmp_path):
    # 9^5 leaves would load in seconds.
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 5)]
    path = tmp_path / "config.yaml"
    path.write_text("\n".join(lines))
    start = time.perf_counter()
    with pytest.raises(ConfigError, match="has YAML aliases, which a stored configuration never has"):
        load_config(path)
    assert time.perf_counter() - start < 2


def test_plain_references_and_those_to_the_environment_are_taken(tmp_path, monkeypatch):
    monkeypatch.setenv("PORT", "80")
    path = tmp_path / "config.yaml"
    path.write_text(
        r"{a: 1, b: '${a}', c: 'h:${oc.env:NOT,${oc.env:PORT}}', d: '${oc.decode:${oc.env:PORT}}', e: '\${x:}'}"
    )
    assert OmegaConf.to_container(load_config(path), resolve=True) == {
        "a": 1,
        "b": 1,
        "c": "h:80",
        "d": 80,
        "e": "${x:}",
    }


def test_what_is_stored_has_no_aliases():
    shared = [1, {"x": 2}]
    assert "*" not in OmegaConf.to_yaml(redact(OmegaConf.create({"a": shared, "b": shared, "c": "${a}"})))


@pytest.mark.parametrize(
    "text", ["1", "1e3", "-.5", "1_0", "0x10", "yes", "n", "null", "~", ".inf", "nan", "1:30", "é", "*b"]
)
def test_text_stays_text_where_it_is_stored(text, tmp_path):
    cfg = OmegaConf.create({"a": [text, " "], "b": {text: 1e-05}, "c": None, "d": []})
    (tmp_path / "config.yaml").write_text(stored_text(cfg), encoding="utf-8")
    assert load_config(tmp_path / "config.yaml") == cfg
    assert stored_text(cfg) == OmegaConf.to_yaml(cfg)


def test_a_huge_file_is_refused(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text("a: " + "x" * 1_100_000)
    with pytest.raises(ConfigError, match="1,100,003 bytes; a configuration has at most 1,000,000"):
        load_config(path)
