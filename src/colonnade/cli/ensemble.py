"""The verb ``ensemble``: several finished runs as one run folder."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from colonnade.cli.compare import listed
from colonnade.cli.words import parse, show_messages, usage
from colonnade.core.errors import ConfigError, RunFolderError

PURPOSE = """\
One run folder of several finished runs of the same data: networks, baselines, cross-validations, ensembles. Weights are
found on their validation rows (of a cross-validation, the rows out of fold) and measured on their test rows. It holds
copies of what prediction takes; predict, evaluate, compare and ensemble take it like any run."""
REQUIRED = {"runs": "run folders, with commas between them; * stands for anything", "out": "the new run folder"}
OPTIONAL = {
    "method": "greedy (selection with replacement, Caruana et al. 2004), mean, or stacking (a linear model)",
    "rounds": "of greedy: selections after the best few; 50",
    "bags": "of greedy: repeated with so many random halves of the runs, weights averaged; 0",
    "regularisation": "of stacking: of squared weights, above 0; 1",
    "overwrite": "true: replace what out holds",
}
NUMBERS = {"rounds": int, "bags": int, "regularisation": float}


def ensemble(words: Sequence[str]) -> None:
    """Make one run folder of finished runs."""
    given = parse("ensemble", words, REQUIRED, OPTIONAL)
    if given is None:
        sys.stdout.write(usage("ensemble", PURPOSE, REQUIRED, OPTIONAL))
        return
    numbers: dict[str, Any] = {key: _number(key, given[key]) for key in NUMBERS if key in given}
    if given.get("overwrite", "false") not in ("true", "false"):
        raise ConfigError(f"overwrite={given['overwrite']}: true or false")
    show_messages()
    from rich.console import Console

    from colonnade.report.members import members_table
    from colonnade.report.table import metrics_table
    from colonnade.runs.ensemble import ensemble as make

    try:
        result = make(
            listed(given["runs"]),
            given["out"],
            method=given.get("method", "greedy"),
            overwrite=given.get("overwrite") == "true",
            **numbers,
        )
    except RunFolderError as error:
        raise RunFolderError(str(error).replace("hydra.run.dir=", "out=")) from error
    console = Console()
    console.print(metrics_table(result["metrics"], monitor=result["monitor"], task=result["task"]))
    console.print(members_table(result))
    console.print(f"run folder  {given['out']}", markup=False, highlight=False, soft_wrap=True)


def _number(key: str, text: str) -> int | float:
    try:
        return NUMBERS[key](text)
    except ValueError:
        raise ConfigError(f"{key}={text}: expected {'an integer' if NUMBERS[key] is int else 'a number'}") from None
