"""Reuse: the stored configuration of a run, made ready to be trained again."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from colonnade.config.copied import copied
from colonnade.config.keys import resolve_key
from colonnade.config.nodes import join
from colonnade.config.overrides import QUOTING, spelled_out
from colonnade.config.record import REDACTED, redact_words
from colonnade.core.errors import ConfigError, Faults

# A value that was a secret, or a text that held one.
HIDDEN = re.compile(rf"^{re.escape(REDACTED)}$|:{re.escape(REDACTED)}@|[?&;][\w.-]+={re.escape(REDACTED)}")
# What a run writes through these lies in its folder.
WRITING = ("callbacks", "logger")
# What is about one command only.
PASSING = {"overwrite": False, "debug": False, "run_dir": None}


def reusable(stored: DictConfig, words: Sequence[str] = ()) -> DictConfig:
    """A configuration to train with, of one that a run folder keeps.

    Paths of callbacks and loggers, which the record begins at the run folder, begin at the folder of whatever run is
    made of it. ``overwrite`` and ``debug`` are as if they had not been typed.

    Args:
        stored: from :func:`~colonnade.config.record.load_config`; it stays as it is.
        words: ``key=value`` to change in it. A file of a group (``trainer=cpu``) cannot be chosen: how a run was
            composed is not stored.

    Raises:
        ConfigError: with every word that is not understood or names a key that exists nowhere, and every secret that
            the record holds no longer and that no word gives.
    """
    cfg = copied(stored)
    OmegaConf.set_struct(cfg, False)
    for key, value in PASSING.items():
        cfg[key] = value
    for group in WRITING:
        cfg[group] = _at_run_dir(OmegaConf.to_container(cfg[group], resolve=False) if cfg.get(group) else {})
    faults = Faults()
    for word in words:
        _apply(word, cfg, faults)
    faults.raise_if_any(ConfigError, "configuration")
    for path in _hidden(OmegaConf.to_container(cfg, resolve=False)):
        faults.add(
            f"{path}: holds a secret, which the record of a run does not keep: give it again, {path}=... or "
            f"'{path}=${{oc.env:NAME}}'"
        )
    faults.raise_if_any(ConfigError, "configuration")
    cfg.overrides = _record(stored, words)
    OmegaConf.set_struct(cfg, True)
    return cfg


def _record(stored: DictConfig, words: Sequence[str]) -> list[str]:
    """The words of the run, of each key the one that came last, as they may be stored."""
    plain: Any = OmegaConf.to_container(stored, resolve=False)
    # A reference within a word is part of the text, not of this configuration.
    typed = [word.replace("${", "\\${") for word in redact_words(words)]
    last = {word.lstrip("+").partition("=")[0]: word for word in [*(plain.get("overrides") or ()), *typed]}
    return list(last.values())


def _apply(word: str, cfg: DictConfig, faults: Faults) -> None:
    """Set one value."""
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    if "=" not in word:
        faults.add(f"'{word}': expected key=value")
        return
    try:
        override = OverridesParser.create().parse_override(spelled_out(word))
    except HydraException as error:
        faults.add(f"'{word}': {str(error).splitlines()[0]}{QUOTING}")
        return
    key = override.key_or_group
    if override.is_sweep_override():
        faults.add(f"'{word}': one value is expected{QUOTING}")
        return
    if override.is_delete() or override.package is not None:
        faults.add(f"'{word}': only key=value changes what is stored")
        return
    value = override.value()
    node = None if OmegaConf.is_interpolation(cfg, key) else cfg.get(key)
    if isinstance(node, DictConfig) and isinstance(value, str):
        faults.add(f"'{word}': no file can be chosen for what is stored; set its keys, such as {key}.<key>=...")
        return
    try:
        known = resolve_key(word, override, cfg, faults) is not None
    except OmegaConfBaseException:
        # It stands there, and refers to what is not to be had here.
        known = True
    if known:
        OmegaConf.update(cfg, key, value, force_add=True)


def _at_run_dir(node: Any) -> Any:
    """A plain node whose paths below the folder of its record are below ``run_dir``.

    >>> _at_run_dir({"path": "./metrics.jsonl", "folder": ".", "monitor": "val/loss"})
    {'path': '${run_dir}/metrics.jsonl', 'folder': '${run_dir}', 'monitor': 'val/loss'}
    """
    if isinstance(node, Mapping):
        return {key: _at_run_dir(value) for key, value in node.items()}
    if isinstance(node, list):
        return [_at_run_dir(value) for value in node]
    return re.sub(r"^\.(?=/|$)", "${run_dir}", node) if isinstance(node, str) else node


def _hidden(node: Any, path: str = "") -> Iterator[str]:
    """Keys of values that were redacted.

    >>> list(_hidden({"sql": {"uri": "db://me:***@host/x"}, "overrides": ["data.sql.uri=db://me:***@host/x"]}))
    ['sql.uri']
    """
    if isinstance(node, Mapping):
        for key, value in node.items():
            if path or key not in ("overrides", "choices"):
                yield from _hidden(value, join(path, key))
    elif isinstance(node, list):
        for i, value in enumerate(node):
            yield from _hidden(value, f"{path}[{i}]")
    elif isinstance(node, str) and HIDDEN.search(node):
        yield path
