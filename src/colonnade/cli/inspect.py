"""The verb ``inspect``: what a table holds, what is doubtful about it, and the YAML that says so."""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from colonnade.core.errors import ConfigError, DataError

if TYPE_CHECKING:
    from omegaconf import DictConfig
    from rich.console import Console, JustifyMethod
    from rich.table import Table as Grid

    from colonnade.core.schema import TargetKind
    from colonnade.data.leakage import Leak
    from colonnade.data.table import Table

HELP = """colonnade inspect table.csv [data.target=y] [out=my.yaml] [key=value ...]

Reads a table, shows what its columns are and what is doubtful, and writes conf/data/<name>.yaml for `data=<name>`.
`table.csv` is short for `data.path=table.csv`. out=FILE writes elsewhere, out=- prints.
parts=true also splits the rows (split=...) and shows how alike train, validation and test rows are, column by column.
An existing file is never overwritten, and for `data=<name>`, which has its file, none is written without out=FILE.
"""

_NAME = 34
_ENDING = r"\.(csv|tsv|txt|data|parquet|arrow|feather|ipc|jsonl|ndjson|json)"
_PACKED = r"\.(gz|zst|bz2)"
# Text without = that is meant as a file, whether or not there is one.
_FILE = re.compile(rf"[^~].*(/.*|{_ENDING}|{_PACKED}|\.xlsx?|\.zip)|/.*", re.IGNORECASE)


@dataclass
class Findings:
    """What a look at a table gave.

    Args:
        kind: kind of the target; None without one, or when it cannot be learned.
        task: name of the task that fits, or None.
        doubts: ``(column, text, grave)``; an empty column is the whole table.
        leaks: columns that say too much.
    """

    kind: TargetKind | None
    task: str | None
    doubts: list[tuple[str, str, bool]]
    leaks: list[Leak]


def inspect(words: list[str]) -> int:
    """Show a table and write its YAML.

    Args:
        words: overrides as for ``train`` (``data.path=``, ``data.target=``, ``data.*``, ``data=...``), ``out=``
            and ``parts=``.

    Returns:
        0.

    Raises:
        ColonnadeError: the words, the file or the declared columns are at fault, or the file to write exists.
    """
    if not words or any(word in ("-h", "--help") for word in words):
        sys.stdout.write(HELP)
        return 0
    from rich.console import Console

    from colonnade.cli.data_yaml import data_yaml
    from colonnade.config.build import build
    from colonnade.config.compose import compose
    from colonnade.data.sequences.dataset import SequenceDataset

    out = [word.removeprefix("out=") for word in words if word.startswith("out=")][-1:]
    parts = [word.removeprefix("parts=").lower() for word in words if word.startswith("parts=")][-1:]
    if parts not in ([], ["true"], ["false"]):
        raise ConfigError(f"parts={parts[0]}: expected true or false")
    overrides = [_spelled(word) for word in words if not word.startswith(("out=", "parts="))]
    cfg = compose(overrides)
    dataset = build(cfg.data)
    if isinstance(dataset, SequenceDataset):
        raise ConfigError("inspect looks at tables, and `data` gives sequences: train with model=gru, or data=table")
    table = dataset.read()
    findings = look(table, tuple(cfg.data.get("waive") or ()))
    console = Console(file=sys.stdout, highlight=False)
    name = _name_of(cfg)
    show(console, table, findings, title=str(cfg.data.get("path") or _stem(cfg)))
    if parts == ["true"]:
        from colonnade.cli.parts import show_parts

        show_parts(console, cfg, table, findings.kind)

    there = None if out else _own_file(cfg, overrides)
    if there is not None:
        console.print(f"\n[bold]Kept   [/] {there} is there already; out=FILE writes another", soft_wrap=True)
        console.print(f"[bold]Train  [/] colonnade train model=mlp data={cfg.choices.data}", soft_wrap=True)
        return 0
    suffix = "".join(out) or f"conf/data/{name}.yaml"
    text = data_yaml(table.schema, _given(cfg), name=name, task=findings.task, leaks=findings.leaks)
    if suffix == "-":
        console.rule("[bold]YAML", align="left")
        console.print(text, markup=False, soft_wrap=True)
        return 0
    written = Path(suffix)
    _write(written, text)
    console.print(f"\n[bold]Written[/] {written}", soft_wrap=True)
    console.print(f"[bold]Train  [/] {command(written, bool(table.schema.targets))}", soft_wrap=True)
    return 0


