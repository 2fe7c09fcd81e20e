"""Export: a finished run as files that need none of this."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
from omegaconf import DictConfig, OmegaConf

from colonnade.config.build import build
from colonnade.core.errors import ConfigError, DataError
from colonnade.core.files import write_json
from colonnade.data.conform import conform
from colonnade.data.sequences.dataset import SequenceDataset
from colonnade.data.sequences.steps import StepDataset
from colonnade.deploy.onnx_export import Exportable, OnnxExport
from colonnade.deploy.torch_export import TorchExport
from colonnade.runs.folder import RunFolder
from colonnade.runs.load import Loaded, load
from colonnade.runs.own import own_table
from colonnade.runs.predictions import check_out

if TYPE_CHECKING:
    from colonnade.deploy.parity import Parity

log = logging.getLogger(__name__)

TOLD = "export.json"
"""What each file in the run folder was compared on, and how far apart it was."""
FORMATS: dict[str, type[OnnxExport] | type[TorchExport]] = {"onnx": OnnxExport, "pt2": TorchExport}
# How a file is read; not where the training data lie, nor what is about targets and splits.
READING = (
    "delimiter",
    "decimal",
    "encoding",
    "quote",
    "header",
    "skip",
    "comment",
    "missing",
    "replace",
    "select",
    "levels",
    "timezone",
    "infinite",
)
# Of series also where they are, which of a wide table its other columns tell, and how windows and histories begin.
READING_OF_SERIES = (
    "id",
    "time",
    "channels",
    "frequency",
    "fill",
    "short",
    "context",
    "horizon",
    "future",
    "static",
    "known",
    "elapsed",
    "target",
    "weight",
    "group",
    "exclude",
)


@dataclass(frozen=True)
class Exported:
    """A file that was written.

    Args:
        path: of the file.
        size: in bytes.
        parity: what it was compared on, and how far apart it was.
    """

    path: Path
    size: int
    parity: Parity


def export(
    run: Path | str,
    out: Path | str | None = None,
    data: Any = None,
    *,
    format: str = "onnx",
    options: Mapping[str, Any] | None = None,
) -> Exported:
    """Export a finished run as one file, once it gives what the run gives.

    Args:
        run: folder of a finished run.
        out: the file, ending in ``.onnx`` or ``.pt2`` as its format is called; None: ``model.onnx`` or ``model.pt2`` in
            the run folder, listed in its manifest.
        data: path of a file, or a frame, of rows to compare on; None: those of the run's own data.
        format: ``onnx``: a graph from raw columns; ``pt2``: a program of torch, from codes.
        options: arguments of :class:`~colonnade.deploy.onnx_export.OnnxExport`, or of
            :class:`~colonnade.deploy.torch_export.TorchExport`, in place of those in the run's configuration.

    Raises:
        ConfigError: ``out`` cannot be written, ``format`` or an option is something else, the model cannot be
            exported, or its data cannot be read any more.
        ExportError: graph and model differ.
        RunFolderError: see :func:`~colonnade.runs.load.load`.
    """
    folder = RunFolder(run)
    loaded = load(folder.path)
    if format not in FORMATS:
        raise ConfigError(f"export: format must be one of {', '.join(FORMATS)}, got '{format}'")
    kind = FORMATS[format]
    exporter = next((one for one in exports(loaded.cfg) if isinstance(one, kind)), None) or kind()
    if options:
        # Arguments are kept by their names.
        known = vars(exporter)
        for name in options:
            if name not in known:
                raise ConfigError(f"export: {name}= is not for format={format}, which takes {', '.join(known)}")
        try:
            exporter = kind(**{**known, **options})
        except ValueError as error:
            raise ConfigError(f"export: {error}") from error
    path = folder / exporter.file if out is None else Path(out)
    check_out(path, (f".{format}",))
    if out is not None:
        return export_loaded(loaded, folder, exporter, path, data)
    with folder.locked():
        return export_loaded(loaded, folder, exporter, path, data)


def export_missing(cfg: DictConfig, folder: RunFolder, frame: Any = None) -> None:
    """Export what ``export:`` asks for and a finished run has not yet.

    Args:
        cfg: what was asked for.
        folder: of the run.
        frame: what the run was trained on, where that was no file.
    """
    for exporter in exports(cfg):
        path = folder / exporter.file
        if path.exists():
            continue
        with folder.locked():
            done = export_loaded(load(folder.path), folder, exporter, path, frame)
        far = f"{done.parity.worst:.1e} at most"
        if done.parity.quantized is not None:
            far = f"{max(done.parity.quantized.values(), default=0.0):.1e} on average, by rounding"
        log.info(
            "%s: %s bytes; on %d rows it differs from the model by %s", path, f"{done.size:,}", done.parity.rows, far
        )


def exports(cfg: DictConfig) -> list[OnnxExport | TorchExport]:
    """What the entries of ``export:`` name; none in the record of an earlier version."""
    return [build(node) for node in (cfg.get("export") or {}).values() if node is not None]


def export_loaded(
    loaded: Loaded, folder: RunFolder, exporter: OnnxExport | TorchExport, path: Path, data: Any = None
) -> Exported:
    """Export a run that is loaded; a file within its folder is listed in the manifest."""
    # Before the data are read.
    exporter.check(loaded.predictor)
    rows = _rows(loaded, folder, data, exporter.rows)
    parity = exporter(exportable(loaded, folder), rows, path)
    if path.resolve().parent == folder.path.resolve():
        told = folder / TOLD
        known = json.loads(told.read_text(encoding="utf-8")) if told.exists() else {}
        write_json(told, known | {path.name: parity.to_dict()})
        folder.list_files(path.name, TOLD)
    return Exported(path=path, size=path.stat().st_size, parity=parity)


def exportable(loaded: Loaded, folder: RunFolder) -> Exportable:
    """What an export needs of a run."""
    options = OmegaConf.to_container(loaded.cfg.data, resolve=True)
    assert isinstance(options, dict)
    keys = READING if loaded.spec.n_steps is None else (*READING, *READING_OF_SERIES)
    reading = {key: options[key] for key in keys if key in options and (key == "id" or options[key] is not None)}
    if isinstance(loaded.dataset, StepDataset):
        # By which steps are told from whole series.
        reading["lead"] = loaded.dataset.lead
    return Exportable(
        predictor=loaded.predictor,
        lookup=loaded.lookup,
        schema=loaded.schema,
        spec=loaded.spec,
        task=loaded.task,
        config_hash=str((folder.state or {}).get("config_hash", "")),
        reading=reading,
        conformal=None if loaded.fitted is None else loaded.fitted.conformal,
    )


def _rows(loaded: Loaded, folder: RunFolder, data: Any, at_most: int) -> pl.DataFrame:
    """Typed rows to compare on; of series that are forecast, windows that end anywhere in them."""
    if loaded.spec.n_steps is not None:
        return _series(loaded, folder, data, at_most)
    if data is not None:
        return loaded.dataset.read_new(data, loaded.schema, need_target=False).frame
    try:
        table = build(loaded.cfg.data).read()
    except (ConfigError, DataError) as error:
        raise ConfigError(
            f"export: the data of the run, on rows of which its graph is compared with it, cannot be read: {error}; "
            "data.path=<file> names others"
        ) from error
    return conform(table.frame, loaded.schema, need_target=False, where="the data of the run")


def _series(loaded: Loaded, folder: RunFolder, data: Any, at_most: int) -> pl.DataFrame:
    if data is not None:
        table = loaded.dataset.read_new(data, loaded.schema, need_target=False)
    else:
        try:
            table = own_table(folder, loaded, "data.path=<file> names others")
        except DataError as error:
            raise ConfigError(f"export: series on which the graph is compared with the run: {error}") from error
    if loaded.spec.horizon is None:
        return table.frame
    assert isinstance(loaded.dataset, SequenceDataset)
    return loaded.dataset.windows(table, at_most).frame
