"""Record: what a run folder keeps of its configuration, and how that is read back."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from omegaconf import DictConfig, OmegaConf
from yaml.events import AliasEvent

from colonnade.config.build import guard
from colonnade.core.errors import ConfigError

REDACTED = "***"
# Names are taken apart at underscores and capitals: `api_key` and `apiKey` are secrets, `keyboard` is none.
SECRET = re.compile(
    r"(?:^|_)(password|passwd|pwd|passphrase|secret|token|api_?key|access_?key|private_?key|credentials?)(?:_|$)"
)
CREDENTIALS = re.compile(r"(?P<scheme>[a-zA-Z][\w+.-]*://[^\s/:@]*):[^\s/]+@")
QUERY = re.compile(r"(?P<name>[?&;](?:password|passwd|pwd|token|secret|api_?key)=)[^&;\s]+", re.IGNORECASE)
ENVIRONMENT = re.compile(r"\$\{oc\.env:")
# Nothing that these say changes what is learned or measured.
UNHASHED = ("overwrite", "debug", "logger", "run_dir", "choices", "overrides")
# Mappings whose keys are column names, of which one may be called "token".
BY_COLUMN = ("columns", "levels", "exclude", "missing")
MAX_BYTES = 1_000_000
MAX_ALIASES = 100


def redact(cfg: DictConfig) -> DictConfig:
    """A configuration as it may be stored: interpolations resolved, secrets replaced by ``***``.

    Values under keys that name a secret, and passwords within URLs, are replaced. A value that refers to the
    environment (``${oc.env:DB_PASSWORD}``), also by way of another key, keeps the reference, so that the stored
    configuration still works.
    """
    kept: list[str] = []
    raw = _protect(OmegaConf.to_container(cfg, resolve=False), kept)
    resolved = OmegaConf.to_container(OmegaConf.create(raw), resolve=True)
    clean: DictConfig = OmegaConf.create(_clean(resolved, "", kept))
    return clean


def redact_words(words: Sequence[str]) -> list[str]:
    """Command-line words as they may be stored."""
    clean = []
    for word in words:
        key, equals, value = word.partition("=")
        secret = equals and not ENVIRONMENT.match(value) and is_secret(re.split(r"[.@/]", key)[-1])
        clean.append(f"{key}={REDACTED}" if secret else _without_credentials(word))
    return clean


def is_secret(key: str) -> bool:
    """Whether a key names a secret.

    >>> is_secret("api_key"), is_secret("apiKey"), is_secret("n_tokens"), is_secret("keyboard")
    (True, True, False, False)
    """
    return SECRET.search(re.sub(r"(?<=[a-z])(?=[A-Z])", "_", key).replace("-", "_").lower()) is not None


def config_hash(cfg: DictConfig) -> str:
    """SHA-256 of what decides the outcome of a run; an occupied run folder with another one is refused.

    Everything counts but how the run is shown and started (``logger``, ``overwrite``, ``debug``, the run folder, the
    wording of the command) and the secrets. ``trainer.max_epochs`` counts: schedules depend on it, so a longer run is
    another run.
    """
    plain = OmegaConf.to_container(redact(cfg), resolve=False)
    counted = {key: value for key, value in plain.items() if key not in UNHASHED}  # type: ignore[union-attr]
    return hashlib.sha256(json.dumps(counted, sort_keys=True, default=str).encode()).hexdigest()


def load_config(path: Path | str) -> DictConfig:
    """Read a stored configuration, which may have come from elsewhere with its run folder.

    Raises:
        ConfigError: it is too large, is no mapping, holds a ``hydra`` node, or names a target that is not on the list.
    """
    path = Path(path)
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise ConfigError(f"'{path}' has {size:,} bytes; a configuration has at most {MAX_BYTES:,}")
    text = path.read_text(encoding="utf-8")
    try:
        aliases = sum(isinstance(event, AliasEvent) for event in yaml.parse(text, Loader=yaml.SafeLoader))
        if aliases > MAX_ALIASES:
            raise ConfigError(f"'{path}' has {aliases} YAML aliases; a configuration has at most {MAX_ALIASES}")
        cfg = OmegaConf.create(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"'{path}' is not YAML: {error}") from error
    if not isinstance(cfg, DictConfig):
        raise ConfigError(f"'{path}' is not a mapping")
    if "hydra" in cfg:
        raise ConfigError(f"'{path}' has a hydra node, which a stored configuration never has: it is not one of ours")
    guard(cfg)
    return cfg


def _protect(node: Any, kept: list[str]) -> Any:
    """Put a mark in the place of every value that refers to the environment."""
    if isinstance(node, dict):
        return {key: _protect(value, kept) for key, value in node.items()}
    if isinstance(node, list):
        return [_protect(value, kept) for value in node]
    if isinstance(node, str) and ENVIRONMENT.search(node):
        kept.append(node)
        return f"\ue000{len(kept) - 1}\ue001"
    return node


def _clean(node: Any, key: str, kept: Sequence[str]) -> Any:
    """Replace secrets, and put references to the environment back."""
    if isinstance(node, dict):
        return {k: _clean(value, key if key in BY_COLUMN else str(k), kept) for k, value in node.items()}
    if isinstance(node, list):
        return [_clean(value, key, kept) for value in node]
    if isinstance(node, str) and "\ue000" in node:
        return re.sub("\ue000(\\d+)\ue001", lambda match: kept[int(match[1])], node)
    if node is not None and not isinstance(node, bool) and is_secret(key):
        return REDACTED
    return _without_credentials(node) if isinstance(node, str) else node


def _without_credentials(text: str) -> str:
    """A text without the password of a URL in it."""
    return QUERY.sub(rf"\g<name>{REDACTED}", CREDENTIALS.sub(rf"\g<scheme>:{REDACTED}@", text))
