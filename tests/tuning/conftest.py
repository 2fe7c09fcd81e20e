import pytest
from hydra._internal.hydra import Hydra
from hydra._internal.utils import create_config_search_path
from hydra.core.global_hydra import GlobalHydra
from hydra.types import RunMode

from colonnade.config.build import build
from colonnade.config.locate import shipped
from colonnade.tuning.composer import Composer
from colonnade.tuning.plan import plan


@pytest.fixture
def planned():
    """Plans the words of a search as ``-m`` does."""

    def call(*words):
        GlobalHydra.instance().clear()
        hydra = Hydra.create_main_hydra2("train", create_config_search_path(str(shipped())))
        config = hydra.compose_config("train", list(words), run_mode=RunMode.MULTIRUN, with_log_configuration=False)
        choice = config.hydra.runtime.choices["tune"]
        try:
            composer = Composer(config, hydra.config_loader)
            return plan(list(config.hydra.overrides.task), build(config.tune), choice, composer)
        finally:
            GlobalHydra.instance().clear()

    return call


@pytest.fixture
def databases(monkeypatch):
    """Closes the connections that a test has opened; those of a process that ends are closed by the system."""
    from colonnade.tuning import storage

    opened = []
    make = storage._database
    monkeypatch.setattr(storage, "_database", lambda url: opened.append(make(url)) or opened[-1])
    yield
    for one in opened:
        one.scoped_session.remove()
        one.engine.dispose()
