"""The verb ``anomalies``: which steps of series are unlike their forecast."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from colonnade.cli.apply import OUT, RUN
from colonnade.cli.words import parse, show_messages, usage
from colonnade.core.errors import ConfigError

if TYPE_CHECKING:
    import polars as pl

OPTIONAL = {"alpha": "largest p-value of an anomaly (0.01)", "figure": "PNG of the series that has most of them"}
PURPOSE = """How far each step is from its forecast one step ahead, beside how far the validation steps of the run were.
The p-value is the share of these that were as far."""


def anomalies(words: Sequence[str]) -> None:
    """Score the steps of a file."""
    given = parse("anomalies", words, {**RUN, **OUT}, OPTIONAL)
    if given is None:
        sys.stdout.write(usage("anomalies", PURPOSE, {**RUN, **OUT}, OPTIONAL))
        return
    show_messages()
    from colonnade.runs.anomalies import anomalies as apply
    from colonnade.runs.predictions import check_out

    try:
        alpha = float(given.get("alpha", "0.01"))
    except ValueError:
        raise ConfigError(f"alpha={given['alpha']}: a number is expected, such as 0.01") from None
    if "figure" in given:
        check_out(Path(given["figure"]), (".png",))
    frame = apply(given["run"], given["data.path"], given["out"], alpha=alpha)
    found = int(frame["anomaly"].sum())
    chance = alpha * (frame.height - frame["score"].null_count())
    sys.stdout.write(f"{frame.height:,} steps, {found:,} anomalies ({chance:,.0f} by chance): {given['out']}\n")
    if "figure" in given:
        _draw(frame, Path(given["figure"]))


def _draw(frame: pl.DataFrame, path: Path) -> None:
    """The series with most anomalies, and of several targets the first."""
    from colonnade.report.anomalies import figure

    names = [name.removeprefix("target") for name in frame.columns if name.partition("/")[0] == "target"]
    key = frame.columns[1]
    title = "Anomalies"
    if not key.startswith("target"):
        counted = frame.filter("anomaly")[key].value_counts(sort=True)
        most = counted[key][0] if counted.height else frame[key][0]
        frame, title = frame.filter(frame[key] == most), f"Anomalies of {key} {most}"
    values = [frame[name].to_numpy() for name in (f"target{names[0]}", f"prediction{names[0]}", "score", "anomaly")]
    fig = figure(*values, name=names[0].removeprefix("/") or "target", title=title)
    path.parent.mkdir(parents=True, exist_ok=True)
    fig.savefig(path)
