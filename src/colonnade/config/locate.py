"""Locate: where configuration files lie, in a checkout, in an installed wheel, and beside the user."""

from __future__ import annotations

from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from colonnade.core.errors import ConfigError, closest

PRIMARY = "train"


def shipped() -> Path:
    """The folder of shipped configurations: ``colonnade/conf`` in a wheel, the top-level ``conf/`` in a checkout.

    Raises:
        ConfigError: neither is there, so the installation is damaged.
    """
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "conf", package.parents[1] / "conf"):
        if (folder / f"{PRIMARY}.yaml").is_file():
            return folder
    raise ConfigError(f"no conf/{PRIMARY}.yaml beside '{package}': install colonnade again")


def is_shipped(path: str) -> bool:
    """Whether a Hydra search path (with or without ``file://``) is the shipped folder."""
    return "://" not in path.removeprefix("file://") and Path(path.removeprefix("file://")).resolve() == shipped()


def user() -> Path | None:
    """The user's own ``./conf``; None when there is none, or when it is the shipped one."""
    folder = Path.cwd() / "conf"
    return folder.resolve() if folder.is_dir() and folder.resolve() != shipped() else None


def load_choice(group: str, name: str) -> DictConfig:
    """Read one file ``<group>/<name>.yaml``, the user's before the shipped one.

    Args:
        group: for example ``"task"``.
        name: for example ``"binary"``; the file stands alone, without a defaults list.

    Raises:
        ConfigError: there is no such file; the nearest name is told.
    """
    folders = [folder / group for folder in (user(), shipped()) if folder is not None]
    for folder in folders:
        path = folder / f"{name}.yaml"
        if path.is_file():
            node = OmegaConf.load(path)
            if not isinstance(node, DictConfig) or "defaults" in node:
                raise ConfigError(f"'{path}' must be a mapping without a defaults list")
            return node
    known = sorted({path.stem for folder in folders for path in folder.glob("*.yaml")})
    raise ConfigError(f"{group}={name}: there is no such {group}{closest(name, known)}")
