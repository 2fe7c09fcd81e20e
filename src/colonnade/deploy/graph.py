"""Graph: a Predictor and the look-up of its categories as one ONNX graph, from raw columns to decoded predictions."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from colonnade.core.batch import Batch
from colonnade.core.errors import ExportError
from colonnade.core.optional import optional_import
from colonnade.core.spec import BatchSpec
from colonnade.data.columns import FIRST_LEVEL, MISSING, UNKNOWN, RawColumns
from colonnade.data.lookup import Lookup
from colonnade.deploy.activations import with_activations
from colonnade.deploy.bins import with_bins
from colonnade.deploy.ends import BATCH, LABEL, TIME, put_columns, put_labels
from colonnade.deploy.inputs import INTERNAL, LENGTH, NUMBERS, TEXTS, TIMES, Input, Series
from colonnade.deploy.networks import for_export
from colonnade.deploy.periodic import with_periodic
from colonnade.deploy.ranks import plant_ranks, with_ranks
from colonnade.deploy.simplify import simplify
from colonnade.deploy.translations import translations
from colonnade.deploy.trees import plant, with_trees
from colonnade.training.predictor import Predictor, encode

if TYPE_CHECKING:
    import onnx_ir as ir

OPSET = 20
OUTPUTS = (LABEL, "probability", "value", "quantile")
"""Names of all outputs that decoders give; what follows a decoder may add others."""
ENCODED = (f"{INTERNAL}encoded/num", f"{INTERNAL}encoded/cat")
"""Names of what a checked graph gives besides: the encoded rows, as the network gets them."""
EXPORTERS = ("torch.onnx", "onnxscript", "onnx_ir")
"""Loggers of what makes the graph."""
STEPS = 5
"""Of the series that the exporter sees; any number but 0, 1 and that of other dimensions."""
LARGEST = 2**31 - 2**20
"""Bytes that a protocol buffer, and so a file, can hold."""


class RawPredictor(nn.Module):
    """The part of a graph that torch exports: all but strings.

    Args:
        predictor: raw rows to predictions.
        lookup: of the raw columns.
        series: that they have steps; None: they are those of a table.
    """

    order: Tensor

    def __init__(self, predictor: nn.Module, lookup: Lookup, series: Series | None) -> None:
        super().__init__()
        self.predictor = predictor
        self.series = series
        self.n_num = len(lookup.num)
        self.n_boolean = sum(category.boolean for category in lookup.cat)
        names = [category.name for category in sorted(lookup.cat, key=lambda category: not category.boolean)]
        order = torch.tensor([names.index(category.name) for category in lookup.cat], dtype=torch.int64)
        self.register_buffer("order", order)
        self.in_order = order.tolist() == sorted(order.tolist())
        # Not by eval(), which has networks that look at train rows forget what they have computed of them.
        self.training = False

    def forward(self, blocks: dict[str, Tensor], length: Tensor | None = None) -> tuple[Tensor, ...]:
        """Predictions, then the encoded rows where there is one pipeline.

        Args:
            blocks: those that have columns: ``numbers (B, [T,] F + booleans)`` float64, NaN where missing;
                ``texts (B, [T,] K)`` int64 codes; ``times (B, [T,] D)`` int64 microseconds.
            length: steps of each series ``(B,)`` int64; None: all, and of tables.
        """
        some = next(iter(blocks.values()))
        empty = some.new_zeros((*some.shape[:-1], 0), dtype=torch.int64)
        numbers = blocks[NUMBERS] if NUMBERS in blocks else empty.to(torch.float64)
        cat = blocks.get(TEXTS, empty)
        if self.n_boolean:
            flag = numbers[..., self.n_num :]
            known = torch.where(flag == 1, FIRST_LEVEL + 1, torch.where(flag == 0, FIRST_LEVEL, UNKNOWN))
            cat = torch.cat([torch.where(flag.isnan(), MISSING, known), cat], dim=-1)
            if not self.in_order:
                cat = cat.index_select(-1, self.order)
        mask = None if length is None else torch.arange(some.shape[1], device=some.device) < length.unsqueeze(1)
        raw = RawColumns(num=numbers[..., : self.n_num], cat=cat, time=blocks.get(TIMES, empty), mask=mask)
        return tuple(outputs_of(self.predictor, raw, self.series).values())


def outputs_of(predictor: nn.Module, raw: RawColumns, series: Series | None) -> dict[str, Tensor]:
    """Predictions of raw rows by name, and the rows as the network gets them where there is one pipeline.

    Forecasts of several values are ``(B, horizon, values)``; encoded steps are zero in the padding.

    Args:
        predictor: raw rows to predictions.
        raw: the rows.
        series: see :class:`RawPredictor`.
    """
    if not isinstance(predictor, Predictor):
        found: dict[str, Tensor] = predictor(*raw.inputs)
        return _by_step(found, series)
    num, cat = encode(predictor.pipeline, raw.num, raw.cat, raw.time)
    output = predictor.network(Batch(num=num, cat=cat, mask=raw.mask)).raw
    if raw.mask is not None:
        num, cat = (block.masked_fill(~raw.mask.unsqueeze(-1), 0) for block in (num, cat))
    return _by_step(predictor.decode(output, raw.num, raw.cat), series) | dict(zip(ENCODED, (num, cat)))


def _by_step(found: dict[str, Tensor], series: Series | None) -> dict[str, Tensor]:
    if series is None or len(series.values) < 2:
        return found
    return {name: values.unflatten(1, (-1, len(series.values))) for name, values in found.items()}


def output_names(predictor: nn.Module, lookup: Lookup, series: Series | None) -> list[str]:
    """Names of what :func:`outputs_of` gives."""
    with torch.no_grad():
        return list(outputs_of(predictor, _empty(lookup, series), series))


@dataclass(frozen=True)
class Graph:
    """A graph, serialised.

    Args:
        shipped: what is kept.
        checked: the same with the encoded rows among its outputs.
    """

    shipped: bytes
    checked: bytes


def build_graph(
    predictor: nn.Module, lookup: Lookup, spec: BatchSpec, inputs: Sequence[Input], facts: Mapping[str, str]
) -> Graph:
    """Export.

    Args:
        predictor: raw rows to predictions.
        lookup: of the raw columns.
        spec: of the encoded data.
        inputs: of the graph, from :func:`~colonnade.deploy.inputs.plan_inputs`.
        facts: kept in the file, by name; the inputs are added to them.

    Raises:
        MissingExtraError: onnx or onnxscript is not installed.
        ExportError: the exporter does not know an operation, fixes the number of rows, or the graph is too large.
    """
    optional_import("onnxscript", "onnx")
    size = sum(t.numel() * t.element_size() for t in (*predictor.parameters(), *predictor.buffers()))
    if size > LARGEST:
        raise ExportError(
            f"export: the model holds {size / 2**30:.1f} GiB, and an ONNX file 2 at most: use a smaller one"
        )
    with _quiet():
        series = Series.of(spec)
        names = output_names(predictor, lookup, series)
        traceable, trees = with_trees(for_export(predictor))
        traceable, knots = with_ranks(traceable)
        traceable = with_periodic(with_activations(with_bins(traceable, knots)))
        model = _exported(RawPredictor(traceable, lookup, series), lookup, names)
        plant_ranks(model, knots)
        plant(model, trees)
        _hide_names(model)
        put_columns(model, lookup, inputs, series)
        if spec.classes:
            put_labels(model, spec.classes)
        simplify(model)
        _check_rows(model)
        checked = _serialised(model, inputs, facts)
        for value in [value for value in model.graph.outputs if value.name in ENCODED]:
            model.graph.outputs.remove(value)
        return Graph(shipped=_serialised(model, inputs, facts), checked=checked)


def _exported(module: RawPredictor, lookup: Lookup, names: list[str]) -> ir.Model:
    """The part between the strings, its inputs called as their blocks."""
    n_text, series = len(lookup.cat) - module.n_boolean, module.series
    shape = _shape(3, series)
    blocks = {
        NUMBERS: torch.zeros((*shape, module.n_num + module.n_boolean), dtype=torch.float64),
        TEXTS: torch.zeros((*shape, n_text), dtype=torch.int64),
        TIMES: torch.zeros((*shape, len(lookup.time)), dtype=torch.int64),
    }
    given: dict[str, Any] = {"blocks": {block: values for block, values in blocks.items() if values.shape[-1]}}
    free = {0: BATCH} if series is None or series.length is None else {0: BATCH, 1: TIME}
    shapes: dict[str, Any] = {"blocks": dict.fromkeys(given["blocks"], free)}
    input_names = list(given["blocks"])
    if series is not None and series.length is not None:
        given["length"], shapes["length"] = torch.full((3,), STEPS), {0: BATCH}
        input_names.append(LENGTH)
    try:
        with torch.no_grad():
            program = torch.onnx.export(
                module,
                (),
                kwargs=given,
                input_names=input_names,
                output_names=names,
                dynamic_shapes=shapes,
                opset_version=OPSET,
                dynamo=True,
                custom_translation_table=translations(),
                external_data=False,
                verbose=False,
            )
    except (torch.onnx.errors.OnnxExporterError, RuntimeError) as error:
        reason = str(error.__cause__ or error).strip().splitlines() or ["no reason given"]
        raise ExportError(f"export: torch cannot export this model to ONNX: {reason[0]}") from error
    assert program is not None
    return program.model


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the exporter's own remarks, such as on packages that it does without."""
    before = {logger: logger.level for logger in map(logging.getLogger, EXPORTERS)}
    for logger in before:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in before.items():
            logger.setLevel(level)


