from pathlib import Path

import pytest

from colonnade.config import locate
from colonnade.core.errors import ConfigError


def test_the_shipped_folder():
    folder = locate.shipped()
    assert (folder / "train.yaml").is_file()
    assert locate.is_shipped(str(folder))
    assert locate.is_shipped(f"file://{folder}")
    assert not locate.is_shipped("pkg://hydra.conf")
    assert not locate.is_shipped("/")


def test_the_users_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert locate.user() is None
    (tmp_path / "conf").mkdir()
    assert locate.user() == (tmp_path / "conf").resolve()
    monkeypatch.chdir(locate.shipped().parent)
    assert locate.user() is None, "in a checkout ./conf is the shipped one"


def test_one_choice_of_a_group(tmp_path, monkeypatch):
    assert locate.load_choice("task", "binary")["_target_"].startswith("colonnade.tasks.")
    monkeypatch.chdir(tmp_path)
    folder = Path("conf/task")
    folder.mkdir(parents=True)
    (folder / "binary.yaml").write_text("name: mine")
    (folder / "listed.yaml").write_text("defaults: [binary]")
    assert locate.load_choice("task", "binary").name == "mine"
    with pytest.raises(ConfigError, match=r"^task=binari: there is no such task; did you mean 'binary'\?$"):
        locate.load_choice("task", "binari")
    with pytest.raises(ConfigError, match="without a defaults list"):
        locate.load_choice("task", "listed")