def look(table: Table, waive: Sequence[str] = ()) -> Findings:
    """Everything that inference, the examination and the leakage test have to say."""
    from colonnade.data.doubts import examine, listed
    from colonnade.data.infer import target_doubt, target_kind
    from colonnade.data.leakage import find_leaks

    frame, schema = table.frame, table.schema
    doubts: list[tuple[str, str, bool]] = []
    for note in table.notes:
        column = next((c for c in schema.columns if note.startswith(f"{c}: ")), "")
        doubts.append((column, note.removeprefix(f"{column}: ") if column else note, False))
    kind, task, leaks = None, None, []
    if schema.targets:
        try:
            kind, task = target_kind(frame, schema)
        except DataError as error:
            doubts.append((schema.targets[0], str(error), True))
        else:
            leaks = [leak for leak in find_leaks(frame, schema, kind) if leak.column not in waive]
    doubts += [(d.column, d.text, False) for d in (*target_doubt(frame, schema), *examine(frame, schema, kind))]
    for leak in leaks:
        text = leak.text.removeprefix(f"column '{leak.column}' ")
        fix = (
            f"; excluded in the YAML, data.waive={listed(leak.column)} if it is known beforehand" if leak.stops else ""
        )
        doubts.append((leak.column, text + fix, leak.stops))
    order = {name: i for i, name in enumerate(schema.columns)}
    return Findings(kind, task, sorted(doubts, key=lambda d: (not d[2], order.get(d[0], len(order)))), leaks)


