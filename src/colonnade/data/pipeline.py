"""Pipeline: ordered steps from a typed frame to encoded tensors, fitted on the train rows only."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Protocol

import numpy as np
import polars as pl
import torch
from torch import Tensor

from colonnade.core.errors import ConfigError, RunFolderError
from colonnade.core.schema import Schema
from colonnade.data.blocks import each_block, one_thread, take
from colonnade.data.columns import Columns, TrainRows
from colonnade.data.encoder import Encoder
from colonnade.data.features import PAGE, features_page
from colonnade.data.lookup import CodedRows, Lookup
from colonnade.data.steps.base import FittedStep, Step, Verdict
from colonnade.data.steps.components import Components
from colonnade.data.steps.expressions import Expressions
from colonnade.data.texts import Texts

BLOCK = 16_384
"""Rows encoded at once: few enough for the intermediate columns to stay in the processor's cache."""

FIT_BLOCK = 65_536
"""Rows whose codes are looked up at once when fitting."""

FORMAT = 1

TEXTS = "texts"
"""Name of the step that reduces vectors of texts."""


class Fits(Protocol):
    """What gives a fitted pipeline: a :class:`Pipeline`, or an earlier run."""

    def fit(
        self, frame: pl.DataFrame, schema: Schema, target: np.ndarray | Tensor, train_rows: np.ndarray, seed: int
    ) -> FittedPipeline:
        """See :meth:`Pipeline.fit`."""
        ...


class Pipeline:
    """Steps to be fitted.

    Args:
        steps: in their order, by name; None leaves a step out (``pipeline.steps.rare=null``).
        expressions: columns to add to the raw ones, by formulas; see
            :class:`~colonnade.data.steps.expressions.Expressions`. They come first.
        create: steps that make further columns of raw ones, before ``steps``.
        select: steps that choose among the encoded columns, after ``steps``.
        texts: columns of text that are read as vectors, which are reduced to components before all steps; None: text is
            a category.
        sample_rows: train rows, drawn by the seed, from which statistics of numbers and datetimes are taken. Levels,
            their counts and their targets are always taken from all train rows.

    Raises:
        ValueError: ``sample_rows`` below 100, a formula that is not understood, two steps of one name, or no step fills
            missing numbers behind those that may make them.
    """

    def __init__(
        self,
        *,
        steps: Mapping[str, Step | None],
        expressions: Mapping[str, str] | None = None,
        create: Mapping[str, Step | None] | None = None,
        select: Mapping[str, Step | None] | None = None,
        texts: Texts | None = None,
        sample_rows: int = 100_000,
    ) -> None:
        if sample_rows < 100:
            raise ValueError(f"sample_rows must be at least 100, got {sample_rows!r}")
        self.steps = _in_order(expressions or {}, create or {}, steps, select or {})
        if texts is not None and TEXTS in self.steps:
            raise ValueError(f"a step is called '{TEXTS}', as that which reduces vectors of texts is: rename it")
        self.texts = texts
        self.sample_rows = sample_rows
        _check_missing(self.steps)

    def fit(
        self, frame: pl.DataFrame, schema: Schema, target: np.ndarray | Tensor, train_rows: np.ndarray, seed: int
    ) -> FittedPipeline:
        """Fit every step on the train rows, encoded by the steps before it.

        Args:
            frame: typed table; only its ``train_rows`` are looked at.
            schema: of the table.
            target: of the train rows, in the order of ``train_rows``; as ``Batch.target``.
            train_rows: ``(N,)`` positions of the train rows.
            seed: of the sample and of each step.

        Raises:
            ValueError: the target has not one entry for each train row.
            ConfigError: a step names a column that is not there, or no column is left.
        """
        target = torch.as_tensor(target)
        if len(target) != len(train_rows):
            raise ValueError(f"target must have an entry for each of {len(train_rows)} train rows, has {len(target)}")
        train_rows = np.asarray(train_rows)
        texts = [] if self.texts is None else self.texts.find(schema)
        lookup, layout = Lookup.fit(frame, schema, train_rows, texts)
        steps = dict(self.steps)
        if self.texts is not None:
            vectors = {text.name: text.names for text in texts}
            steps = {TEXTS: Components(vectors=vectors, n_components=self.texts.n_components), **steps}
        train = self._train_rows(frame, lookup, target, train_rows, seed)
        modules: dict[str, FittedStep] = {}
        selection: dict[str, list[Verdict]] = {}
        log: list[str] = []
        for name, step in steps.items():
            # Seeded by its name, so that one step more or less leaves the others as they are.
            generator = torch.Generator().manual_seed(seed * 1_000_003 + zlib.crc32(name.encode()))
            with one_thread():
                fitted = step.fit(train, layout, generator)
            layout = fitted.layout
            log += [f"{name}: {line}" for line in fitted.log]
            if fitted.verdicts:
                selection[name] = fitted.verdicts
            if fitted.module is not None:
                modules[name] = fitted.module.eval()
                train = train.after(modules[name].encode_train, modules[name].recode)
        log += [f"column '{name}' left out: no step makes numbers of datetimes (calendar)" for name in layout.time]
        if not layout.num_names and not layout.cat:
            raise ConfigError("the pipeline leaves no column:\n" + "\n".join(f"  - {line}" for line in log))
        return FittedPipeline(
            lookup=lookup,
            module=Encoder(modules),
            num_names=layout.num_names,
            cat_names=layout.cat,
            cardinalities=layout.cardinalities,
            log=log,
            selection=selection,
        )

    def _train_rows(
        self, frame: pl.DataFrame, lookup: Lookup, target: Tensor, train_rows: np.ndarray, seed: int
    ) -> TrainRows:
        """The sample, and the promise of all codes."""
        n = len(train_rows)
        size = min(n, self.sample_rows)
        drawn = np.random.default_rng(seed).choice(n, size, replace=False) if size < n else np.arange(n)
        chosen = np.sort(drawn)
        frame = frame.select(lookup.names)

        def read() -> Columns:
            columns = Columns(
                num=torch.empty((len(lookup.num_names), size), dtype=torch.float64),
                flag=torch.empty((0, size)),
                cat=torch.empty((len(lookup.cat), size), dtype=torch.int64),
                time=torch.empty((len(lookup.time), size), dtype=torch.int64),
            )
            sample = lookup.code(take(frame, train_rows[chosen], 0, size))

            def read_block(start: int, stop: int) -> None:
                raw = sample.take(None, start, stop)
                columns.num[:, start:stop] = raw.num.T
                columns.cat[:, start:stop] = raw.cat.T
                columns.time[:, start:stop] = raw.time.T

            each_block(read_block, size, BLOCK)
            return columns

        def read_codes() -> Tensor:
            codes = torch.empty((len(lookup.cat), n), dtype=torch.int64)
            for start in range(0, n, FIT_BLOCK):
                part = lookup.codes(take(frame, train_rows, start, start + FIT_BLOCK))
                codes[:, start : start + len(part)] = part.T
            return codes

        return TrainRows(torch.from_numpy(chosen), target, read, read_codes)


