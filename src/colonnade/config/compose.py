"""Compose: from words such as ``model=tabnet`` to a configuration, for Python and for tests."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from omegaconf import DictConfig, OmegaConf

from colonnade.config.kept import divided, kept, with_values
from colonnade.config.locate import PRIMARY, shipped
from colonnade.config.record import redact_words
from colonnade.core.errors import ConfigError

if TYPE_CHECKING:
    from hydra.core.config_loader import ConfigLoader

# What decides which trainings there are, and nothing about any of them.
SEARCH = ("tune", "launcher", "search", "fresh")


def compose(
    overrides: Sequence[str] = (), config_dirs: Sequence[Path | str] = (), config_name: str = PRIMARY
) -> DictConfig:
    """Compose a configuration as ``colonnade train`` does.

    Args:
        overrides: words as on the command line.
        config_dirs: folders with further files, such as ``data/mine.yaml``.
        config_name: the primary file, without ``.yaml``.

    Returns:
        The configuration, with ``choices`` (group to file) and ``overrides`` as a record of how it was asked for.

    Raises:
        ConfigError: a word is not understood, or names a choice or key that does not exist; all of them are told.
    """
    from colonnade.config.auto import with_model

    ask = Request(config_name, tuple(config_dirs))

    def once(words: Sequence[str]) -> DictConfig:
        return composed(words, ask)

    try:
        return of_training(once(with_model(overrides, once)))
    except refusals() as error:
        from colonnade.config.overrides import correct

        return of_training(once(with_model(correct(overrides, ask, error), once)))


@dataclass(frozen=True)
class Request:
    """Where a composition begins and what it searches.

    Args:
        config_name: the primary file, without ``.yaml``.
        config_dirs: further folders to search.
        sweep: whether several values for one key are meant (``-m``).
    """

    config_name: str = PRIMARY
    config_dirs: tuple[Path | str, ...] = ()
    sweep: bool = False


def composed(words: Sequence[str], ask: Request) -> DictConfig:
    """Compose once, with Hydra's own errors."""
    from hydra import compose as hydra_compose

    with session(ask.config_dirs) as loader:
        files, values = divided(words, loader)
        if any(override.is_sweep_override() for override in values):
            # Refused, in Hydra's words.
            files, values = tuple(words), []
        whole = kept(
            ask.config_name,
            files,
            loader,
            lambda: hydra_compose(ask.config_name, list(files), return_hydra_config=True),
        )
        cfg = with_values(whole, values)
    cfg.hydra.overrides.task = [word for word in words if not word.lstrip("+~").startswith(("hydra.", "hydra/"))]
    return with_record(cfg, cfg.hydra)


def with_record(cfg: DictConfig, hydra: DictConfig) -> DictConfig:
    """The configuration without Hydra's node, but with what that knows of how it was asked for.

    Args:
        cfg: a composed configuration; it is changed.
        hydra: the ``hydra`` node that it was composed with.
    """
    choices = {str(k): name for k, name in hydra.runtime.choices.items() if not str(k).startswith("hydra/")}
    words = OmegaConf.to_container(hydra.overrides.task, resolve=False)
    OmegaConf.set_struct(cfg, False)
    cfg.pop("hydra", None)
    cfg.choices = choices
    # A reference within a word is part of the text, not of this configuration.
    cfg.overrides = [word.replace("${", "\\${") for word in redact_words(words)]  # type: ignore[arg-type]
    OmegaConf.set_struct(cfg, True)
    return cfg


def defaults_of_hydra() -> dict[str, str]:
    """Asks Hydra 1.3 for its present defaults; 1.4 has no others, and complains when it is asked."""
    return {} if version("hydra-core").startswith("1.4") else {"version_base": "1.3"}


def of_training(cfg: DictConfig) -> DictConfig:
    """The configuration of one training: what only a search needs is taken out of it."""
    OmegaConf.set_struct(cfg, False)
    for key in SEARCH:
        cfg.pop(key, None)
        cfg.choices.pop(key, None)
    OmegaConf.set_struct(cfg, True)
    return cfg


def refusals() -> tuple[type[Exception], ...]:
    """What a composition raises; Hydra answers ``group=null`` with a plain ValueError."""
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    return (HydraException, OmegaConfBaseException, ValueError)


@contextmanager
def session(config_dirs: Sequence[Path | str] = ()) -> Iterator[ConfigLoader]:
    """Hydra with our search path, and its state as it was afterwards; gives its loader.

    Args:
        config_dirs: further folders to search, after the shipped one, as ``--config-dir`` adds them.

    Raises:
        ConfigError: a folder does not exist.
    """
    from hydra import initialize_config_dir
    from hydra._internal.config_loader_impl import ConfigLoaderImpl
    from hydra.core.config_search_path import SearchPathQuery
    from hydra.core.global_hydra import GlobalHydra

    from colonnade.config.files import Files, choices_where_asked

    with initialize_config_dir(str(shipped()), **defaults_of_hydra()):
        loader = GlobalHydra.instance().config_loader()
        path = loader.get_search_path()
        for folder in config_dirs:
            if not Path(folder).is_dir():
                raise ConfigError(f"there is no folder '{folder}' of configurations")
            path.prepend("command-line", f"file://{Path(folder).resolve()}", SearchPathQuery(provider="schema"))
        if isinstance(loader, ConfigLoaderImpl):
            loader.repository = Files(path)
        with choices_where_asked():
            yield loader
