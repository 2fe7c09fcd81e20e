"""The verb ``calibrate``: a finished run as a new one with calibrated probabilities."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from colonnade.cli.words import parse, show_messages, usage
from colonnade.core.errors import ConfigError, RunFolderError

PURPOSE = """\
A run folder like a finished one, its probabilities calibrated on the validation rows (of a cross-validation, the rows
out of fold), or on labelled rows of a file. It holds copies of what prediction takes; the run stays as it is."""
REQUIRED = {"run": "folder of a finished run", "out": "the new run folder"}
OPTIONAL = {
    "method": "temperature, vector (of two classes Platt scaling) or isotonic; otherwise temperature",
    "data.path": "file of labelled rows to calibrate on, instead of the validation rows",
    "overwrite": "true: replace what out holds",
}


def calibrate(words: Sequence[str]) -> None:
    """Make a calibrated run of a finished one."""
    given = parse("calibrate", words, REQUIRED, OPTIONAL)
    if given is None:
        sys.stdout.write(usage("calibrate", PURPOSE, REQUIRED, OPTIONAL))
        return
    if given.get("overwrite", "false") not in ("true", "false"):
        raise ConfigError(f"overwrite={given['overwrite']}: true or false")
    show_messages()
    from rich.console import Console

    from colonnade.evaluation.options import Calibration
    from colonnade.report.table import metrics_table
    from colonnade.runs.calibrate import calibrate as make

    try:
        options = Calibration(**({"method": given["method"]} if "method" in given else {}))
    except ValueError as error:
        raise ConfigError(f"colonnade calibrate: {error}") from error
    try:
        result = make(
            given["run"],
            given["out"],
            calibration=options,
            data=given.get("data.path"),
            overwrite=given.get("overwrite") == "true",
        )
    except RunFolderError as error:
        raise RunFolderError(str(error).replace("hydra.run.dir=", "out=")) from error
    console = Console()
    console.print(metrics_table(result["metrics"], monitor=result["monitor"], task=result["task"]))
    console.print(f"run folder  {given['out']}", markup=False, highlight=False, soft_wrap=True)
