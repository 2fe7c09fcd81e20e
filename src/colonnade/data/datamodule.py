"""TableDataModule: from a data set to loaders, by way of leakage checks, split, target coding, pipeline and store."""

from __future__ import annotations

import json
import logging
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from lightning.pytorch import LightningDataModule
from torch import Tensor

from colonnade.core.batch import Batch
from colonnade.core.errors import ConfigError, DataError
from colonnade.core.schema import Kind, Schema, TargetKind
from colonnade.core.spec import BatchSpec
from colonnade.data.catalog import cache_folder
from colonnade.data.leakage import check_leaks, duplicates
from colonnade.data.loader import ChunkLoader, EvalLoader, LoaderOptions
from colonnade.data.mapped import Part, fingerprint, mapped_parts
from colonnade.data.rows import Balanced, BlockShuffle, Permutation, RowOrder
from colonnade.data.store import Rows, Store, allocate, encoded_bytes, sample_weight
from colonnade.data.target import TargetCoder, check_target

if TYPE_CHECKING:
    from colonnade.data.dataset import TableDataset
    from colonnade.data.kept import Keep, Kept
    from colonnade.data.lookup import CodedRows
    from colonnade.data.pipeline import Fits, FittedPipeline
    from colonnade.data.split import Split, Splitter
    from colonnade.data.table import Table

log = logging.getLogger(__name__)

# Rows from which embeddings take their bins.
SAMPLE_ROWS = 100_000


