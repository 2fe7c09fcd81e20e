"""Record: what a run folder keeps of its configuration, and how that is read back."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml
from omegaconf import MISSING, DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml.events import AliasEvent, CollectionEndEvent, CollectionStartEvent, ScalarEvent

try:
    # That of libyaml, which PyYAML may have been built without: a fifth of the time.
    from yaml import CSafeDumper as SafeDumper
    from yaml import CSafeLoader as SafeLoader
except ImportError:
    from yaml import SafeDumper, SafeLoader

from colonnade.config.build import guard
from colonnade.config.resolve import ESCAPED, resolved
from colonnade.core.errors import ConfigError

REDACTED = "***"
# Names are taken apart at underscores and capitals: `api_key` and `apiKey` are secrets, `keyboard` is none, and neither
# is `d_token`, the width of one.
SECRET = re.compile(
    r"(password|passwd|passphrase|odbc_connect"
    r"|(?:^|(?<!^d)_)(pwd|secret|token|api_?key|access_?key|account_?key|private_?key|credentials?))(?:_|$)"
)
# Stands for a reference to the environment while the rest is resolved.
MARK = "\ue000(\\d+)\ue001"
# Up to the last @ of the word: a password may hold / and @.
CREDENTIALS = re.compile(rf"(?P<scheme>[a-zA-Z\ue001][\w+.-]*://[^\s/:]*):(?!{MARK}@)\S+@")
QUERY = re.compile(rf"(?P<name>[?&;](?P<key>[\w.-]+)=)(?!{MARK}(?:[&;\s]|$))[^&;\s]+")
ENVIRONMENT = re.compile(r"\$\{\s*oc\.env\s*:")
PLAIN = re.compile(r"\$\{\s*[\w.\[\]-]+\s*\}")
# An outermost interpolation, with what is nested in it.
INTERPOLATION = re.compile(r"\$\{(?:[^{}]|\{(?:[^{}]|\{[^{}]*\})*\})*\}")
WITHIN = re.compile("\\{[^}]*\ue000")
# The interpolations that a stored configuration may hold; they give values of its own and of the environment only.
REFERENCE = re.compile(r"\$\{(?:[\w.\[\]-]+|oc\.(?:env|decode):[^{}]*)\}")
NESTED = 3
# Nothing that these say changes what is learned or measured.
UNHASHED = (
    "overwrite",
    "debug",
    "explain",
    "logger",
    "cluster",
    "export",
    "run_dir",
    "choices",
    "overrides",
    "_refit",
    "trainer.enable_progress_bar",
    "trainer.enable_model_summary",
    "callbacks.progress",
    "cv.packed",
)
# Keys that came later, and do nothing unless set.
LATER = ("cv", "calibration", "uncertainty", "init_from")
# Mappings whose keys are column names, of which one may be called "token".
BY_COLUMN = ("columns", "levels", "exclude", "missing", "replace", "select")
# What OmegaConf reads as a number or a truth value, and YAML as text.
UNQUOTED = re.compile(r"[-+]?[\d._]*(?:[eE][-+]?[\d_]+)?|[-+]?\.?(?:inf|infinity|nan)|y|n", re.IGNORECASE)
MAX_BYTES = 1_000_000
MAX_DEPTH = 50


def redact(cfg: DictConfig, *, resolve: bool = True) -> DictConfig:
    """A configuration as it may be stored: interpolations resolved, secrets replaced by ``***``.

    Values under keys that name a secret, and passwords within URLs, are replaced. A value that refers to the
    environment (``${oc.env:DB_PASSWORD}``), also by way of another key, keeps the reference, so that the stored
    configuration still works.

    Args:
        cfg: the configuration, which stays as it is.
        resolve: False keeps every interpolation, to be shown as it was written.
    """
    clean: DictConfig = OmegaConf.create(redacted(cfg, resolve=resolve))
    return clean


def stored_text(cfg: DictConfig, **instead: Any) -> str:
    """The YAML of what :func:`redact` gives; ``OmegaConf.to_yaml`` would make nodes of it first, in four times the
    time.

    Args:
        cfg: the configuration.
        instead: values of keys at its top, in the place of those that stand there.
    """
    return yaml.dump(
        redacted(cfg, **instead), Dumper=_Dumper, sort_keys=False, allow_unicode=True, default_flow_style=False
    )


def redacted(cfg: DictConfig, *, resolve: bool = True, **instead: Any) -> Any:
    """What :func:`redact` gives, as plain data: making nodes takes longer than all the rest.

    Args:
        cfg, resolve: see :func:`redact`.
        instead: see :func:`stored_text`.
    """
    kept: list[str] = []
    raw = _protect(OmegaConf.to_container(cfg, resolve=False), kept, every=not resolve)
    # Where nothing is to be kept as it is, the nodes that are there can be asked.
    return _clean(resolved(OmegaConf.create(raw) if kept else cfg, **instead), "", kept)


def redact_words(words: Sequence[str]) -> list[str]:
    """Command-line words as they may be stored."""
    clean = []
    for word in words:
        key, equals, value = word.partition("=")
        *above, name = re.split(r"[.@/]", key)
        named = is_secret(name) and not any(part in BY_COLUMN for part in above)
        secret = equals and not value.startswith("${oc.env:") and named
        clean.append(f"{key}={REDACTED}" if secret else _without_credentials(word))
    return clean


@lru_cache(maxsize=4096)
def is_secret(key: str) -> bool:
    """Whether a key names a secret.

    >>> is_secret("api_key"), is_secret("apiKey"), is_secret("id_token"), is_secret("keyboard"), is_secret("d_token")
    (True, True, True, False, False)
    """
    return SECRET.search(re.sub(r"(?<=[a-z])(?=[A-Z])", "_", key).replace("-", "_").lower()) is not None


def config_hash(cfg: DictConfig) -> str:
    """SHA-256 of what decides the outcome of a run; an occupied run folder with another one is refused.

    Everything counts but how the run is shown, explained and started (``logger``, the progress bar, the model's
    summary, ``cluster``, ``explain``, ``export``, ``overwrite``, ``debug``, the run folder, the wording of the command)
    and the secrets.
    ``trainer.max_epochs`` counts: schedules depend on it, so a longer run is another run. ``loader.chunk`` counts
    although no result depends on it: a recovery checkpoint within an epoch says where it stands in chunks, and would
    resume at another row.
    """
    counted = redacted(cfg)
    for key in LATER:
        if counted.get(key) is None:
            # As before there was such a key.
            counted.pop(key, None)
    for path in UNHASHED:
        parent, _, key = path.rpartition(".")
        holder = counted.get(parent) if parent else counted
        if isinstance(holder, dict):
            holder.pop(key, None)
    return hashlib.sha256(json.dumps(counted, sort_keys=True, default=str).encode()).hexdigest()


def load_config(path: Path | str) -> DictConfig:
    """Read a stored configuration, which may have come from elsewhere with its run folder.

    Raises:
        ConfigError: it is too large or nested too deeply, has YAML aliases, is no mapping, holds a ``hydra`` node or an
            interpolation other than ``${a.b}``, ``${oc.env:NAME}`` and ``${oc.decode:...}`` of these, or names a target
            that is not on the list.
    """
    path = Path(path)
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise ConfigError(f"'{path}' has {size:,} bytes; a configuration has at most {MAX_BYTES:,}")
    try:
        text = path.read_text(encoding="utf-8")
        _check(text, path)
        cfg = OmegaConf.create(text)
    except (yaml.YAMLError, OmegaConfBaseException, ValueError) as error:
        raise ConfigError(f"'{path}' is not YAML: {error}") from error
    if not isinstance(cfg, DictConfig):
        raise ConfigError(f"'{path}' is not a mapping")
    if "hydra" in cfg:
        raise ConfigError(f"'{path}' has a hydra node, which a stored configuration never has: it is not one of ours")
    guard(OmegaConf.to_container(cfg, resolve=False))
    return cfg


class _Dumper(SafeDumper):
    """Writes what :func:`load_config` reads again as it was."""

    def ignore_aliases(self, data: Any) -> bool:
        """Nothing is shared."""
        return True


def _text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    style = "'" if UNQUOTED.fullmatch(text) else None
    return dumper.represent_scalar(yaml.resolver.BaseResolver.DEFAULT_SCALAR_TAG, text, style=style)


_Dumper.add_representer(str, _text)


def _check(text: str, path: Path) -> None:
    """Refuse, before anything is built, what a few bytes can blow up, and interpolations that could make nodes."""
    depth = 0
    for event in yaml.parse(text, Loader=SafeLoader):
        depth += isinstance(event, CollectionStartEvent) - isinstance(event, CollectionEndEvent)
        if depth > MAX_DEPTH:
            raise ConfigError(f"'{path}' is damaged: it is nested more than {MAX_DEPTH} levels deep")
        if isinstance(event, AliasEvent):
            raise ConfigError(f"'{path}' has YAML aliases, which a stored configuration never has: it is none of ours")
        if isinstance(event, ScalarEvent) and not _is_plain(event.value):
            raise ConfigError(
                f"'{path}' holds '{event.value:.80}'; of interpolations, a stored configuration may only have "
                "${a.b} and ${oc.env:NAME}"
            )


def _is_plain(text: str) -> bool:
    """Whether the interpolations of a text are all harmless ones, innermost first.

    >>> _is_plain("${a.b} ${oc.env:A,${oc.env:B}}"), _is_plain("${oc.create:{}}")
    (True, False)
    """
    text = ESCAPED.sub("", text)
    for _ in range(NESTED):
        text = REFERENCE.sub(" ", text)
    return "${" not in text


def _protect(node: Any, kept: list[str], *, every: bool) -> Any:
    """Put a mark in the place of every interpolation, or of those that refer to the environment."""
    if isinstance(node, dict):
        return {key: _protect(value, kept, every=every) for key, value in node.items()}
    if isinstance(node, list):
        return [_protect(value, kept, every=every) for value in node]
    if isinstance(node, str):
        before = len(kept)
        marked = INTERPOLATION.sub(
            lambda match: _mark(match[0], kept) if every or ENVIRONMENT.search(match[0]) else match[0], node
        )
        if not WITHIN.search(marked):
            return marked
        # Nested deeper than the pattern sees: the text is kept as a whole.
        del kept[before:]
        return _mark(node, kept)
    return node


def _mark(text: str, kept: list[str]) -> str:
    # The reader of stored configurations knows no blanks there.
    kept.append(re.sub(r"\$\{\s+", "${", text))
    return f"\ue000{len(kept) - 1}\ue001"


def _clean(node: Any, key: str, kept: Sequence[str]) -> Any:
    """Replace secrets, and put references to the environment back."""
    if isinstance(node, dict):
        return {k: _clean(value, key if key in BY_COLUMN else str(k), kept) for k, value in node.items()}
    if isinstance(node, list):
        return [_clean(value, key, kept) for value in node]
    if node is not None and not isinstance(node, bool) and is_secret(key) and not _spares(str(node), kept):
        return REDACTED
    if isinstance(node, str):
        return re.sub(MARK, lambda match: kept[int(match[1])], escaped(_without_credentials(node)))
    return node


def _spares(text: str, kept: Sequence[str]) -> bool:
    """Whether a text spells no secret out: it is not given yet, or refers to another key or to the environment."""
    texts = [kept[int(match[1])] for match in re.finditer(MARK, text)]
    return text == MISSING or any(PLAIN.fullmatch(t) or ENVIRONMENT.search(t) for t in texts)


def escaped(text: str) -> str:
    """A resolved text as it is written, so that what looks like an interpolation in it stays text."""
    return re.sub(r"(?<!\\)(\\*)\$\{", lambda match: match[1] * 2 + r"\${", text)


def _without_credentials(text: str) -> str:
    """A text without the passwords of a URL in it."""
    if "://" not in text and "=" not in text:
        # As most of them.
        return text
    text = CREDENTIALS.sub(rf"\g<scheme>:{REDACTED}@", text)
    return QUERY.sub(lambda match: match["name"] + REDACTED if is_secret(match["key"]) else match[0], text)