def _shape(n: int, series: Series | None) -> tuple[int, ...]:
    """Rows, and steps of series."""
    return (n,) if series is None else (n, series.steps or STEPS)


def _empty(lookup: Lookup, series: Series | None) -> RawColumns:
    """Two raw rows in which everything is zero."""
    shape = _shape(2, series)
    return RawColumns(
        num=torch.zeros((*shape, len(lookup.num)), dtype=torch.float64),
        cat=torch.zeros((*shape, len(lookup.cat)), dtype=torch.int64),
        time=torch.zeros((*shape, len(lookup.time)), dtype=torch.int64),
        mask=None if series is None else torch.ones(shape, dtype=torch.bool),
    )


def _hide_names(model: ir.Model) -> None:
    """Name what is within the graph apart from its columns, and forget what the exporter noted of its own program."""
    from onnx_ir.passes.common import ClearMetadataAndDocStringPass

    graph = model.graph
    outputs = {value: value.name for value in graph.outputs}
    # Bodies of loops among them: a column may be called as a value of one is.
    graphs = [graph, *graph.subgraphs()]
    outer = [value for part in graphs for value in (*part.inputs, *part.initializers.values())]
    for value in [*outer, *(out for node in graph.all_nodes() for out in node.outputs)]:
        value.name = outputs.get(value) or f"{INTERNAL}{value.name}"
        value.metadata_props.clear()
        value.doc_string = None
    ClearMetadataAndDocStringPass()(model)
    model.metadata_props.clear()
    model.doc_string = None
    graph.name = "colonnade"