class TableDataModule(LightningDataModule):
    """A table, ready to be trained on.

    Every process of a distributed training reads and encodes for itself; as all is seeded, all hold the same rows.

    Args:
        dataset: what to read.
        splitter: divides the rows.
        pipeline: encodes the columns; fitted on the train rows, or fitted already.
        target_kind: what the target is to the task.
        loader: options of store and loaders.
        seed: of split, pipeline and order of rows.
        table: the data, where they were read already.
        keep: what is kept of raw rows; None: nothing.

    After :meth:`setup`: ``table`` (its rows let go, as they are encoded), ``split``, ``pipeline`` (fitted), ``target``
    (:class:`TargetCoder`), ``spec`` (its ``out_shape`` is left to the task), ``notes`` (doubts, for the card) and
    ``kept`` (what ``keep`` asks for, by part).

    Raises:
        ConfigError: balanced sampling of a target that is no class.
    """

    table: Table
    split: Split
    pipeline: FittedPipeline
    target: TargetCoder
    spec: BatchSpec
    notes: list[str]
    kept: dict[str, Kept]

    def __init__(
        self,
        *,
        dataset: TableDataset,
        splitter: Splitter,
        pipeline: Fits,
        target_kind: TargetKind,
        loader: LoaderOptions,
        seed: int,
        table: Table | None = None,
        keep: Keep | None = None,
    ) -> None:
        super().__init__()
        if loader.balanced and target_kind is not TargetKind.CLASS:
            raise ConfigError(f"loader.balanced=true needs classes, but the target of this task is {target_kind}")
        self._dataset = dataset
        self._splitter = splitter
        self._unfitted = pipeline
        self._kind = target_kind
        self._options = loader
        self._seed = seed
        self._read = table
        self._keep = keep
        self._stores: dict[str, Rows] = {}
        self._on_device: Rows | None = None

    def setup(self, stage: str = "fit") -> None:
        """Read, check, split, fit and encode; a second call does nothing.

        Raises:
            DataError: see :class:`~colonnade.data.target.TargetCoder` and the other rooms.
            LeakageError: a column gives the target away.
        """
        if self._stores:
            return
        self.table = self._read if self._read is not None else self._dataset.read()
        self._read = None
        rows, targets = self._divide()
        for line in self.pipeline.log:
            log.info("%s", line)
        self._stores = self._encode(rows, targets)
        self.spec = self._spec(self._stores["train"])

    def _divide(self) -> tuple[dict[str, np.ndarray], dict[str, Tensor]]:
        """Check the rows, split them, and fit on the train rows; the rows of each part, and their coded targets."""
        table, schema = self.table, self.table.schema
        check_features(schema)
        self._check_target()
        # What looks at the rows and changes nothing runs beside the work that goes on.
        with ThreadPoolExecutor(1) as beside:
            split = beside.submit(self._splitter.split, table, self._kind, self._seed)
            leaks = beside.submit(self._leaks)
            self.split = split.result()
            rows = self.split.parts()
            shared = beside.submit(self._shared_features, rows)
            try:
                targets = self._fit(rows)
            finally:
                # A leak is what a person should hear of first.
                self.notes = [*table.notes, *leaks.result()]
            for note in self.notes:
                log.info("%s", note)
            self.notes += [*_shared_rows(shared.result(), rows), *self.pipeline.log]
        return rows, targets

    def _check_target(self) -> None:
        check_target(self.table.frame, self.table.schema, self._kind, row_ids=self.table.row_ids)

    def _leaks(self) -> list[str]:
        """Doubts about columns that may give the target away; a leak for certain is an error."""
        table, waive = self.table, self._dataset.waive
        asked = (self._kind, tuple(waive))
        if asked not in table.leaks:
            table.leaks[asked] = check_leaks(table.frame, table.schema, self._kind, waive=waive)
        return table.leaks[asked]

    def _shared_features(self, rows: dict[str, np.ndarray]) -> dict[str, int]:
        """Of each pair of parts, how many rows of one have the same features as a row of the other."""
        return duplicates(self.table.frame.select(self.table.schema.features), rows)

    def _fit(self, rows: dict[str, np.ndarray]) -> dict[str, Tensor]:
        """Fit target coding and pipeline on the train rows; the coded targets of each part."""
        table, schema = self.table, self.table.schema
        # Only the targets are copied: a part of a whole table may not fit twice.
        frame = table.frame.select(schema.targets)
        self.target = TargetCoder.fit(
            frame[rows["train"]],
            schema,
            self._kind,
            standardise=self._options.standardise_target,
            row_ids=self._ids(rows["train"]),
        )
        targets = {
            part: self.target.encode(frame[index], row_ids=self._ids(index), where=f"{part} rows")
            for part, index in rows.items()
        }
        self._fit_pipeline(targets["train"], rows["train"])
        return targets

    def _fit_pipeline(self, target: Tensor, train: np.ndarray) -> None:
        """Fit the pipeline on the rows ``train`` of the table, whose coded targets are given."""
        self.pipeline = self._unfitted.fit(self.table.frame, self.table.schema, target, train, self._seed)

    def train_dataloader(self) -> ChunkLoader:
        """Shuffled chunks of this process's share of the train rows."""
        store = self._train_store()
        rank, world = self._place()
        return ChunkLoader(
            store,
            self._order(store),
            batch_size=self._options.batch_size,
            chunk=self._chunk(store),
            position=self._position,
            rank=rank,
            world=world,
        )

    def _chunk(self, store: Rows) -> int:
        """Optimizer steps in a chunk."""
        return self._options.chunk

    def val_dataloader(self) -> EvalLoader | list[EvalLoader]:
        """This process's share of the validation rows; no loader when there are none."""
        return self._shared("val")

    def test_dataloader(self) -> EvalLoader | list[EvalLoader]:
        """This process's share of the test rows; no loader when there are none."""
        return self._shared("test")

    def loader_for(self, part: str) -> EvalLoader:
        """All rows of ``"train"``, ``"val"`` or ``"test"``, in order, for this process alone."""
        return EvalLoader(self._stores[part], batch_size=self._options.eval_batch_size)

    def save(self, folder: Path) -> None:
        """Write ``schema.json``, ``split.json``, ``pipeline.*``, ``features.md``, ``spec.json`` and ``target.json``."""
        self.table.schema.save(folder / "schema.json")
        self._save_split(folder / "split.json")
        self.pipeline.save(folder)
        self.pipeline.document(folder)
        for name, data in (("spec", self.spec), ("target", self.target)):
            (folder / f"{name}.json").write_text(
                json.dumps(data.to_dict(), indent=1, ensure_ascii=False), encoding="utf-8"
            )

    def _save_split(self, path: Path) -> None:
        self.split.save(path)

    def _encode(self, rows: dict[str, np.ndarray], targets: dict[str, Tensor]) -> dict[str, Rows]:
        """The store of each part; on disk when all of them together pass the memory limit."""
        weight = self._weights(rows["train"])
        n_num, n_cat = len(self.pipeline.num_names), len(self.pipeline.cat_names)
        mapped = encoded_bytes(sum(map(len, rows.values())), n_num, n_cat) > self._options.memory_limit
        key = self._fingerprint(rows) if mapped else ""
        coded = self.pipeline.code(self.table.frame)
        self.kept = {} if self._keep is None else self._keep.of(coded, self.pipeline.lookup, rows)
        self._let_go()
        parts = {part: Part(len(index), partial(self._fill, coded, part, index)) for part, index in rows.items()}
        if mapped:
            encoded = mapped_parts(self._cache_dir(), key, parts, n_num=n_num, n_cat=n_cat)
        else:
            encoded = {part: allocate(plan.n_rows, n_num, n_cat) for part, plan in parts.items()}
            for part, plan in parts.items():
                plan.fill(*encoded[part])
        return {
            part: Store(
                num=encoded[part][0],
                cat=encoded[part][1],
                row_id=torch.from_numpy(self._ids(index)),
                target=targets[part],
                weight=None if weight is None else weight[torch.from_numpy(index)],
                mapped=mapped,
            )
            for part, index in rows.items()
        }

    def _weights(self, train: np.ndarray) -> Tensor | None:
        """Sample weights of all rows of the table, of which those of ``train`` are not all zero."""
        name = self.table.schema.weight
        weight = None if name is None else sample_weight(self.table.frame, name, row_ids=self.table.row_ids)
        if weight is not None and not weight[train].any():
            raise DataError(f"weight column '{name}' (data.weight) is zero in all train rows")
        return weight

    def _let_go(self) -> None:
        """Forget the rows as read: strings take the most memory of all, and nothing needs them any more."""
        self.table = replace(self.table, frame=self.table.frame.clear())

    def _fill(self, coded: CodedRows, part: str, index: np.ndarray, num: Tensor, cat: Tensor) -> None:
        encode = self.pipeline.encode_train if part == "train" else self.pipeline.encode
        encode(coded, rows=index, num_out=num, cat_out=cat)

    def _fingerprint(self, rows: dict[str, np.ndarray]) -> str:
        with tempfile.TemporaryDirectory() as folder:
            self.pipeline.save(Path(folder))
            return fingerprint(Path(folder), self.table.frame, rows, self._seed)

    def _cache_dir(self) -> Path:
        if self._options.cache_dir is not None:
            return Path(self._options.cache_dir)
        return cache_folder() / "stores"

    def _ids(self, index: np.ndarray) -> np.ndarray:
        """Positions in the source of rows of the table."""
        index = np.asarray(index, dtype=np.int64)
        return index if self.table.row_ids is None else np.asarray(self.table.row_ids, dtype=np.int64)[index]

    def _spec(self, train: Rows) -> BatchSpec:
        assert isinstance(train, Store)
        assert train.target is not None
        rows = Batch(num=train.num, cat=train.cat, target=train.target, row_id=train.row_id)
        return self._described(target=train.target, num=train.num, n_train=len(train), rows=rows)

    def _described(
        self, *, target: Tensor, num: Tensor, n_train: int, n_steps: int | None = None, rows: Batch | None = None
    ) -> BatchSpec:
        """What a network may know.

        Args:
            target: coded targets of the train rows.
            num: encoded numbers of the train rows, or of all their steps.
            n_train: number of train rows.
            n_steps: of the longest, where they have steps.
            rows: the train rows themselves.
        """
        if len(num) > SAMPLE_ROWS:
            chosen = np.random.default_rng(self._seed).choice(len(num), SAMPLE_ROWS, replace=False)
            num = num[torch.from_numpy(np.sort(chosen))]
        return BatchSpec(
            num_names=self.pipeline.num_names,
            cat_names=self.pipeline.cat_names,
            cardinalities=self.pipeline.cardinalities,
            target_kind=self._kind.value,
            target_names=self.target.names,
            classes=self.target.classes,
            class_counts=self.target.counts(target),
            target_mean=self.target.mean,
            target_scale=self.target.scale,
            n_train=n_train,
            n_steps=n_steps,
            num_sample=num,
            train_rows=rows,
        )

    def _order(self, store: Rows) -> RowOrder:
        if self._options.balanced:
            assert store.target is not None
            return Balanced(store.target, seed=self._seed)
        if isinstance(store, Store) and store.mapped:
            return BlockShuffle(len(store), seed=self._seed)
        return Permutation(len(store), seed=self._seed)

    def _train_store(self) -> Rows:
        """The train rows, on the trainer's device if they shall and can lie there."""
        store = self._stores["train"]
        wish = self._options.store_device
        if wish == "cpu" or self.trainer is None:
            return store
        device = self.trainer.strategy.root_device
        if device.type != "cuda":
            if wish == "cuda":
                raise ConfigError(f"loader.store_device=cuda, but the trainer runs on {device.type}")
            return store
        if self._on_device is None and (wish == "cuda" or store.fits(device)):
            self._on_device = store.to(device)
        return store if self._on_device is None else self._on_device

    def _shared(self, part: str) -> EvalLoader | list[EvalLoader]:
        store = self._stores[part]
        if not len(store):
            return []
        rank, world = self._place()
        return EvalLoader(
            store,
            batch_size=self._options.eval_batch_size,
            rank=rank,
            world=world,
            what={"val": "validation"}.get(part, part),
        )

    def _place(self) -> tuple[int, int]:
        """Number of this process, and how many there are."""
        return (0, 1) if self.trainer is None else (self.trainer.global_rank, self.trainer.world_size)

    def _position(self) -> tuple[int, int]:
        """Epoch, and how many of its chunks are done: the trainer's own progress, which its checkpoints hold."""
        if self.trainer is None:
            return 0, 0
        return self.trainer.current_epoch, self.trainer.fit_loop.epoch_loop.batch_progress.current.ready


def check_features(schema: Schema) -> None:
    """Refuse a table in which a model has nothing to look at."""
    if schema.features:
        return
    why = {c.name: "id" for c in schema.columns.values() if c.kind is Kind.ID} | schema.exclude
    reasons = "; ".join(f"'{name}': {reason}" for name, reason in why.items() if name not in schema.targets)
    raise DataError(
        f"no column is left as a feature: {reasons or 'there is the target alone'}; "
        "declare what a column is, such as data.columns.<name>=categorical"
    )


def _shared_rows(counts: dict[str, int], rows: dict[str, np.ndarray]) -> list[str]:
    """Texts on rows that stand in more than one part.

    No error: they flatter the scores where a file holds copies, but are natural where columns are few and coarse.
    """
    texts = []
    for pair, n in counts.items():
        later, earlier = pair.split(" in ")
        if n:
            share = n / len(rows[later])
            texts.append(f"{n:,} rows ({share:.1%}) of {later} have the same features as a row of {earlier}")
    for text in texts:
        log.warning("%s; split.group_duplicates=true keeps such rows in one part", text)
    return texts
