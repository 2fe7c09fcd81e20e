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
        (
            ["trainer.gradient_clip_val=1.0"],
            "configuration: trainer.gradient_clip_val: the module takes its steps itself; use optim.grad_clip",
        ),
        (
            ["+trainer.accumulate_grad_batches=2"],
            "trainer.accumulate_grad_batches: the module takes its steps itself; use a larger loader.batch_size, and "
            "module.micro_batch if memory is short",
        ),
        (["trainer.accumulate_grad_batches=0"], "trainer.accumulate_grad_batches: must be at least 1, got 0"),
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


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (
            ["loader.batch_size=abc", "optim.lr=-5"],
            ["loader.batch_size: expected", "optim: lr must be above 0, got -5"],
        ),
        (["model=nett", "optim.lr=-5"], ["model=nett: there is no such model", "optim: lr must be above 0, got -5"]),
        (["sede=1", "seed=-1", "module.micro_batch=0"], ["sede: ", "seed: ", "module: micro_batch must be at least 1"]),
        (["optim.lr=-5", "model.backbone.dropout=2"], ["optim: lr", "model: dropout must lie in [0, 1), got 2"]),
        (["module.micro_batch=a", "model.backbone.dropout=2"], ["module.micro_batch: ", "model: dropout must lie"]),
        (["callbacks=hollow", "optim.lr=0"], ["callbacks.watch: must be", "optim: lr"]),
        (["~split", "optim.lr=0"], ["split: must be a node", "optim: lr"]),
        (["~data", "optim.lr=0"], ["data: must be a node", "optim: lr"]),
        # What is made from something faulty is not made.
        (["optim.lr=abc", "module.micro_batch=0"], ["optim.lr: expected a number"]),
        (["model.width=a", "module.micro_batch=0"], ["model.width: expected an integer"]),
        (["task=later", "model.backbone.dropout=2"], ["task.monitor: must be given"]),
    ],
)
def test_ranges_are_told_beside_names_and_types(mini, words, told):
    text = faults(mini, *words)
    assert max(1, text.count("\n  - ")) == len(told), text
    for part in told:
        assert part in text


def test_a_backend_of_the_compiler_is_known():
    words = ["data=breast_cancer", "optim.lr=-5"]
    with pytest.raises(ConfigError) as error:
        check(compose([*words, "module.compile=indctor"]))
    assert "module.compile: there is no backend 'indctor'; did you mean 'inductor'?" in str(error.value)
    assert "optim: lr must be above 0" in str(error.value)
    check(compose(["data=breast_cancer", "module.compile=aot_eager"]))


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
