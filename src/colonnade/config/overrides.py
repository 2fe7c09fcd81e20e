"""Overrides: what is wrong with the words of a command line, told in full; and words that need only a nudge.

Hydra stops at the first word it cannot apply, and knows only keys that a YAML file spells out. Here every word is
looked at, and a key that exists only as an argument in the signature of its node's target is added for the user.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from colonnade.config.check import faults_of
from colonnade.config.compose import Request, composed, refusals, session
from colonnade.config.keys import resolve_key
from colonnade.core.errors import ConfigError, Faults, closest

if TYPE_CHECKING:
    from hydra.core.config_loader import ConfigLoader
    from hydra.core.override_parser.types import Override

QUOTING = "; quote a value that holds blanks, commas, = or brackets: 'key=\"a, b\"'"


def correct(words: Sequence[str], ask: Request, error: Exception) -> list[str]:
    """Mend what can be mended after Hydra refused some words.

    Args:
        words: all words of the command line, flags left out.
        ask: where the composition begins.
        error: what Hydra said.

    Returns:
        The words, in order, with ``++`` before keys that only a signature knows.

    Raises:
        ConfigError: with everything that is wrong with the words and with the configuration that the good ones give.
    """
    faults = Faults()
    parsed = _parse(words, faults)
    good, keys = _choices(parsed, ask, faults)
    try:
        base = composed(good, ask)
    except refusals() as other:
        faults.add(hydra_text(other) if good else hydra_text(error))
        faults.raise_if_any(ConfigError, "configuration")
        raise
    mended = {word: resolve_key(word, override, base, faults) for word, override in keys.items()}
    if not len(faults) and all(word == new for word, new in mended.items()):
        raise ConfigError(hydra_text(error))
    if len(faults):
        _add_rest(good, [new for new in mended.values() if new], ask, faults)
        faults.raise_if_any(ConfigError, "configuration")
    return [mended.get(word) or word for word in words]


def hydra_text(error: BaseException) -> str:
    """What Hydra or OmegaConf said, without the list of folders it searched."""
    text = "\n".join(str(e) for e in (error, error.__cause__) if e is not None and str(e))
    lines = [line.strip() for line in re.split("(?:Config search|Search) path:", text)[0].splitlines() if line.strip()]
    return "; ".join(line for line in lines if not line.startswith(("full_key", "object_type", "reference_type")))


def _parse(words: Iterable[str], faults: Faults) -> dict[str, Override]:
    """Each word, taken apart by Hydra's grammar."""
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    parser, parsed = OverridesParser.create(), {}
    for word in words:
        if "=" not in word and not word.startswith("~"):
            faults.add(f"'{word}': expected key=value")
            continue
        try:
            parsed[word] = parser.parse_override(word)
        except HydraException as error:
            faults.add(f"'{word}': {str(error).splitlines()[0]}{QUOTING}")
    return parsed


def _choices(parsed: Mapping[str, Override], ask: Request, faults: Faults) -> tuple[list[str], dict[str, Override]]:
    """Tell choices of a group (``model=tabnet``) from keys (``optim.lr=1``).

    Returns:
        Words that choose an existing file or set Hydra itself, and the words with keys.
    """
    good: list[str] = []
    keys: dict[str, Override] = {}
    searched = [word for word, override in parsed.items() if override.get_key_element() == "hydra.searchpath"]
    with session(ask.config_dirs) as loader:
        for word, override in parsed.items():
            group = override.key_or_group
            known = _known(loader, group, ask.config_name, searched)
            if not known:
                (good.append(word) if override.is_hydra_override() else keys.update({word: override}))
            elif override.is_sweep_override() and not ask.sweep:
                faults.add(f"'{word}': several values need -m (--multirun)")
            else:
                unknown = [name for name in _names(override) if name not in known]
                if override.value_type is None or (not override.is_sweep_override() and override.value() is None):
                    faults.add(f"'{word}': name a choice, or remove the group with ~{group}")
                    continue
                for name in unknown:
                    faults.add(f"{group}={name}: there is no such {group.rpartition('/')[2]}{closest(name, known)}")
                if not unknown and not override.is_sweep_override():
                    good.append(word)
    return good, keys


def _known(loader: ConfigLoader, group: str, config_name: str, searched: list[str]) -> list[str]:
    """Names of a group's files, those in its sub-folders as ``folder/name``; empty when there is no such group."""
    from hydra.core.object_type import ObjectType

    names = loader.get_group_options(group, ObjectType.CONFIG, config_name, searched)
    for folder in loader.get_group_options(group, ObjectType.GROUP, config_name, searched):
        names += [f"{folder}/{name}" for name in _known(loader, f"{group}/{folder}", config_name, searched)]
    return names


def _names(override: Override) -> list[str]:
    """The files that one word chooses."""
    if override.is_sweep_override():
        return [str(name) for name in override.sweep_string_iterator()]
    value = override.value()
    values = value if isinstance(value, list) else [value]
    return [str(name) for name in values if name is not None]


def _add_rest(good: Sequence[str], keys: Sequence[str], ask: Request, faults: Faults) -> None:
    """What else is wrong, with the words that could be applied."""
    try:
        cfg = composed([*good, *(word for word in keys if not _sweeps(word))], ask)
    except refusals() as error:
        faults.add(hydra_text(error))
        return
    # What is wrong with the default that stands in for a choice that does not exist is beside the point.
    missing = {fault.partition("=")[0] for fault in faults if ": there is no such " in fault}
    for fault in faults_of(cfg):
        if re.split("[.:]", fault)[0] not in missing:
            faults.add(fault)


def _sweeps(word: str) -> bool:
    from hydra.core.override_parser.overrides_parser import OverridesParser

    return bool(OverridesParser.create().parse_override(word).is_sweep_override())