def show(console: Console, table: Table, findings: Findings, *, title: str) -> None:
    """Print columns, target and doubts."""
    from rich.markup import escape
    from rich.table import Table as Grid

    frame, schema = table.frame, table.schema
    console.print(f"[bold]{escape(title)}[/]  {frame.height:,} rows, {len(schema.columns)} columns\n", soft_wrap=True)
    console.print(_columns(table, findings, console.width))
    if schema.targets:
        console.print(f"\n[bold]Target[/]  {escape(_target(table, findings))}")
    else:
        console.print("\n[bold]Target[/]  none yet: data.target=<column>")
    if findings.doubts:
        console.print("\n[bold]Doubts[/]")
        listing = Grid(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
        listing.add_column(no_wrap=True, overflow="ellipsis", max_width=28)
        listing.add_column()
        for about, text, grave in findings.doubts:
            style = "red" if grave else "yellow"
            listing.add_row(f"[{style}]{escape(about) or 'rows'}[/]", escape(text))
        console.print(listing)


def _columns(table: Table, findings: Findings, width: int) -> Grid:
    from rich.markup import escape
    from rich.table import Table as Grid

    frame, schema = table.frame, table.schema
    doubted = {column: grave for column, _, grave in reversed(findings.doubts)}
    marks = {None: "", False: " [yellow]?[/]", True: " [red]![/]"}
    kinds = [_kind_and_role(table, name) for name in schema.columns]
    # Widths are set here, because Rich would drop whole columns to make room for long values.
    widths = (min(_NAME, width // 3, max(map(len, schema.columns)) + 2), max(map(len, kinds)), 7, 8)
    rest = max(10, width - sum(widths) - 2 * len(widths))
    grid = Grid(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for header, size in zip(("column", "kind", "missing", "distinct", "values"), (*widths, rest)):
        justify: JustifyMethod = "right" if header in ("missing", "distinct") else "left"
        grid.add_column(header, justify=justify, width=size, no_wrap=True, overflow="ellipsis")
    for name, kind in zip(schema.columns, kinds):
        share = frame[name].null_count() / frame.height
        grid.add_row(
            escape(name if len(name) <= widths[0] - 2 else f"{name[: widths[0] - 3]}…") + marks[doubted.get(name)],
            kind,
            f"{share:.1%}" if share else "",
            f"{frame[name].n_unique() - (share > 0):,}",
            escape(_values(table, name)),
            style="dim" if name not in schema.features and name not in schema.targets else "",
        )
    return grid


def command(written: Path, has_target: bool) -> str:
    """The words that train on the data file just written."""
    words = ["colonnade", "train", "model=mlp", f"data={written.stem}"]
    folder = written.parent.resolve()
    if folder != Path.cwd() / "conf" / "data":
        if folder.name != "data":
            return f"move {written} to conf/data/, then: {shlex.join(words)}"
        words.append(f"--config-dir={folder.parent}")
    if not has_target:
        return shlex.join(words) + " data.target=<column>"
    return shlex.join(words)


def _kind_and_role(table: Table, name: str) -> str:
    schema = table.schema
    if name in schema.exclude:
        return "excluded"
    roles = {schema.weight: "weight", schema.group: "group", schema.time: "time", schema.row_id: "row id"}
    role = "target" if name in schema.targets else roles.get(name)
    kind = str(schema.columns[name].kind)
    return f"{kind}, {role}" if role else kind


def _values(table: Table, name: str) -> str:
    """The range of numbers and times; the most frequent of other values."""
    from colonnade.data.doubts import count_values

    series = table.frame[name].drop_nulls()
    if series.len() == 0:
        return ""
    if series.dtype.is_numeric():
        ends = (series.min(), series.median(), series.max())
        return " .. ".join(_number(v) for v in ends)
    if series.dtype.is_temporal():
        return " .. ".join(str(v).removesuffix(" 00:00:00") for v in (series.min(), series.max()))
    counts = count_values(series.cast(str)).head(4)
    shown = [str(v) if len(str(v)) <= 24 else f"{v!s:.23}…" for v in counts["value"].to_list()]
    return ", ".join(shown)


def _number(value: Any) -> str:
    return str(value) if isinstance(value, int) else f"{value:.7g}"


def _target(table: Table, findings: Findings) -> str:
    from colonnade.data.doubts import count_values

    names = ", ".join(table.schema.targets)
    if findings.task is None:
        return f"{names}: cannot be learned as it stands"
    text = f"{names}: {findings.task}"
    if findings.kind is not None and findings.kind.value == "class":
        counts = count_values(table.frame[names])
        total = int(counts["count"].sum())
        shares = [f"{value} {n / total:.1%}" for value, n in counts.head(6).rows()]
        more = f", and {len(counts) - 6} more" if len(counts) > 6 else ""
        return f"{text}, {len(counts)} classes: {', '.join(shares)}{more}"
    if findings.kind is not None and findings.kind.value == "multilabel":
        shares = [f"{name} {table.frame[name].cast(float).sum() / len(table):.1%}" for name in table.schema.targets]
        return f"{text}, positive: {', '.join(shares)}"
    moments = table.frame.select(table.schema.targets).describe(())
    rows = {row[0]: row[1:] for row in moments.rows()}
    spread = [
        f"{name} {float(mean):.6g} ± {float(deviation):.4g}"
        for name, mean, deviation in zip(table.schema.targets, rows["mean"], rows["std"])
    ]
    return f"{text}, mean and deviation: {'; '.join(spread)}"


def _spelled(word: str) -> str:
    """The path of a file alone as an override."""
    if "=" in word or not (Path(word).exists() or _FILE.fullmatch(word)):
        return word
    return "data.path='{}'".format(word.replace("'", r"\'"))


def _own_file(cfg: DictConfig, overrides: Sequence[str]) -> Path | None:
    """The file of a data set that was chosen by its name; None when the table is one of the user's own."""
    from colonnade.config.locate import shipped, user

    own = any(word.lstrip("+").startswith(("data.path=", "data.sql")) for word in overrides)
    if own or cfg.choices.data == "table":
        return None
    files = [folder / "data" / f"{cfg.choices.data}.yaml" for folder in (user(), shipped()) if folder is not None]
    return next((Path(os.path.relpath(file)) for file in files if file.is_file()), None)


def _name_of(cfg: DictConfig) -> str:
    """Name of the YAML file: never one that would hide a shipped data set."""
    from colonnade.config.locate import shipped

    name = _stem(cfg)
    return f"my_{name}" if (shipped() / "data" / f"{name}.yaml").exists() else name


def _stem(cfg: DictConfig) -> str:
    path = cfg.data.get("path")
    if path is None:
        return str(cfg.data.get("name") or "table")
    stem = re.sub(rf"({_ENDING})?({_PACKED})?$", "", Path(path).name)
    return re.sub(r"\W+", "_", stem).strip("_").lower() or "table"


def _given(cfg: DictConfig) -> dict[str, Any]:
    """What stands below ``data`` and departs from the defaults of its class, interpolations kept."""
    from inspect import signature

    from omegaconf import OmegaConf

    from colonnade.config.record import redact
    from colonnade.data.dataset import TableDataset

    node = OmegaConf.to_container(redact(cfg).data, resolve=False)
    defaults = {name: p.default for name, p in signature(TableDataset.__init__).parameters.items()}
    assert isinstance(node, dict)
    given = {str(k): v for k, v in node.items() if not str(k).startswith("_")}
    return {k: v for k, v in given.items() if v is not None and v not in ([], {}) and v != defaults.get(k)}


def _write(path: Path, text: str) -> None:
    if path.exists():
        if path.read_text(encoding="utf-8") == text:
            return
        raise ConfigError(f"{path} exists and differs: remove it, or out=<another file>, or out=- to print")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
