"""The verb ``inspect``: what a table holds, what is doubtful about it, and the YAML that says so."""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from colonnade.core.errors import ConfigError

if TYPE_CHECKING:
    from omegaconf import DictConfig
    from rich.console import Console

    from colonnade.cli.findings import Findings
    from colonnade.data.dataset import TableDataset
    from colonnade.data.table import Table

HELP = """colonnade inspect table.csv [data.target=y] [out=my.yaml] [key=value ...]

Reads a table, shows what its columns are and what is doubtful, and writes conf/data/<name>.yaml for `data=<name>`.
`table.csv` is short for `data.path=table.csv`. out=FILE writes elsewhere, out=- prints.
parts=true also splits the rows (split=...) and shows how alike train, validation and test rows are, column by column.
Series too: data=sequences (data.id, data.time, ...) or data=steps.
An existing file is never overwritten, and for `data=<name>`, which has its file, none is written without out=FILE.
"""

# Files of conf/data that stand for data of one's own.
OWN = ("table", "sequences", "steps")
_ENDING = r"\.(csv|tsv|txt|data|parquet|arrow|feather|ipc|jsonl|ndjson|json)"
_PACKED = r"\.(gz|zst|bz2)"
# Text without = that is meant as a file, whether or not there is one.
_FILE = re.compile(rf"[^~].*(/.*|{_ENDING}|{_PACKED}|\.xlsx?|\.zip)|/.*", re.IGNORECASE)


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
    from colonnade.cli.findings import look
    from colonnade.cli.inspect_series import first_model, look_at_series, show_series, written_schema
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
    series = isinstance(dataset, SequenceDataset)
    if series and parts == ["true"]:
        raise ConfigError("parts=true compares rows of tables: leave it out for series")
    table = dataset.read()
    waive = tuple(cfg.data.get("waive") or ())
    findings = look_at_series(dataset, table, waive) if series else look(table, waive)
    console = Console(file=sys.stdout, highlight=False)
    name, title = _name_of(cfg), str(cfg.data.get("path") or _stem(cfg))
    if series:
        show_series(console, dataset, table, findings, title=title)
    else:
        show(console, table, findings, title=title)
    if parts == ["true"]:
        from colonnade.cli.parts import show_parts

        show_parts(console, cfg, table, findings.kind)

    there = None if out else _own_file(cfg, overrides)
    model = first_model(dataset) if series else "mlp"
    if there is not None:
        console.print(f"\n[bold]Kept   [/] {there} is there already; out=FILE writes another", soft_wrap=True)
        console.print(f"[bold]Train  [/] colonnade train model={model} data={cfg.choices.data}", soft_wrap=True)
        return 0
    suffix = "".join(out) or f"conf/data/{name}.yaml"
    given, schema = _given(cfg, type(dataset)), table.schema
    if series:
        schema = written_schema(dataset, table)
    text = data_yaml(schema, given, name=name, task=findings.task, base=_base(cfg, series=series), leaks=findings.leaks)
    if suffix == "-":
        console.rule("[bold]YAML", align="left")
        console.print(text, markup=False, soft_wrap=True)
        return 0
    written = Path(suffix)
    _write(written, text)
    console.print(f"\n[bold]Written[/] {written}", soft_wrap=True)
    console.print(f"[bold]Train  [/] {command(written, bool(schema.targets), model)}", soft_wrap=True)
    return 0


def show(console: Console, table: Table, findings: Findings, *, title: str) -> None:
    """Print columns, target and doubts."""
    from rich.markup import escape

    from colonnade.cli.listing import show_columns, show_doubts, target_text

    frame, schema = table.frame, table.schema
    console.print(f"[bold]{escape(title)}[/]  {frame.height:,} rows, {len(schema.columns)} columns\n", soft_wrap=True)
    show_columns(console, table, findings)
    if schema.targets:
        console.print(f"\n[bold]Target[/]  {escape(target_text(table, findings))}")
    else:
        console.print("\n[bold]Target[/]  none yet: data.target=<column>")
    show_doubts(console, findings, everything="rows")


def command(written: Path, has_target: bool, model: str = "mlp") -> str:
    """The words that train on the data file just written."""
    words = ["colonnade", "train", f"model={model}", f"data={written.stem}"]
    folder = written.parent.resolve()
    if folder != Path.cwd() / "conf" / "data":
        if folder.name != "data":
            return f"move {written} to conf/data/, then: {shlex.join(words)}"
        words.append(f"--config-dir={folder.parent}")
    if not has_target:
        return shlex.join(words) + " data.target=<column>"
    return shlex.join(words)


def _spelled(word: str) -> str:
    """The path of a file alone as an override."""
    if "=" in word or not (Path(word).exists() or _FILE.fullmatch(word)):
        return word
    return "data.path='{}'".format(word.replace("'", r"\'"))


def _own_file(cfg: DictConfig, overrides: Sequence[str]) -> Path | None:
    """The file of a data set that was chosen by its name; None when the table is one of the user's own."""
    from colonnade.config.locate import shipped, user

    own = any(word.lstrip("+").startswith(("data.path=", "data.sql")) for word in overrides)
    if own or cfg.choices.data in OWN:
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


def _base(cfg: DictConfig, *, series: bool) -> str:
    """The file that the one which is written builds on: of one's own data."""
    if cfg.choices.data in OWN:
        return str(cfg.choices.data)
    return "table" if not series else "steps" if "lead" in cfg.data else "sequences"


def _given(cfg: DictConfig, of: type[TableDataset]) -> dict[str, Any]:
    """What stands below ``data`` and departs from the defaults of its class, interpolations kept."""
    from inspect import signature

    from omegaconf import OmegaConf

    from colonnade.config.record import redact

    node = OmegaConf.to_container(redact(cfg).data, resolve=False)
    defaults = {name: p.default for name, p in signature(of.__init__).parameters.items()}
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
