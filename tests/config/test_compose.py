import sys

import pytest
from hydra.core.global_hydra import GlobalHydra

from colonnade.config.compose import compose
from colonnade.core.errors import ConfigError


def make(mini, *words):
    return compose(words, [mini], "mini")


def test_composes_and_says_how_it_was_asked(mini):
    cfg = make(mini, "optim.lr=0.1", "experiment=good", "data.password=hush")
    assert cfg.optim.lr == 0.1
    assert cfg.seed == 5
    assert cfg.choices.model == "net"
    assert cfg.choices.experiment == "good"
    assert "hydra" not in cfg
    assert not [group for group in cfg.choices if group.startswith("hydra")]
    assert list(cfg.overrides) == ["optim.lr=0.1", "experiment=good", "++data.password=***"]
    assert not GlobalHydra.instance().is_initialized()


def test_an_experiment_wins_over_the_primary_and_the_command_line_over_both(mini):
    assert make(mini, "experiment=good").optim.lr == 0.5
    assert make(mini, "experiment=good", "seed=7").seed == 7


def test_a_key_of_the_signature_needs_no_plus(mini):
    cfg = make(mini, "optim.betas=[0.8,0.9]", "loader.chunk=4", "seed=2")
    assert list(cfg.optim.betas) == [0.8, 0.9]
    assert cfg.loader.chunk == 4
    assert cfg.seed == 2


def test_names_of_columns_are_the_users(mini):
    cfg = make(mini, "data.columns.zip=categorical", "data.columns.age=numeric")
    assert cfg.data.columns == {"zip": "categorical", "age": "numeric"}
    with pytest.raises(ConfigError, match="data.parts has no 'x'"):
        make(mini, "data.parts.x.y=3")


def test_what_stands_in_for_a_missing_choice_is_not_blamed(mini):
    (mini / "data" / "file.yaml").write_text("{_target_: smallparts.Data, path: 3}")
    with pytest.raises(ConfigError, match=r"^configuration: data=mine: there is no such data"):
        make(mini, "data=mine")


def test_choices_in_sub_folders(mini):
    assert make(mini, "model=deep/net").choices.model == "deep/net"


@pytest.mark.parametrize(
    ("words", "texts"),
    [
        (["model=nett"], ["model=nett: there is no such model; did you mean 'net'"]),
        (["optim.lrr=1"], ["optim.lrr: optim has no 'lrr'; did you mean 'lr'?"]),
        (["optim.beta=[1,2]"], ["optim.beta: optim has no 'beta'; did you mean 'betas'?"]),
        (["model.backbone.dropuot=1"], ["model.backbone has no 'dropuot'; did you mean 'dropout'?"]),
        (["lr=1"], ["lr: there is no key 'lr'; did you mean optim.lr?"]),
        (["modle=net"], ["modle: there is no key 'modle'; did you mean 'module' or 'model'?"]),
        (["sede=1"], ["sede: there is no key 'sede'; did you mean 'seed'?"]),
        (["seed.x=1"], ["seed.x: 'seed' holds the value 0, set it as a whole"]),
        (["~callbacks.wach"], ["callbacks.wach: callbacks has no 'wach'; did you mean 'watch'?"]),
        (["experiment=null"], ["'experiment=null': name a choice, or remove the group with ~experiment"]),
        (["seed"], ["'seed': expected key=value"]),
        (["seed=1,2"], ["'seed=1,2': several values need -m (--multirun)"]),
        (["optim.lr=[1,"], ["'optim.lr=[1,'", "quote a value that holds blanks"]),
        (["experiment=godo"], ["experiment=godo: there is no such experiment; did you mean 'good'?"]),
        (["model=a,b"], ["'model=a,b': several values need -m (--multirun)"]),
    ],
)
def test_a_slip_is_told_with_the_nearest_name(mini, words, texts):
    with pytest.raises(ConfigError) as error:
        make(mini, *words)
    for text in texts:
        assert text in str(error.value)


def test_all_slips_are_told_at_once_and_those_of_the_configuration_too(mini):
    with pytest.raises(ConfigError) as error:
        make(mini, "model=nett", "optim.lrr=1", "sede=3", "loader.batch_size=abc", "threads=0", "'='")
    text = str(error.value)
    assert text.startswith("configuration (6):")
    for part in (
        "model=nett",
        "optim.lrr",
        "sede",
        "loader.batch_size: expected an integer",
        "threads: must be at least 1",
    ):
        assert part in text


def test_a_broken_file_is_named(mini):
    (mini / "optim" / "small.yaml").write_text("lr: [1")
    with pytest.raises(Exception, match=r"small\.yaml"):
        make(mini)


def test_the_users_own_conf_is_found(mini, tmp_path, monkeypatch):
    own = tmp_path / "elsewhere" / "conf" / "optim"
    own.mkdir(parents=True)
    (own / "mine.yaml").write_text("{_target_: smallparts.Optim, lr: 0.25}")
    (own / "small.yaml").write_text("{_target_: smallparts.Optim, lr: 0.75}")
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert make(mini, "optim=mine").optim.lr == 0.25
    assert make(mini).optim.lr == 0.75, "a file of the same name replaces ours"


def test_composition_imports_nothing_heavy(mini):
    import subprocess

    code = "import sys; from colonnade.config.compose import compose; compose(['seed=1'], [sys.argv[1]], 'mini'); "
    code += "sys.exit(' '.join({'torch', 'lightning', 'polars', 'numpy'} & set(sys.modules)) or 0)"
    done = subprocess.run([sys.executable, "-c", code, str(mini)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
