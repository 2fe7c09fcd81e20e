"""The verb ``calibrate``: a finished run as a new one with calibrated probabilities, intervals or sets."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from colonnade.cli.words import parse, show_messages, usage
from colonnade.core.errors import ConfigError, RunFolderError

PURPOSE = """\
A run folder like a finished one, with calibrated probabilities, or with an interval or a set of classes beside each
prediction; fitted on the validation rows (of a cross-validation, the rows out of fold), or on labelled rows of a file.
It holds copies of what prediction takes; the run stays as it is."""
REQUIRED = {"run": "folder of a finished run", "out": "the new run folder"}
OPTIONAL = {
    "method": "of probabilities: temperature, vector (of two classes Platt scaling), isotonic or none; otherwise "
    "temperature, and none where conformal is given",
    "conformal": "auto; absolute or cqr (intervals of values); lac, aps or raps (sets of classes); or none",
    "level": "share of the rows whose interval or set holds what is true; otherwise 0.9",
    "group": "column of categories, each with a threshold of its own",
    "scaling": "of intervals of forecasts: window (each as wide as what it looks back at moves), none, or auto, which "
    "is window where there are several series",
    "by_class": "true: a threshold of its own for each class (of sets)",
    "disagreement": "false: do not say how far the members of the model are apart (with conformal)",
    "penalty": "of raps: for each class beyond the first; otherwise 0.01",
    "free": "of raps: classes without a penalty; otherwise 1",
    "randomized": "true: of aps and raps, the class at which a set ends is in it by chance, drawn from the columns of "
    "the row: not more is covered than was asked for, and sets may be empty",
    "data.path": "file of labelled rows to calibrate on, instead of the validation rows",
    "overwrite": "true: replace what out holds",
}
NUMBERS = {"level": float, "penalty": float, "free": int}
FLAGS = ("disagreement", "by_class", "randomized")
TRUTH = {"true": True, "false": False}
NONE = "none"


def calibrate(words: Sequence[str]) -> None:
    """Make a calibrated run of a finished one."""
    given = parse("calibrate", words, REQUIRED, OPTIONAL)
    if given is None:
        sys.stdout.write(usage("calibrate", PURPOSE, REQUIRED, OPTIONAL))
        return
    for key in ("overwrite", *FLAGS):
        if given.get(key, "true") not in TRUTH:
            raise ConfigError(f"{key}={given[key]}: true or false")
    told: dict[str, Any] = {key: given[key] for key in ("conformal", "group", "scaling") if key in given}
    told |= {key: _number(key, given[key]) for key in NUMBERS if key in given}
    told |= {key: TRUTH[given[key]] for key in FLAGS if key in given}
    if told and "conformal" not in told:
        raise ConfigError(f"{next(iter(told))}= goes with conformal=, such as conformal=auto")
    method = given.get("method", NONE if told else "temperature")
    show_messages()
    from rich.console import Console

    from colonnade.evaluation.options import Calibration, Uncertainty
    from colonnade.report.table import metrics_table
    from colonnade.runs.calibrate import calibrate as make

    try:
        calibration = None if method == NONE else Calibration(method=method)
        uncertainty = Uncertainty(**told) if told else None
    except ValueError as error:
        raise ConfigError(f"colonnade calibrate: {error}") from error
    if calibration is None and uncertainty is None:
        raise ConfigError("method=none without conformal= leaves nothing to do")
    try:
        result = make(
            given["run"],
            given["out"],
            calibration=calibration,
            uncertainty=uncertainty,
            data=given.get("data.path"),
            overwrite=given.get("overwrite") == "true",
        )
    except RunFolderError as error:
        raise RunFolderError(str(error).replace("hydra.run.dir=", "out=")) from error
    except ConfigError as error:
        raise ConfigError(str(error).replace("calibration=none", "method=none conformal=auto")) from error
    console = Console()
    console.print(metrics_table(result["metrics"], monitor=result["monitor"], task=result["task"]))
    console.print(f"run folder  {given['out']}", markup=False, highlight=False, soft_wrap=True)


def _number(key: str, text: str) -> int | float:
    try:
        return NUMBERS[key](text)
    except ValueError:
        raise ConfigError(f"{key}={text}: expected {'an integer' if NUMBERS[key] is int else 'a number'}") from None
