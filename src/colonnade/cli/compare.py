"""The verb ``compare``: several run folders in one table."""

from __future__ import annotations

import glob
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from colonnade.cli.words import parse, show_messages, usage
from colonnade.core.errors import ConfigError

PURPOSE = """Finished runs in one table, the best first, and each against the best: whether its predictions of
the same test rows differ by more than chance (exact McNemar test for labels, sign-flip permutation
test for numbers, p-values adjusted by Holm's method)."""
OPTIONAL = {
    "runs": "run folders, with commas between them; * stands for anything",
    "sweep": "folder of a search, instead: all of its runs",
    "out": "folder to write leaderboard.csv, .md and .html to",
}


def compare(words: Sequence[str]) -> None:
    """Rank finished runs, and test them against the best."""
    given = parse("compare", words, {}, OPTIONAL)
    if given is None:
        sys.stdout.write(usage("compare", PURPOSE, {}, OPTIONAL))
        return
    if ("runs" in given) == ("sweep" in given):
        raise ConfigError("colonnade compare: give either runs=a,b,c or sweep=<folder>")
    if "out" in given and os.path.exists(given["out"]) and not os.path.isdir(given["out"]):
        raise ConfigError(f"out='{given['out']}' is a file; name a folder")
    show_messages()
    from rich.console import Console

    from colonnade.report import leaderboard, significance
    from colonnade.runs.compare import compare as apply
    from colonnade.runs.compare import runs_below

    folders = [str(path) for path in runs_below(given["sweep"])] if "sweep" in given else listed(given["runs"])
    found = apply(folders)
    title = f"{len(found.rows)} runs"
    console = Console()
    console.print(leaderboard.table(found.rows, title=title))
    if found.tests:
        console.print(f"Against {found.reference}: {found.basis}", style="bold", markup=False, highlight=False)
        console.print(significance.table(found.tests))
    for note in found.notes:
        console.print(note, markup=False, highlight=False, soft_wrap=True)
    if "out" not in given:
        return
    out = Path(given["out"])
    notes = [f"Tests against {found.reference}: {found.basis}."] if found.tests else []
    notes += [significance.sentence(name, str(found.reference), test) for name, test in found.tests]
    try:
        out.mkdir(parents=True, exist_ok=True)
        command = leaderboard.reproduce(found.rows)
        leaderboard.write(found.rows, out, title=title, command=command, notes=[*notes, *found.notes])
    except OSError as error:
        raise ConfigError(f"out='{out}' cannot be written: {error}") from error
    sys.stdout.write(f"{out / 'leaderboard.html'}\n")


def listed(text: str) -> list[str]:
    """The folders of a list with commas between them; names of folders may hold commas, too.

    Raises:
        ConfigError: what is no folder is named.
    """
    parts = text.split(",")
    found: list[str] = []
    missing: list[str] = []
    start = 0
    while start < len(parts):
        # The longest name that is there: model=mlp,seed=1 rather than model=mlp.
        ends = (end for end in range(len(parts), start, -1) if _folders(",".join(parts[start:end])))
        end = next(ends, None)
        if end is None:
            missing.append(parts[start])
            start += 1
            continue
        found += _folders(",".join(parts[start:end]))
        start = end
    if missing:
        raise ConfigError(f"runs={text}: there is no folder {' or '.join(repr(name) for name in missing)}")
    return found


def _folders(name: str) -> list[str]:
    """The folder of a name, or those that a pattern fits: of a search, its runs and not what lies beside them."""
    from colonnade.runs.folder import CONFIG, RESULT, STATE

    if os.path.isdir(name) or "*" not in name:
        return [name] if os.path.isdir(name) else []
    found = sorted(path for path in glob.glob(name) if os.path.isdir(path))
    runs = [path for path in found if any((Path(path) / file).is_file() for file in (RESULT, STATE, CONFIG))]
    # Where none is a run they are named.
    return runs or found
