"""OnnxExport: what ``export: onnx`` in a configuration builds; writes the graph once it has been held to the model."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import nn

from colonnade.core.errors import MissingExtraError
from colonnade.core.files import write_atomic
from colonnade.data.encoder import Encoder
from colonnade.deploy.half import check_half, with_half
from colonnade.deploy.kinds import FP16, KINDS
from colonnade.tasks.forecast_distribution import DistributionDecoder

if TYPE_CHECKING:
    import polars as pl

    from colonnade.core.schema import Schema
    from colonnade.core.spec import BatchSpec
    from colonnade.data.lookup import Lookup
    from colonnade.deploy.parity import Parity
    from colonnade.tasks.base import Task

LEAST = 60
"""Series that are compared at the least, however long."""
PACKAGES = ("onnx", "onnxscript", "onnxruntime")


@dataclass
class Exportable:
    """What is exported.

    Args:
        predictor: raw rows to decoded predictions: a :class:`~colonnade.training.predictor.Predictor`, or several of
            them as one module.
        lookup: raw rows to what the predictor takes.
        schema: of the raw table.
        spec: of the encoded data.
        task: set up.
        config_hash: of the configuration it was trained with.
        reading: how delimited text was read: keyword arguments of
            :class:`~colonnade.data.dataset.TableDataset`, of series of
            :class:`~colonnade.data.sequences.dataset.SequenceDataset`, with what says where series are.
        conformal: ``method``, ``level`` and ``group`` of intervals or sets; None: there are none.
    """

    predictor: nn.Module
    lookup: Lookup
    schema: Schema
    spec: BatchSpec
    task: Task
    config_hash: str
    reading: Mapping[str, Any]
    conformal: Mapping[str, Any] | None = None


class OnnxExport:
    """One ONNX file from raw columns, or the raw steps of series, to decoded predictions.

    Args:
        tolerance: largest difference between graph and model, above 0: of a probability, or of a value in standard
            deviations of its target.
        rows: real rows that both are fed with, spread over the table, from 1; of series fewer where they are long.
        matrix_above: number of columns above which the graph takes a matrix of numbers, one of texts and one of times
            instead of an input for each column: hundreds of inputs cost more than the model.
        quantize: weights of fewer bits, once the graph as it was exported has been compared; None: not. ``int8``:
            matrices as whole numbers, and what they are multiplied with rounded as it comes (dynamic quantization);
            ``fp16``, ``bf16``: weights stored in 16 bits.
        compute: ``fp16``: what follows the embeddings up to the raw outputs is computed in 16 bits, for GPUs, likewise
            once the exact graph has been compared; None: in float32.
        quantize_tolerance: largest mean difference of an output that either may make, above 0, counted as
            ``tolerance`` is, and of labels and sets in shares of the rows.

    Raises:
        ValueError: an argument is out of range, or both ``quantize`` and ``compute`` are given.
        MissingExtraError: onnx, onnxscript or onnxruntime is not installed.
    """

    file = "model.onnx"

    def __init__(
        self,
        *,
        tolerance: float = 1e-5,
        rows: int = 1000,
        matrix_above: int = 100,
        quantize: str | None = None,
        compute: str | None = None,
        quantize_tolerance: float = 0.01,
    ) -> None:
        if not tolerance > 0:
            raise ValueError(f"tolerance must be above 0, got {tolerance}")
        if rows < 1:
            raise ValueError(f"rows must be 1 or more, got {rows}")
        if matrix_above < 0:
            raise ValueError(f"matrix_above must be 0 or more, got {matrix_above}")
        if quantize is not None and quantize not in KINDS:
            raise ValueError(f"quantize must be one of {', '.join(KINDS)}, or null, got {quantize}")
        if compute not in (None, FP16):
            # Tried: onnxruntime 1.32 has no operator for it on processors, so that nothing could be compared.
            raise ValueError(f"compute must be {FP16}, or null, got {compute}; export.torch takes bf16 too")
        if quantize is not None and compute is not None:
            raise ValueError(f"quantize={quantize} and compute={compute} exclude each other: leave out one of them")
        if not quantize_tolerance > 0:
            raise ValueError(f"quantize_tolerance must be above 0, got {quantize_tolerance}")
        self.quantize = quantize
        self.compute = compute
        self.quantize_tolerance = quantize_tolerance
        self.tolerance = tolerance
        self.rows = rows
        self.matrix_above = matrix_above
        # Told here, before any data is read.
        for package in PACKAGES:
            _require(package)

    def check(self, model: nn.Module) -> None:
        """Refuse what cannot be exported, best before it is trained.

        Args:
            model: a network, a baseline, an encoder, or a predictor that holds such.

        Raises:
            ConfigError: steps of a pipeline cannot be exported; all are named. Or quantiles of a distribution cannot;
                or there is no network, which alone is computed in 16 bits.
        """
        if self.compute is not None:
            check_half(model, self.compute)
        for part in model.modules():
            if isinstance(part, DistributionDecoder):
                part.check_graph()
            if isinstance(part, Encoder):
                part.check_exportable()

    def __call__(self, trained: Exportable, frame: pl.DataFrame, out: Path) -> Parity:
        """Export, compare, and write.

        Args:
            trained: what is exported.
            frame: typed rows to compare on; of series that are forecast, windows.
            out: the file; an older one is replaced when the new one is whole.

        Returns:
            What was compared.

        Raises:
            ConfigError: see :meth:`check`.
            ExportError: see :func:`~colonnade.deploy.graph.build_graph` and
                :func:`~colonnade.deploy.parity.check_parity`; or what is quantized is too far off. Nothing is written.
        """
        from colonnade.deploy.graph import OUTPUTS, build_graph, output_names
        from colonnade.deploy.inputs import LENGTH, Series, plan_inputs
        from colonnade.deploy.parity import check_parity
        from colonnade.deploy.rows import longest, spread
        from colonnade.deploy.runtime import at_once

        self.check(trained.predictor)
        lookup, spec = trained.lookup, trained.spec
        series, n_rows = Series.of(spec), self.rows
        taken = [*OUTPUTS, *output_names(trained.predictor, lookup, series)]
        if series is not None:
            taken.append(LENGTH)
            n_rows = min(n_rows, max(LEAST, at_once(longest(frame.select(lookup.names)))))
        inputs = plan_inputs(lookup, trained.schema, matrix_above=self.matrix_above, taken=taken)
        graph = build_graph(trained.predictor, lookup, spec, inputs, facts(trained))
        chosen = spread(frame.height, n_rows)
        parity = check_parity(
            graph, trained.predictor, lookup, spec, frame[chosen], tolerance=self.tolerance, row_ids=chosen
        )
        shipped, kind = graph.shipped, self.quantize or self.compute
        if kind is not None:
            from colonnade.deploy.quantized import check_quantized, quantize

            key = f"export.onnx.{'quantize' if self.compute is None else 'compute'}"
            if self.compute is None:
                shipped = quantize(shipped, kind)
            else:
                half = with_half(trained.predictor, kind)
                shipped = build_graph(half, lookup, spec, inputs, facts(trained)).shipped
            means = check_quantized(
                shipped,
                trained.predictor,
                lookup,
                spec,
                frame[chosen],
                kind=kind,
                key=key,
                tolerance=self.quantize_tolerance,
            )
            parity = replace(parity, quantized=means)
        out.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(out, shipped)
        return parity


def facts(trained: Exportable) -> dict[str, str]:
    """What a file says of itself, beside its inputs: text, or JSON."""
    from colonnade import __version__
    from colonnade.deploy.inputs import Series

    spec = trained.spec
    plain = {
        "version": __version__,
        "config_hash": trained.config_hash,
        "task": trained.task.name,
        "target_kind": str(spec.target_kind),
    }
    data = {
        "targets": spec.target_names,
        "classes": spec.classes,
        "quantiles": trained.task.quantiles,
        "schema": trained.schema.to_dict(),
        "reading": dict(trained.reading),
        "profile_digest": profile_digest(trained),
    }
    series = Series.of(spec)
    if series is not None:
        data["series"] = series.to_dict()
    if trained.conformal is not None:
        data["conformal"] = dict(trained.conformal)
    return plain | {name: json.dumps(value, ensure_ascii=False) for name, value in data.items()}


def profile_digest(trained: Exportable) -> str:
    """SHA-256 of what a run knows of its training data: schema, levels, counts and targets, and the statistics that the
    steps of its pipeline were fitted with. Two files with one digest were made from data of one profile."""
    levels = {category.name: category.levels for category in trained.lookup.cat}
    known = [trained.schema.to_dict(), trained.spec.to_dict(), levels]
    digest = sha256(json.dumps(known, ensure_ascii=False, sort_keys=True).encode())
    for part in trained.predictor.modules():
        if isinstance(part, Encoder):
            for name, statistic in part.state_dict().items():
                digest.update(name.encode() + statistic.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _require(package: str) -> None:
    """Refuse where a package is absent, without importing one that is there."""
    if find_spec(package) is None:
        raise MissingExtraError(package, "onnx")
