"""The verb ``explain``: what each raw column contributes to the predictions of a finished run."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from colonnade.cli.compare import listed
from colonnade.cli.words import parse, show_messages, usage
from colonnade.core.errors import ConfigError

PURPOSE = """What each column of the table contributes to the predictions of a finished run: attributions.parquet
(a row for each explained one), explanation.json (importance with intervals, interactions, dependence
curves, deletion curve) and figures, in the run folder."""
RUN = {"run": "folder of a finished run; several, with commas between them or *, are explained together"}
OPTIONAL = {
    "data.path": "file with rows to explain; otherwise the run's own test rows",
    "background": "file with rows to compare with; otherwise the run's own train rows",
    "method": "auto, integrated_gradients, shapley, masks or tree_shap",
    "rows": "how many rows are explained at most; otherwise 500, or 100 series",
    "samples": "background rows that method=shapley starts from, and forests are compared with; otherwise 32",
    "steps": "nodes of method=integrated_gradients; otherwise 64",
    "out": "of several: folder for importance.json and its figure",
    "seed": "of the choice of rows and everything else random; otherwise 0",
}
NUMBERS = ("rows", "samples", "steps", "seed")


def explain(words: Sequence[str]) -> None:
    """Explain a run, and print the importance of its columns."""
    given = parse("explain", words, RUN, OPTIONAL)
    if given is None:
        sys.stdout.write(usage("explain", PURPOSE, RUN, OPTIONAL))
        return
    numbers = {}
    for key in NUMBERS:
        if key in given:
            if not given[key].isdecimal():
                raise ConfigError(f"colonnade explain: {key}={given[key]}: expected a whole number")
            numbers[key] = int(given[key])
    show_messages()
    from rich.console import Console

    from colonnade.explain.options import Explain
    from colonnade.report.importance_table import importance_table
    from colonnade.report.joint_importance import joint_table
    from colonnade.runs.explain import explain as apply
    from colonnade.runs.explain import explain_several
    from colonnade.runs.folder import RunFolder
    from colonnade.runs.load import ENSEMBLE

    try:
        options = Explain(**numbers, **({"method": given["method"]} if "method" in given else {}))  # type: ignore[arg-type]
    except ValueError as error:
        raise ConfigError(f"colonnade explain: {error}") from error
    console = Console()
    several = not os.path.isdir(given["run"]) and any(sign in given["run"] for sign in ",*")
    runs = listed(given["run"]) if several else [given["run"]]
    if len(runs) > 1 or (RunFolder(runs[0]) / ENSEMBLE).exists():
        joints = explain_several(
            runs, given.get("data.path"), background=given.get("background"), options=options, out=given.get("out")
        )
        for joint in joints:
            console.print(joint_table(joint))
        where = given.get("out") or (runs[0] if len(runs) == 1 else None)
        sys.stdout.write(f"{where}: importance.json, figures/\n" if where else "")
        return
    if "out" in given:
        raise ConfigError("colonnade explain: out= is for several runs; one keeps what is said of it in its own folder")
    found = apply(runs[0], given.get("data.path"), background=given.get("background"), options=options)
    for view in found.views:
        console.print(importance_table(found, view))
    sys.stdout.write(f"{given['run']}: attributions.parquet, explanation.json, figures/\n")
