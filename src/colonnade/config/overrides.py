"""Overrides: what is wrong with the words of a command line, told in full; and words that need only a nudge.

Hydra stops at the first word it cannot apply, and knows only keys that a YAML file spells out. Here every word is
looked at, and a key that exists only as an argument in the signature of its node's target is added for the user.
Names of columns may hold what Hydra's grammar does not: words such as ``data.exclude.'sp ace'=leak`` are read here.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import yaml
from omegaconf import DictConfig, OmegaConf

from colonnade.config.check import faults_of
from colonnade.config.compose import Request, composed, refusals, session
from colonnade.config.keys import resolve_key
from colonnade.core.errors import ConfigError, Faults, closest

if TYPE_CHECKING:
    from hydra.core.config_loader import ConfigLoader
    from hydra.core.override_parser.types import Override

# Mappings by name of column, with the pattern of a value: a name that lost its quotes may hold "=" too.
BY_COLUMN = {"columns": "[^=]*", "exclude": "[^=]*", "levels": r"\[.*\]", "replace": r"\{.*\}", "select": ".*"}
# Values that are names of columns, or of a file.
NAMES = ("target", "weight", "group", "time", "row_id", "waive", "path")
# Values that are text to the end of the word, commas and all.
TEXTS = (r"data\.sql\.query", r"data\.sql\.uri", r"data\.filter", r"pipeline\.expressions\.[^=]+")
QUOTED = r"(?:'[^']*'|\"[^\"]*\")+"
PLAIN = re.compile(r"[A-Za-z_$][\w$-]*|0|[1-9][0-9]*", re.ASCII)
QUOTING = "; quote a value that holds blanks, commas, = or brackets: 'key=\"a, b\"'"


def correct(words: Sequence[str], ask: Request, error: Exception) -> list[str]:
    """Mend what can be mended after Hydra refused some words.

    Args:
        words: all words of the command line, flags left out.
        ask: where the composition begins.
        error: what Hydra said.

    Returns:
        The words, in order, with ``++`` before keys that only a signature knows, and names of columns as Hydra can
        read them.

    Raises:
        ConfigError: with everything that is wrong with the words and with the configuration that the good ones give.
    """
    faults = Faults()
    columns = _by_column(words)
    spelled = {word: word if word in columns else spelled_out(word) for word in words}
    parsed = _parse([new for word, new in spelled.items() if word not in columns], faults)
    good, keys = _choices(parsed, ask, faults)
    try:
        base = composed(good, ask)
    except refusals() as other:
        faults.add(hydra_text(other) if good else hydra_text(error))
        faults.raise_if_any(ConfigError, "configuration")
        raise
    for word, override in keys.items() if not ask.sweep else ():
        if override.is_sweep_override():
            faults.add(f"'{word}': several values need -m (--multirun){QUOTING}")
    mended = {word: resolve_key(word, override, base, faults) for word, override in keys.items()}
    merged = _merged(columns, base)
    if len(faults):
        _add_rest(good, [*(new for new in mended.values() if new), *merged.values()], ask, faults)
        faults.raise_if_any(ConfigError, "configuration")
    new = [merged.get(word) or mended.get(spelled[word]) or spelled[word] for word in words]
    if new == list(words):
        raise ConfigError(hydra_text(error))
    return new


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
            # Hydra looks for a group anew each time, and a group has no dot in its name.
            known = [] if "." in group else _known(loader, group, ask.config_name, searched)
            if not known or isinstance(override.value(), dict):
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
        known = ((word, _understood(word)) for word in keys)
        cfg = composed([*good, *(word for word, parsed in known if parsed and not parsed.is_sweep_override())], ask)
    except refusals() as error:
        faults.add(hydra_text(error))
        return
    # What is wrong with the default that stands in for a choice that does not exist is beside the point.
    missing = {fault.partition("=")[0] for fault in faults if ": there is no such " in fault}
    for fault in faults_of(cfg):
        if re.split("[.:]", fault)[0] not in missing:
            faults.add(fault)


def _by_column(words: Iterable[str]) -> dict[str, tuple[str, dict[str, Any]]]:
    """Words on columns that Hydra does not understand, and the others on the same mapping.

    Returns:
        For each word the mapping, such as ``exclude``, and its part of it, such as ``{"sp ace": "leak"}``.
    """
    found: dict[str, tuple[str, dict[str, Any]]] = {}
    for word in words:
        about = re.fullmatch(rf"\+{{0,2}}data\.({'|'.join(BY_COLUMN)})([.=])(.+)", word)
        if about is not None:
            key, sign, rest = about.groups()
            part = _pairs(_value(rest)) if sign == "=" else _pair(rest, BY_COLUMN[key])
            found |= {word: (key, part)} if part else {}
    odd = {
        key
        for word, (key, part) in found.items()
        if not all(PLAIN.fullmatch(name) and f"data.{key}.{name}=" in word for name in part)
    }
    return {word: (key, part) for word, (key, part) in found.items() if key in odd}


def _pair(text: str, value: str) -> dict[str, Any]:
    """``name=value``, with the name in quotes or without; nothing when it is neither."""
    if found := re.fullmatch(rf"({QUOTED})=(.*)", text):
        return {"".join(shlex.split(found[1])): _value(found[2])}
    found = re.fullmatch(f"(.+?)=({value})", text)
    return {found[1]: _value(found[2])} if found else {}


def _pairs(value: Any) -> dict[str, Any]:
    """A mapping, or the names of columns to leave out; nothing when it is neither."""
    if isinstance(value, str) and value.startswith("{"):
        try:
            value = yaml.safe_load(value)
        except yaml.YAMLError:
            return {}
    if isinstance(value, list):
        value = dict.fromkeys(map(str, value), "excluded by the user")
    return {str(name): what for name, what in value.items()} if isinstance(value, dict) else {}


def _value(text: str) -> Any:
    """A value as Hydra reads it; a list or a text where it cannot."""
    override = _understood(f"value={text}")
    if override is not None and not override.is_sweep_override():
        return override.value()
    if text.startswith("[") and text.endswith("]"):
        return [part.strip().strip("'\"") for part in re.findall(rf"\s*{QUOTED}|[^,]+", text[1:-1])]
    return text


def spelled_out(word: str) -> str:
    """The word with a text, or a name of a column or file, in quotes, if Hydra takes it for something else.

    A mapping for ``search`` adds to that of the model; Hydra would look for a file of such a name.

    >>> spelled_out("search={optim.lr:null}"), spelled_out("data.filter=a > 1, b")
    ('++search={optim.lr:null}', "data.filter='a > 1, b'")
    >>> spelled_out("pipeline.expressions.ratio=(a + 1) / max(b, c)")
    "pipeline.expressions.ratio='(a + 1) / max(b, c)'"
    """
    if word.startswith("search={"):
        return f"++{word}"
    about = re.fullmatch(rf"(\+{{0,2}}(?:({'|'.join(TEXTS)})|data\.(?:{'|'.join(NAMES)})))=(.+)", word, re.DOTALL)
    if about is None:
        return word
    key, is_text, written = about.groups()
    override = _understood(word)
    if override is not None and not (is_text and override.is_sweep_override()):
        return word
    from hydra.core.override_parser.types import Quote, QuotedString

    value = written if is_text else _value(written)
    texts = [QuotedString(v, Quote.single).with_quotes() for v in (value if isinstance(value, list) else [value])]
    return f"{key}={'[' + ','.join(texts) + ']' if isinstance(value, list) else texts[0]}"


def _understood(word: str) -> Override | None:
    """A word taken apart by Hydra's grammar; None when it refuses."""
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    try:
        return OverridesParser.create().parse_override(word)
    except HydraException:
        return None


def _merged(columns: Mapping[str, tuple[str, dict[str, Any]]], base: DictConfig) -> dict[str, str]:
    """For each word on columns one that sets its whole mapping: what the configuration holds, and all words add."""
    whole: dict[str, dict[str, Any]] = {}
    for key, part in columns.values():
        if key not in whole:
            before = OmegaConf.select(base, f"data.{key}")
            whole[key] = _pairs(OmegaConf.to_container(before, resolve=True)) if OmegaConf.is_config(before) else {}
        whole[key] |= part
    # Hydra's own mappings do not take every name; YAML does.
    yamls = {key: _within_quotes(json.dumps(mapping, ensure_ascii=False)) for key, mapping in whole.items()}
    return {word: f"++data.{key}='${{oc.create:{yamls[key]}}}'" for word, (key, _) in columns.items()}


def _within_quotes(text: str) -> str:
    """JSON as a text within quotes within quotes; what could end either of them is told by its number."""
    for special, number in (("\\\\", "005c"), ('\\"', "0022"), ("'", "0027"), ("$", "0024")):
        text = text.replace(special, rf"\u{number}")
    return '"' + text.replace('"', r"\"") + '"'
