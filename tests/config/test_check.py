import pytest
import torch

from colonnade.config.check import check
from colonnade.config.compose import compose
from colonnade.core.errors import ConfigError


def faults(mini, *words):
    with pytest.raises(ConfigError) as error:
        check(compose(words, [mini], "mini"))
    return str(error.value)


def test_a_sound_configuration_passes_and_leaves_random_numbers_alone(mini):
    cfg = compose([], [mini], "mini")
    before = torch.random.get_rng_state()
    check(cfg)
    assert torch.equal(before, torch.random.get_rng_state())
    assert cfg.run_dir is None, "the configuration itself is left as it was"


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["optim.lr=abc"], "configuration: optim.lr: expected a number, got text 'abc'"),
        (["optim=text"], "optim.lr: expected a number, got text '1e-3'; write 1e-3 without quotes"),
        (["optim.lr=-5"], "configuration: optim: lr must be above 0, got -5"),
        (["optim.kind=c"], "optim.kind: expected one of a, b, got text 'c'"),
        (["loader.batch_size=1e-3"], "loader.batch_size: expected an integer, got 0.001"),
        (["loader.batch_size=0"], "loader: batch_size must be at least 1, got 0"),
        (["model.backbone.dropout=2"], "model: dropout must lie in [0, 1), got 2"),
        (["module.micro_batch=-1"], "module: micro_batch must be at least 1, got -1"),
        (["trainer.max_epochs=many"], "trainer.max_epochs: expected an integer or null, got text 'many'"),
        (["trainer.max_epochs=-5"], "trainer.max_epochs: must be at least -1, got -5"),
        (["+trainer.max_epoch=5"], "trainer.max_epoch: Trainer takes no 'max_epoch'; did you mean 'max_epochs'"),
        (["seed=-1"], "seed: must be at least 0, got -1"),
        (["seed=abc"], "seed: expected an integer, got text 'abc'"),
        (["threads=0"], "threads: must be at least 1, got 0"),
        (["overwrite=1"], "overwrite: expected true or false, got 1"),
        (["data=wanting"], "data.path: must be given, data.path=..."),
        (["~callbacks.watch.patience"], "callbacks.watch.patience: must be given, Watch requires it"),
        (["callbacks=hollow"], "callbacks.watch: must be a node with _target_ or null, got keys monitor"),
        (["model=evil"], "model._target_: 'os.system' is not among the targets"),
        (["~split"], "split: must be a node with _target_, got nothing"),
        (["+model.spec=3"], "model.spec: is set by the run"),
        (["data.target=[a,b]"], "data.target: names 2 columns, task=small predicts one; choose task=multilabel"),
        (["callbacks.watch.monitor=${task.nothing}"], "callbacks.watch.monitor: Interpolation key 'task.nothing'"),
    ],
)
def test_each_fault_has_its_text(mini, words, text):
    assert text in faults(mini, *words)


def test_files_are_checked_as_words_are(mini):
    text = faults(mini, "experiment=typo")
    assert "sede: there is no such key; did you mean 'seed'?" in text
    assert "optim.lrr: Optim takes no 'lrr'; did you mean 'lr'?" in text
    assert "_mine" not in text, "keys with an underscore are the user's own"


def test_all_faults_are_told_at_once(mini):
    text = faults(mini, "optim.lr=abc", "loader.batch_size=2.5", "seed=-1", "trainer.max_epochs=x")
    assert text.startswith("configuration (4):\n  - ")
    out_of_range = faults(mini, "optim.lr=0", "loader.batch_size=0")
    assert out_of_range.startswith("configuration (2):")


def test_what_refers_to_a_value_not_given_is_no_fault_of_its_own(mini):
    assert faults(mini, "task=later") == "configuration: task.monitor: must be given, task.monitor=..."


def test_null_switches_a_callback_off(mini):
    check(compose(["callbacks.watch=null"], [mini], "mini"))


def test_whatever_a_configuration_names_is_not_called_when_it_is_not_listed(mini, tmp_path):
    proof = tmp_path / "proof"
    (mini / "model" / "evil.yaml").write_text(f"{{_target_: pathlib.Path.touch, self: {proof}}}")
    assert "not among the targets" in faults(mini, "model=evil")
    assert not proof.exists()


def test_a_table_comes_from_somewhere():
    with pytest.raises(ConfigError) as error:
        check(compose([]))
    assert str(error.value) == (
        "configuration (2):\n"
        "  - data.path: nothing to read: data.path=table.csv data.target=y, or a known set such as data=adult\n"
        "  - data.target: which column is to be predicted? data.target=name"
    )


def test_under_auto_the_stand_in_for_the_task_blames_nothing():
    words = ["data.path=a.csv", "data.target=[a,b]"]
    check(compose([*words, "task=auto"]))
    with pytest.raises(ConfigError, match=r"^configuration: data\.target: names 2 columns, task=binary predicts one"):
        check(compose([*words, "task=binary"]))


@pytest.mark.parametrize(
    ("words", "texts"),
    [
        (["optim.lr=-5", "loader.batch_size=0"], ["lr must be above 0", "batch_size=0 must be at least 1"]),
        (["model=tabm", "model.backbone.dropout=2.0"], ["model: dropout=2.0 is out of range"]),
        (["split=kfold", "split.folds=1"], ["split.folds=1 must be at least 2"]),
        (["module.ema=2"], ["module: "]),
        (["model.backbone.d_hidden=[a]"], ["model.backbone.d_hidden: expected a list of an integer, got ['a']"]),
    ],
)
def test_values_of_the_shipped_configurations_are_checked_too(words, texts):
    with pytest.raises(ConfigError) as error:
        check(compose(["data=breast_cancer", *words]))
    for text in texts:
        assert text in str(error.value)
