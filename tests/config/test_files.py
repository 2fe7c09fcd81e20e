"""Files that are read once give what Hydra reads each time, and those that change are read again."""

import pytest
import yaml
from hydra._internal.config_repository import ConfigRepository
from hydra._internal.utils import create_config_search_path
from omegaconf import OmegaConf

from colonnade.config import files
from colonnade.config.compose import Request, composed
from colonnade.config.files import Files
from colonnade.config.locate import shipped


@pytest.fixture
def counted(monkeypatch):
    """The YAML texts that are read."""
    read = []
    load = yaml.load
    monkeypatch.setattr(files, "_read", {})
    monkeypatch.setattr(yaml, "load", lambda *given, **more: read.append(1) or load(*given, **more))
    return read


@pytest.mark.parametrize("name", ["train", "model/tabm", "experiment/quick", "hydra/job_logging/default"])
def test_it_gives_what_hydra_reads(name):
    path = create_config_search_path(str(shipped()))
    expected = ConfigRepository(path).load_config(name)
    for _ in range(2):
        found = Files(path).load_config(name)
        assert OmegaConf.to_yaml(found.config) == OmegaConf.to_yaml(expected.config)
        assert found.defaults_list == expected.defaults_list
        assert (found.header, found.path, found.provider) == (expected.header, expected.path, expected.provider)
        assert found.is_schema_source == expected.is_schema_source
        # Who composes changes what it is given.
        found.config.clear()
        found.defaults_list.clear()


def test_what_is_not_there_is_not_there():
    assert Files(create_config_search_path(str(shipped()))).load_config("model/nothing") is None


def test_another_choice_reads_its_own_files_only(counted):
    composed(["model=mlp", "data=wine"], Request())
    first = len(counted)
    composed(["model=linear", "data=wine"], Request())
    assert first > 20
    assert len(counted) - first < 4


def test_a_file_that_has_changed_is_read_again(mini, counted):
    path = create_config_search_path(str(mini))
    file = mini / "optim" / "small.yaml"
    assert "added" not in Files(path).load_config("optim/small").config
    file.write_text(file.read_text().replace("{", "{added: 3, ", 1))
    assert Files(path).load_config("optim/small").config.added == 3
    assert len(counted) == 2


def test_choices_are_known_to_a_list_that_refers_to_them(mini):
    (mini / "refers.yaml").write_text("defaults: [mini, optim@again: '${optim}']\n")
    cfg = composed(["optim=text"], Request(config_name="refers", config_dirs=(mini,)))
    assert cfg.again == cfg.optim
    assert cfg.again.lr == "1e-3"
