"""Plan: what the words of a search ask for, composed and checked before the first job."""

from __future__ import annotations

import hashlib
import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from omegaconf import DictConfig

from colonnade.config.auto import with_model
from colonnade.config.check import faults_of
from colonnade.config.compose import SEARCH
from colonnade.config.keys import resolve_key
from colonnade.core.errors import ConfigError, Faults
from colonnade.tuning.space import Dimension, dimension, parse_space

if TYPE_CHECKING:
    from hydra.core.override_parser.types import Override

    from colonnade.tuning.composer import Composer
    from colonnade.tuning.settings import Tune

SEED = "seed"
LONGEST = 120
ONLY = "run"


@dataclass(frozen=True)
class Cell:
    """One combination of the outer choices: one training of a grid, or one study.

    Args:
        key: its name, for folders; empty when there are no outer choices.
        outer: the swept keys with their values, as texts.
        words: what composes it.
        cfg: the composed configuration of a training.
        space: what a study samples; empty for a training.
    """

    key: str
    outer: Mapping[str, str]
    words: tuple[str, ...]
    cfg: DictConfig = field(repr=False)
    space: Mapping[str, Dimension] = field(default_factory=dict)


@dataclass(frozen=True)
class Plan:
    """All of a search.

    Args:
        name: derived from the words, the values of swept keys left out, so that a longer list goes on with the search.
        cells: see :class:`Cell`.
        swept: keys that differ from training to training, in the order of the command.
        fixed: the words that all trainings share.
    """

    name: str
    cells: tuple[Cell, ...]
    swept: tuple[str, ...]
    fixed: tuple[str, ...]


def plan(words: Sequence[str], tune: Tune, choice: str, composer: Composer) -> Plan:
    """Read the words, compose every training, and check it.

    Args:
        words: overrides, as on the command line.
        tune: the settings.
        choice: the file that gave them (``tune=tpe``).
        composer: makes configurations of words.

    Raises:
        ConfigError: with the faults of all trainings.
    """
    from hydra.core.override_parser.overrides_parser import OverridesParser

    faults = Faults()
    parsed = OverridesParser.create(composer.loader).parse_overrides(list(words))
    about = [override for override in parsed if _of_search(override, faults)]
    parsed = [override for override in parsed if override not in about]
    swept = [override for override in parsed if override.is_sweep_override()]
    outer = [o for o in swept if not tune.adaptive or o.key_or_group == SEED or composer.is_group(o.key_or_group)]
    values = {o.key_or_group: _values(o, faults) for o in outer}
    typed = {o.key_or_group: dimension(o, faults, "search") for o in swept if o not in outer}
    faults.raise_if_any(ConfigError, "search")
    prefix = {o.key_or_group: str(o.input_line).partition(o.key_or_group)[0] for o in outer}
    fixed = tuple(str(o.input_line) for o in parsed if o not in swept)
    cells = []
    for chosen in itertools.product(*values.values()):
        told = dict(zip(values, chosen))
        asked = (*fixed, *(f"{prefix[key]}{key}={value}" for key, value in told.items()))
        own = tuple(with_model(asked, composer.training))
        space: dict[str, Dimension] = {}
        if tune.adaptive:
            named = {o.key_or_group for o in parsed}
            whole = composer.whole([*own, *(str(o.input_line) for o in about)])
            shipped = {k: v for k, v in (whole.get("search") or {}).items() if k not in named}
            space = {**parse_space(shipped, faults), **{key: d for key, d in typed.items() if d is not None}}
            if not space:
                faults.add(
                    f"{cell_key(told) or 'search'}: nothing to sample: give intervals, such as "
                    "'optim.lr=tag(log,interval(1e-4,1e-2))', or conf/search/<model>.yaml"
                )
        # Without outer choices a study lies in the folder of the search itself, a training does not.
        key = cell_key(told) or ("" if tune.adaptive else ONLY)
        cells.append(Cell(key, told, own, composer.training(own), space))
    faults.raise_if_any(ConfigError, "search")
    keys = tuple(dict.fromkeys([*values, *(key for cell in cells for key in cell.space)]))
    return Plan(
        name=_name(choice if tune.adaptive else "grid", fixed, [*values, *typed]),
        cells=tuple(_checked(cells, composer)),
        swept=keys,
        fixed=fixed,
    )


