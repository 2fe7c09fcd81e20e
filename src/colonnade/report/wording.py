"""Wording: numbers, settings, folders and failures of a leaderboard as people read them."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from colonnade.report.ranking import Group, Row, Stat
from colonnade.report.table import number

MAX_ERROR = 300


@dataclass(frozen=True)
class Failure:
    """Runs that failed for the same reason.

    Args:
        who: settings of the first.
        more: number of the others.
        error: its first line.
        log: path of the first one's log.
    """

    who: str
    more: int
    error: str
    log: str | None

    def __str__(self) -> str:
        more = f" (and {self.more} more)" if self.more else ""
        return f"{self.who}{more}: {self.error}" + (f"; log: {self.log}" if self.log else "")


def brief(keys: Sequence[str]) -> dict[str, str]:
    """Of each key the last part, as far as it tells the key from the others.

    >>> brief(["optim.lr", "model.a.p", "model.b.p", "seed"])
    {'optim.lr': 'lr', 'model.a.p': 'a.p', 'model.b.p': 'b.p', 'seed': 'seed'}
    """
    found = {}
    for key in keys:
        parts = key.split(".")
        shorter = [".".join(parts[i:]) for i in range(len(parts) - 1, 0, -1)]
        others = [f".{other}" for other in keys if other != key]
        found[key] = next((s for s in shorter if not any(other.endswith(f".{s}") for other in others)), key)
    return found


def spread(stat: Stat, digits: int = 2) -> str:
    """Mean and standard deviation, both to the last of so many digits of the latter.

    >>> spread(Stat(0.512345, 0.0021, 3)), spread(Stat(0.512345, None, 1)), spread(Stat(48231.0, 512.0, 3))
    ('0.5123 ± 0.0021', '0.51235', '48231 ± 512')
    """
    if stat.sd is None:
        return number(stat.mean)
    # Rounding may carry: 0.0096 to one digit is 0.01.
    sd = float(f"{stat.sd:.{digits - 1}e}")
    places = max(0, digits - 1 - math.floor(math.log10(sd))) if sd > 0 else 9
    if places > 8:
        return f"{number(stat.mean)} ± {sd:g}"
    return f"{stat.mean:.{places}f} ± {stat.sd:.{places}f}"


def about(seconds: float) -> str:
    """A duration in one unit.

    >>> about(8.31), about(83), about(7383), about(360000)
    ('8.3 s', '1.4 min', '2.1 h', '100 h')
    """
    unit, size = next(((u, n) for u, n in (("h", 3600), ("min", 60)) if seconds >= n), ("s", 1))
    value = seconds / size
    return f"{value:.0f} {unit}" if value >= 9.95 else f"{value:.1f} {unit}"


def rounded(count: float) -> str:
    """A count in three digits.

    >>> rounded(1245678), rounded(134401), rounded(999999), rounded(9)
    ('1.25M', '134k', '1M', '9')
    """
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if float(f"{count:.3g}") >= size:
            return f"{float(f'{count:.3g}') / size:g}{unit}"
    return f"{count:.0f}"


def as_number(text: str) -> float | None:
    """A finite number that a text spells; None for other texts.

    >>> as_number("1e-3"), as_number("relu"), as_number("nan")
    (0.001, None, None)
    """
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def who(settings: Mapping[str, str], key: str = "") -> str:
    """Settings in words; without any, the key of the run."""
    return ", ".join(f"{name}={value}" for name, value in settings.items()) or key


def name_of(figure: Path, folder: Path) -> str:
    """What a figure shows, with the study that it belongs to.

    >>> name_of(Path("s/figures/model=mlp/history.png"), Path("s"))
    'model=mlp/history'
    """
    path = figure.with_suffix("")
    parts = path.relative_to(folder).parts if path.is_relative_to(folder) else (path.name,)
    return "/".join(part for part in parts if part != "figures")


def standing(group: Group) -> str:
    """How many runs finished, and what became of the others.

    A single run is told by its status, unless it finished.
    """
    n, finished = len(group.rows), group.finished
    others = ", ".join(f"{count} {status}" for status, count in group.statuses.items() if status != "finished")
    if n == 1:
        return "1" if finished else group.rows[0].status
    return f"{finished} of {n}" + (f", {others}" if others else "")


def whereabouts(rows: Sequence[Row]) -> str:
    """Where the run folders are, in a few words; empty when their column says all."""
    base = base_of(row.folder for row in rows)
    if not base:
        return ""
    return f"folders: below {base}" + (", named after the settings" if named_after_settings(rows) else "")


def named_after_settings(rows: Iterable[Row]) -> bool:
    """Whether each folder is named as ``model=mlp,seed=1`` after the settings of its run."""
    return all(
        sorted(PurePath(row.folder).name.split(",")) == sorted(f"{k}={v}" for k, v in row.settings.items())
        for row in rows
    )


def base_of(folders: Iterable[str]) -> str:
    """The folder that all of these lie in; empty when there is none to speak of.

    >>> base_of(["s/a/1", "s/b/2"]), base_of(["a", "b"])
    ('s', '')
    """
    try:
        base = os.path.commonpath([str(PurePath(folder).parent) for folder in folders])
    except ValueError:
        return ""
    return "" if base in (".", os.sep) else base


def place(group: Group, base: str) -> str:
    """The folder of a run below ``base``, or a pattern for those of several: ``model=mlp,seed=*``."""
    paths = [PurePath(row.folder) for row in group.rows]
    if base:
        paths = [path.relative_to(base) for path in paths]
    parts = [path.name.split(",") for path in paths]
    if len(paths) == 1:
        return str(paths[0])
    if len({path.parent for path in paths}) == 1 and len({len(names) for names in parts}) == 1:
        name = ",".join(same[0] if len(set(same)) == 1 else _any(same) for same in zip(*parts))
        return str(paths[0].parent / name)
    try:
        return os.path.commonpath([str(path) for path in paths]) or base or "."
    except ValueError:
        return ", ".join(map(str, paths))


def failures(rows: Iterable[Row]) -> list[Failure]:
    """What failed, the same error once."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        if row.status == "failed":
            text = str((row.result or {}).get("error") or "no result was written").strip()
            found.setdefault(text, []).append(row)
    return [
        Failure(who(same[0].settings, same[0].key), len(same) - 1, _first_line(text), same[0].log)
        for text, same in found.items()
    ]


def _first_line(text: str) -> str:
    first, *others = text.splitlines() or [""]
    shown = first if len(first) <= MAX_ERROR else f"{first[:MAX_ERROR]}…"
    return f"{shown} (and {len(others)} more line{'s' if len(others) > 1 else ''})" if others else shown


def _any(names: Sequence[str]) -> str:
    """``seed=*`` of ``seed=1`` and ``seed=2``."""
    keys = {name.partition("=")[0] for name in names}
    return f"{keys.pop()}=*" if len(keys) == 1 and all("=" in name for name in names) else "*"
