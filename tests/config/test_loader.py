"""What is composed once is what Hydra composes twice."""

import pytest
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.utils import create_config_search_path
from hydra.core.utils import JobRuntime, setup_globals
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import OmegaConf

from colonnade.cli.commands import main
from colonnade.config import kept
from colonnade.config.loader import Loader
from colonnade.config.locate import shipped

WORDS = [
    [],
    ["model=mlp", "data=wine", "hydra.run.dir=somewhere", "hydra.mode=RUN"],
    ["optim.lr=0.5", "model=tabm", "~logger", "++data.new.key=null", "hydra.job.name=mine", "hydra.verbose=true"],
    ["experiment=quick", "hydra.job.env_copy=[HOME]", "hydra.job.config.override_dirname.exclude_keys=[experiment]"],
    ["hydra.searchpath=[file:///nowhere]", "model=mlp"],
]


@pytest.fixture(autouse=True)
def _job():
    setup_globals()
    JobRuntime.instance().set("name", "train")
    kept._kept.clear()


def loader(kind):
    return kind(create_config_search_path(str(shipped())))


@pytest.mark.filterwarnings("ignore:provider=.* is not available")
@pytest.mark.parametrize("words", WORDS, ids=" ".join)
def test_it_is_what_hydra_composes(words):
    expected = loader(ConfigLoaderImpl).load_configuration("train", words, RunMode.RUN)
    for asks in (False, True):
        found = loader(Loader).load_configuration("train", words, RunMode.RUN, validate_sweep_overrides=asks)
        assert OmegaConf.to_yaml(found) == OmegaConf.to_yaml(expected)
        assert OmegaConf.is_struct(found)
        assert not OmegaConf.is_readonly(found.hydra)
        # What is done with one leaves the next as it is.
        found.optim.lr = found.hydra.job.name = 7


def test_several_jobs_are_composed_by_hydra():
    words = ["model=mlp,tabm", "optim.lr=0.1,0.2"]
    expected, found = (
        loader(kind).load_configuration("train", words, RunMode.MULTIRUN) for kind in (ConfigLoaderImpl, Loader)
    )
    assert OmegaConf.to_yaml(found) == OmegaConf.to_yaml(expected)
    assert not kept._kept
    with pytest.raises(HydraException, match="Ambiguous value for argument 'model=mlp,tabm'"):
        loader(Loader).load_configuration("train", words, RunMode.RUN)


def test_a_command_composes_its_files_once(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("colonnade.cli.train.job", lambda cfg: {})
    composed = ConfigLoaderImpl.load_configuration
    asked = []

    def load(self, name, words, *more):
        asked.append(words)
        return composed(self, name, words, *more)

    monkeypatch.setattr(ConfigLoaderImpl, "load_configuration", load)
    for rate in (0.1, 0.2):
        assert main(["train", "model=mlp", f"optim.lr={rate}", "hydra.run.dir=run"]) == 0
    assert asked == [["model=mlp"]]