def _in_order(expressions: Mapping[str, str], *parts: Mapping[str, Step | None]) -> dict[str, Step]:
    """Every step by its name: expressions, then each part in its order."""
    found: dict[str, Step] = {"expressions": Expressions(columns=expressions)} if expressions else {}
    for name, step in (item for part in parts for item in part.items()):
        if step is None:
            continue
        if name in found:
            raise ValueError(f"two steps are called '{name}': give the one in create or select another name")
        found[name] = step
    return found


def _check_missing(steps: Mapping[str, Step]) -> None:
    """Behind the last step that may make missing numbers, one has to fill them."""
    names = list(steps)
    fillers = [i for i, name in enumerate(names) if steps[name].fills_missing]
    if not fillers:
        raise ValueError(
            "steps must hold one that fills missing numbers, or they would reach the network: add "
            "impute: {_target_: colonnade.data.steps.impute.Impute}"
        )
    late = [name for i, name in enumerate(names) if steps[name].makes_missing and i > fillers[-1]]
    if late:
        raise ValueError(f"steps must have '{names[fillers[-1]]}' after '{late[0]}', which may make missing numbers")


class FittedPipeline:
    """A fitted pipeline.

    Args:
        lookup: frame to raw tensors.
        module: raw tensors to encoded ones.
        num_names, cat_names: encoded columns.
        cardinalities: number of codes of each encoded category, missing and unknown included.
        log: what fitting had to say: dropped columns and why, merged levels.
        selection: what each step that selects said of the columns, by the name of the step.
    """

    def __init__(
        self,
        *,
        lookup: Lookup,
        module: Encoder,
        num_names: Sequence[str],
        cat_names: Sequence[str],
        cardinalities: Sequence[int],
        log: Sequence[str],
        selection: Mapping[str, Sequence[Verdict]] | None = None,
    ) -> None:
        self.lookup = lookup
        self.module = module
        self.num_names = tuple(num_names)
        self.cat_names = tuple(cat_names)
        self.cardinalities = tuple(cardinalities)
        self.log = list(log)
        self.selection = {name: list(verdicts) for name, verdicts in (selection or {}).items()}

    def code(self, frame: pl.DataFrame) -> CodedRows:
        """Look the strings up, once for all parts that are then encoded."""
        return self.lookup.code(frame)

    def encode(
        self,
        frame: pl.DataFrame | CodedRows,
        *,
        rows: np.ndarray | None = None,
        num_out: Tensor | None = None,
        cat_out: Tensor | None = None,
        block: int = BLOCK,
    ) -> tuple[Tensor, Tensor]:
        """Encode rows of a typed frame, block by block.

        Args:
            frame: its columns are found by name; or what :meth:`code` made of it.
            rows: positions of the rows to encode; None: all. Spares a copy of the frame.
            num_out, cat_out: where to write, ``(N, F')`` float and ``(N, K')`` of any integer type; None: new tensors.
            block: rows encoded at once.

        Returns:
            ``num (N, F')`` float32 and ``cat (N, K')`` int64, or the given ones.
        """
        return self._encode(frame, rows, num_out, cat_out, block, train=False)

    def encode_train(
        self,
        frame: pl.DataFrame | CodedRows,
        *,
        rows: np.ndarray | None = None,
        num_out: Tensor | None = None,
        cat_out: Tensor | None = None,
        block: int = BLOCK,
    ) -> tuple[Tensor, Tensor]:
        """Encode the train rows: all of them, in the order in which they were given to ``fit``.

        Differs from :meth:`encode` where a step is cross-fitted, so that a row does not see its own target.
        """
        return self._encode(frame, rows, num_out, cat_out, block, train=True)

    def _encode(
        self,
        frame: pl.DataFrame | CodedRows,
        rows: np.ndarray | None,
        num_out: Tensor | None,
        cat_out: Tensor | None,
        block: int,
        *,
        train: bool,
    ) -> tuple[Tensor, Tensor]:
        coded = self.code(frame) if isinstance(frame, pl.DataFrame) else frame
        n = len(coded) if rows is None else len(rows)
        num = torch.empty((n, len(self.num_names))) if num_out is None else num_out
        cat = torch.empty((n, len(self.cat_names)), dtype=torch.int64) if cat_out is None else cat_out

        @torch.no_grad()
        def encode(start: int, stop: int) -> None:
            raw = coded.take(rows, start, stop)
            if train:
                new = self.module.encode_train(raw.num, raw.cat, raw.time, torch.arange(start, stop))
            else:
                new = self.module(raw.num, raw.cat, raw.time)
            num[start:stop].copy_(new[0])
            cat[start:stop].copy_(new[1])

        each_block(encode, n, block)
        return num, cat

    def unknown_counts(self, frame: pl.DataFrame) -> dict[str, int]:
        """Rows with a level that the train rows did not hold, for each category that has such rows."""
        return self.lookup.unknown_counts(frame)

    def describe(self) -> dict[str, str]:
        """How each encoded column came about; ``as read`` where nothing was done to it."""
        told: dict[str, str] = {}
        for step in self.module.fitted():
            for feature in step.features():
                name, formula = feature.name, feature.formula
                told[name] = f"{told[name]}; then {formula}" if name in told else formula
        return {name: told.get(name, "as read") for name in (*self.num_names, *self.cat_names)}

    def save(self, folder: Path) -> None:
        """Write ``pipeline.json`` (names, levels, options) and ``pipeline.safetensors`` (what was learned)."""
        from safetensors.torch import save_file

        data = {
            "format": FORMAT,
            "lookup": self.lookup.to_dict(),
            "steps": self.module.to_list(),
            "num_names": self.num_names,
            "cat_names": self.cat_names,
            "cardinalities": self.cardinalities,
            "log": self.log,
            "selection": {name: [asdict(v) for v in verdicts] for name, verdicts in self.selection.items()},
        }
        text = json.dumps(data, indent=1, ensure_ascii=False)
        (folder / "pipeline.json").write_text(text, encoding="utf-8")
        tensors = {name: tensor.contiguous() for name, tensor in self.module.state_dict().items()}
        save_file(tensors, folder / "pipeline.safetensors")

    def document(self, folder: Path) -> None:
        """Write ``features.md``: how each encoded column came about, to be read by people."""
        (folder / PAGE).write_text(features_page(self), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> FittedPipeline:
        """Read what :meth:`save` wrote. Nothing is unpickled.

        Raises:
            RunFolderError: the files are of another format, or name a class that may not be loaded.
        """
        from safetensors.torch import load_file

        data = json.loads((folder / "pipeline.json").read_text(encoding="utf-8"))
        if data["format"] != FORMAT:
            raise RunFolderError(
                f"'{folder / 'pipeline.json'}' has format {data['format']}, this version reads format {FORMAT}: "
                "use the version of colonnade that wrote it"
            )
        return cls(
            lookup=Lookup.from_dict(data["lookup"]),
            module=Encoder.from_list(data["steps"], load_file(folder / "pipeline.safetensors")),
            num_names=data["num_names"],
            cat_names=data["cat_names"],
            cardinalities=data["cardinalities"],
            log=data["log"],
            selection={
                # Earlier versions selected nothing.
                name: [Verdict(**verdict) for verdict in verdicts]
                for name, verdicts in data.get("selection", {}).items()
            },
        )
