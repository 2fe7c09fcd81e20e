"""The verb ``refit``: the best run of a search, trained once more on train and validation rows together."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from colonnade.cli.words import HELP, parse, show_messages, usage
from colonnade.core.errors import ConfigError, RunFolderError

PURPOSE = """\
Trains the best run of a search, or one run, again on its train and validation rows together, for as many epochs as its
best weights had seen, and measures the test rows. Further key=value words (data.path=..., trainer.accelerator=cpu)
change the configuration."""
KEYS = {
    "sweep": "folder of a search; the finished run with the best monitored metric is taken",
    "run": "folder of one finished run, instead of sweep=",
    "out": "run folder of the refit; otherwise refit/ in the search, or <run>-refit",
    "seed": "of everything random but the split, which stays; otherwise that of the run",
    "overwrite": "true: train again where a refit is finished, or another one lies",
}
# Those that are about the verb, not about the training.
OWN = ("sweep", "run", "out")


def refit(words: Sequence[str]) -> None:
    """Train the best run of a search on all rows but the test rows."""
    if any(word in HELP for word in words):
        sys.stdout.write(usage("refit", PURPOSE, {}, KEYS))
        return
    # Keys with a dot are those of the configuration.
    further = [word for word in words if "." in word.partition("=")[0]]
    given = parse("refit", [word for word in words if word not in further], {}, KEYS) or {}
    if ("sweep" in given) == ("run" in given):
        raise ConfigError("colonnade refit: give sweep=<folder of a search> or run=<folder of a run>, one of the two")
    changes = [*(f"{key}={value}" for key, value in given.items() if key not in OWN), *further]
    show_messages()
    from colonnade.tuning.best import best_run
    from colonnade.tuning.refit import refit as train

    if "sweep" in given:
        run = best_run(Path(given["sweep"]))
        out = Path(given["sweep"]) / "refit"
    else:
        run = Path(given["run"]).resolve()
        out = run.with_name(f"{run.name}-refit")
    try:
        train(run, Path(given.get("out", out)), changes)
    except RunFolderError as error:
        raise RunFolderError(str(error).replace("hydra.run.dir=", "out=")) from error