def cell_key(values: Mapping[str, str]) -> str:
    """A name for a combination of values that can be a folder's, whatever the order of the keys.

    >>> cell_key({"seed": "1", "model": "deep/net"})
    'model=deep+net,seed=1'
    """
    text = ",".join(f"{key}={values[key]}" for key in sorted(values))
    plain = re.sub(r"[^\w=.,+@-]", "_", text.replace("/", "+"))
    if plain == text.replace("/", "+") and len(plain) <= LONGEST:
        return plain
    return f"{plain[: LONGEST - 9]}~{_digest(text)}"


def _of_search(override: Override, faults: Faults) -> bool:
    """Whether a word sets the search itself; it has one value."""
    key = override.key_or_group.partition(".")[0].partition("@")[0]
    if key not in SEARCH:
        return False
    if override.is_sweep_override():
        faults.add(f"'{override.input_line}': a search has one value of it; several searches are several commands")
    return True


def _values(override: Override, faults: Faults) -> list[str]:
    """The values of a swept key, each once."""
    if not override.is_discrete_sweep():
        faults.add(
            f"'{override.input_line}': a grid cannot run an interval; tune=tpe samples it, or give values: "
            f"{override.key_or_group}=a,b,c"
        )
        return []
    return list(dict.fromkeys(str(text) for text in override.sweep_string_iterator()))


def _name(choice: str, fixed: Iterable[str], keys: Iterable[str]) -> str:
    """A name that the same words give again, in whatever order."""
    told = sorted(set(keys))
    about = [word.partition("=")[2] for word in fixed if re.match(r"\+*(data|model)=", word)]
    text = "-".join([choice, *sorted(about), *(key.rpartition(".")[2] for key in told)])
    plain = re.sub(r"[^\w.+-]", "_", text)[:60]
    return f"{plain}-{_digest(repr((choice, sorted(fixed), told)))}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def _checked(cells: Sequence[Cell], composer: Composer) -> list[Cell]:
    """The cells, with the prefixes that keys of their spaces need.

    Raises:
        ConfigError: with the faults of all cells, each told once, with the cells that have it.
    """
    found: dict[str, list[str]] = {}
    result = []
    well: list[Mapping[str, str]] = []
    for cell in cells:
        faults = Faults()
        space = _prefixed(cell, faults)
        result.append(replace(cell, space=space))
        others = {key: value for key, value in cell.outer.items() if key != SEED}
        if others in well and cell.outer[SEED].isdecimal():
            # Another seed changes nothing that could be wrong.
            continue
        told = [*faults, *faults_of(cell.cfg)]
        if not told and SEED in cell.outer:
            well.append(others)
        for fault in told:
            found.setdefault(fault, []).append(cell.key)
        for words in _corners(space) if not len(faults) else ():
            for fault in faults_of(composer.training([*cell.words, *words])):
                found.setdefault(fault, []).append(cell.key)
    collected = Faults()
    for fault, keys in found.items():
        some = list(dict.fromkeys(keys))
        more = f" and {len(some) - 3} more" if len(some) > 3 else ""
        collected.add(fault if len(some) == len(cells) else f"{fault} (in {'; '.join(some[:3])}{more})")
    collected.raise_if_any(ConfigError, "configuration")
    return result


def _prefixed(cell: Cell, faults: Faults) -> dict[str, Dimension]:
    """The space, each key spelled as Hydra takes it; a fault where it exists nowhere."""
    from hydra.core.override_parser.overrides_parser import OverridesParser

    space = {}
    for key, found in cell.space.items():
        word = f"{key}=0"
        override = OverridesParser.create().parse_override(word)
        mended = resolve_key(word, override, cell.cfg, faults)
        if mended is not None:
            space[key] = replace(found, prefix=mended.partition(key)[0])
        else:
            faults.add(f"search: '{key}' is not part of this configuration; 'search={{{key}: null}}' leaves it out")
    return space


def _corners(space: Mapping[str, Dimension]) -> list[list[str]]:
    """Words that reach the bounds of every dimension, and every choice, in as few trainings as that takes."""
    ends = {key: found.ends() for key, found in space.items()}
    n = max((len(values) for values in ends.values()), default=0)
    return [[space[key].word(values[min(i, len(values) - 1)]) for key, values in ends.items()] for i in range(n)]
