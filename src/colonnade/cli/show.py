"""Show: what Hydra prints of a configuration (``--cfg``, ``--info``, ``--help``), without the secrets in it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from omegaconf import DictConfig, OmegaConf, open_dict

from colonnade.config.record import ENVIRONMENT, INTERPOLATION, REDACTED, escaped, redact, redact_words


@contextmanager
def without_secrets(words: Sequence[str]) -> Iterator[None]:
    """Hydra prints configurations as :func:`shown`.

    Args:
        words: overrides and Hydra's flags, as on the command line.
    """
    from hydra._internal.hydra import Hydra
    from hydra._internal.utils import get_args_parser

    flags = get_args_parser().parse_args(list(words))
    if not flags.cfg and not flags.help and not flags.info:
        yield
        return
    composed = Hydra.compose_config

    def compose(self: Hydra, *args: Any, **kwargs: Any) -> DictConfig:
        cfg = composed(self, *args, **kwargs)
        # Hydra's own node is looked at and not printed; it must keep its type.
        clean = {key: value for key, value in shown(cfg).items() if key != "hydra"}
        with open_dict(cfg):
            cfg.update(clean)
        return cfg

    # Through this method goes every configuration that is printed, before a part of it is chosen or resolved.
    whole = Hydra.get_sanitized_cfg

    def clean(self: Hydra, cfg: DictConfig, cfg_type: str) -> DictConfig:
        node = shown(whole(self, cfg, cfg_type))
        named = flags.package not in (None, "_global_")
        # A single value is resolved to be printed.
        return _sealed(node) if flags.resolve or (named and not _is_node(node, flags.package)) else node

    Hydra.get_sanitized_cfg = clean  # type: ignore[method-assign]
    if flags.info:
        # What this prints goes nowhere else.
        Hydra.compose_config = compose  # type: ignore[method-assign]
    try:
        yield
    finally:
        Hydra.compose_config = composed  # type: ignore[method-assign]
        Hydra.get_sanitized_cfg = whole  # type: ignore[method-assign]


def shown(cfg: DictConfig) -> DictConfig:
    """A configuration as it may be printed: secrets replaced, in Hydra's record of the words too; the rest as it is."""
    clean = redact(cfg, resolve=False)
    if "hydra" in clean:
        asked = clean.hydra.overrides
        for kind in ("hydra", "task"):
            words: Any = OmegaConf.to_container(asked[kind], resolve=False)
            asked[kind] = redact_words(words)
            if asked[kind] != words:
                # The same words in one.
                clean.hydra.job.override_dirname = REDACTED
    return clean


def _is_node(cfg: DictConfig, path: str) -> bool:
    return OmegaConf.is_config(OmegaConf.select(cfg, path))


def _sealed(cfg: DictConfig) -> DictConfig:
    """A configuration of which what refers to the environment comes out as it is written when the rest is resolved."""

    def seal(node: Any) -> Any:
        if isinstance(node, dict):
            return {key: seal(value) for key, value in node.items()}
        if isinstance(node, list):
            return [seal(value) for value in node]
        if not isinstance(node, str):
            return node
        return INTERPOLATION.sub(lambda match: escaped(match[0]) if ENVIRONMENT.search(match[0]) else match[0], node)

    sealed: DictConfig = OmegaConf.create(seal(OmegaConf.to_container(cfg, resolve=False)))
    return sealed
