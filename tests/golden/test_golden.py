"""Seeded losses that a refactoring must repeat exactly.

``COLONNADE_REGENERATE=1 pytest tests/golden`` writes them anew. Bits depend on torch, on the number of threads, and on
the processor's vector instructions and its maker, by whom libraries choose their kernels. All are on record: where they
are others, values are compared to a tolerance.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent.parent / "training"))
from kit import FakeData, rows, trainer
from lightning.pytorch import Callback

from colonnade.core.batch import Batch
from colonnade.core.spec import BatchSpec
from colonnade.nn.backbones.mlp import MLP
from colonnade.nn.backbones.tabm import TabM
from colonnade.nn.embed.piecewise import PiecewiseLinearEmbedding
from colonnade.nn.network import Network
from colonnade.tasks.binary import Binary
from colonnade.training.module import SupervisedModule
from colonnade.training.optim import OptimizerBuilder

FOLDER = Path(__file__).parent
CARDINALITIES = (4, 7)

CASES = {
    "mlp": {
        "network": partial(Network, backbone=partial(MLP, d_hidden=[32, 32], dropout=0.1)),
        "optim": {"lr": 3e-3, "weight_decay": 1e-2, "schedule": "cosine", "warmup_steps": 5},
        "module": {"ema": 0.95},
    },
    "tabm": {
        "network": partial(
            Network,
            backbone=partial(TabM, n_members=4, d_block=16, n_blocks=2, dropout=0.1),
            numerical=partial(PiecewiseLinearEmbedding, n_bins=8, d_embedding=4),
        ),
        "optim": {"lr": 3e-3, "grad_clip": 1.0},
        "module": {"micro_batch": 16, "eval_rows": 50},
    },
}


class Record(Callback):
    def __init__(self):
        self.epochs = []

    def on_train_epoch_start(self, trainer, pl_module):
        self._note(trainer)

    def on_train_end(self, trainer, pl_module):
        self._note(trainer)

    def _note(self, trainer):
        found = {k: v.item() for k, v in trainer.callback_metrics.items() if k in ("train/loss", "val/log_loss")}
        if found:
            self.epochs.append(found)


def data(n: int, seed: int) -> Batch:
    batch = rows(n, seed=seed, weighted=True)
    generator = torch.Generator().manual_seed(100 + seed)
    batch.cat = torch.stack([torch.randint(0, c, (n,), generator=generator) for c in CARDINALITIES], 1)
    return batch


def losses(case: dict, folder: Path) -> list[dict[str, float]]:
    """Losses of three epochs."""
    train = data(400, 0)
    spec = BatchSpec(
        num_names=tuple("abcdef"),
        cat_names=("k", "l"),
        cardinalities=CARDINALITIES,
        target_kind="class",
        target_names=("y",),
        classes=("no", "yes"),
        class_counts=tuple(torch.bincount(train.target).tolist()),
        n_train=400,
        num_sample=train.num,
    )
    task = Binary()
    task.setup(spec)
    spec = replace(spec, out_shape=task.out_shape(spec))
    torch.manual_seed(0)
    module = SupervisedModule(
        network=case["network"](spec=spec),
        task=task,
        optim=OptimizerBuilder(**case["optim"]),
        spec=spec,
        **case["module"],
    )
    record = Record()
    fitted = trainer(folder, epochs=3, callbacks=[record], enable_checkpointing=False)
    fitted.fit(module, datamodule=FakeData(train=train, val=data(150, 1)))
    return record.epochs


def machine() -> dict[str, object]:
    """What the bits depend on."""
    return {
        "torch": torch.__version__.split("+")[0],
        "threads": torch.get_num_threads(),
        "capability": torch.backends.cpu.get_cpu_capability(),
        "maker": maker(),
    }


def maker() -> str:
    """Of the processor, as Linux calls it; empty elsewhere."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    return next((line.split(":")[1].strip() for line in lines if line.startswith("vendor_id")), "")


@pytest.fixture
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("name", list(CASES))
def test_losses(name, tmp_path, one_thread):
    path = FOLDER / f"{name}.json"
    found = losses(CASES[name], tmp_path)
    if os.environ.get("COLONNADE_REGENERATE") == "1":
        path.write_text(json.dumps({"machine": machine(), "epochs": found}, indent=1) + "\n", encoding="utf-8")
    golden = json.loads(path.read_text(encoding="utf-8"))
    assert len(found) == len(golden["epochs"]) == 3
    if golden["machine"] == machine():
        assert found == golden["epochs"]
    else:
        for mine, theirs in zip(found, golden["epochs"]):
            assert mine == pytest.approx(theirs, rel=1e-5)


def test_every_file_has_a_case():
    assert {p.stem for p in FOLDER.glob("*.json")} == set(CASES)