def _check_rows(model: ir.Model) -> None:
    """The number of rows is free everywhere."""
    for value in (*model.graph.inputs, *model.graph.outputs):
        if value.shape is None or not len(value.shape) or str(value.shape[0]) != BATCH:
            raise ExportError(
                f"export: '{value.name}' has the shape {value.shape}: the exporter has fixed the number of rows"
            )


def _serialised(model: ir.Model, inputs: Sequence[Input], facts: Mapping[str, str]) -> bytes:
    """The file, with what nothing uses left out, and what a reader must know written into it."""
    import onnx
    import onnx_ir as ir
    from onnx_ir.passes.common import RemoveUnusedNodesPass, RemoveUnusedOpsetsPass

    from colonnade import __version__

    RemoveUnusedNodesPass()(model)
    RemoveUnusedOpsetsPass()(model)
    columns = {given.name for given in inputs}
    # Lengths are taken also where no prediction depends on them.
    for value in [value for value in model.graph.inputs if value.name in columns and not value.uses()]:
        model.graph.inputs.remove(value)
    used = {value.name for value in model.graph.inputs}
    kept = [given.to_dict() for given in inputs if given.name in used]
    model.metadata_props.update(facts)
    model.metadata_props["inputs"] = json.dumps(kept, ensure_ascii=False)
    model.producer_name, model.producer_version = "colonnade", __version__
    proto = ir.to_proto(model)
    onnx.checker.check_model(proto)
    return proto.SerializeToString()
