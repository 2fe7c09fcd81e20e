"""Compositions that are kept are those that Hydra makes anew, and follow what changes in the files."""

import pytest
from hydra import compose as hydra_compose
from omegaconf import OmegaConf

from colonnade.config import kept as module
from colonnade.config.compose import Request, composed, session, with_record
from colonnade.core.errors import ConfigError

WORDS = [
    ["model=mlp", "data=wine"],
    ["data=wine", "optim.lr=0.5", "model=tabm", "+_mine=[1,{a: b}]"],
    ["model=mlp", "~module.ema", "~logger", "task=binary", "data.target=y", "++data.new.key=null"],
    ["model=gru", "data=digits_rows", "experiment=quick", "trainer.max_epochs=7", "hydra.run.dir=somewhere"],
    ["model=nlinear", "data=co2", "cv=rolling_origin", "data.horizon=${data.season}"],
]


def anew(words):
    """What Hydra gives without any help."""
    with session():
        cfg = hydra_compose("train", list(words), return_hydra_config=True)
    return with_record(cfg, cfg.hydra)


@pytest.mark.parametrize("words", WORDS, ids=" ".join)
def test_it_is_what_hydra_makes(words):
    for _ in range(2):
        assert OmegaConf.to_yaml(composed(words, Request())) == OmegaConf.to_yaml(anew(words))


def test_files_are_composed_once_and_copies_are_independent(monkeypatch):
    module._kept.clear()
    first = composed(["model=mlp", "data=wine", "optim.lr=0.1"], Request())
    first.optim.lr = 0.9
    before = dict(module._kept)
    second = composed(["model=mlp", "data=wine", "optim.lr=0.2"], Request())
    assert second.optim.lr == 0.2
    assert composed(["model=mlp", "data=wine"], Request()).optim.lr not in (0.1, 0.9, 0.2)
    assert module._kept.keys() == before.keys()
    assert all(module._kept[key] is value for key, value in before.items())


def test_a_file_that_changes_is_read_again(mini, monkeypatch):
    ask = Request(config_name="mini", config_dirs=(mini,))
    path = mini / "optim" / "small.yaml"
    assert "added" not in composed(["optim=small"], ask).optim
    path.write_text(path.read_text().replace("{", "{added: 3, ", 1))
    assert composed(["optim=small"], ask).optim.added == 3


def test_few_are_kept(monkeypatch):
    module._kept.clear()
    monkeypatch.setattr(module, "ROOM", 2)
    for model in ("linear", "mlp", "tabm"):
        composed([f"model={model}"], Request())
    assert [key[1] for key in module._kept] == [("model=mlp",), ("model=tabm",)]


def test_where_too_much_lies_nothing_is_kept(mini, monkeypatch):
    module._kept.clear()
    monkeypatch.setattr(module, "MOST", 10)
    assert composed(["optim.lr=0.3"], Request(config_name="mini", config_dirs=(mini,))).optim.lr == 0.3
    assert not module._kept


def test_a_link_to_nowhere_is_no_configuration(mini):
    (mini / "optim" / ".#small.yaml").symlink_to("someone@somewhere")
    assert composed(["optim=small"], Request(config_name="mini", config_dirs=(mini,))).optim.lr == 1e-3


def test_what_lies_in_further_folders_is_read_each_time(mini, tmp_path):
    further = tmp_path / "further" / "optim" / "other.yaml"
    further.parent.mkdir(parents=True)
    for rate in (0.1, 0.2):
        further.write_text(f"{{_target_: smallparts.Optim, lr: {rate}}}")
        words = [f"hydra.searchpath=[file://{tmp_path / 'further'}]", "optim=other"]
        assert composed(words, Request(config_name="mini", config_dirs=(mini,))).optim.lr == rate


def test_a_sweep_is_refused_in_hydras_words():
    from hydra.errors import HydraException

    with pytest.raises((HydraException, ConfigError), match="(?s)optim.lr=1,2.*--multirun"):
        composed(["model=mlp", "optim.lr=1,2"], Request())
