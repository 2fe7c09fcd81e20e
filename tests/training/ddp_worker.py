"""Trains in each of two processes, each told its rank as ``torchrun`` tells it: ``ddp_worker.py <folder>``."""

import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parent))
from kit import FakeData, Net, callbacks, module, trainer

from colonnade.runs.launch import leave_group
from colonnade.training.optim import OptimizerBuilder

CASES = {
    "plain": {},
    "clipped": {"grad_clip": 0.2},
    "pieces": {"micro_batch": 5},
    "norm": {"norm": True},
}


def train(folder: Path, world: int) -> None:
    for name, case in CASES.items():
        net = Net(dropout=0.0, norm=case.get("norm", False))
        optim = OptimizerBuilder(lr=1e-2, grad_clip=case.get("grad_clip"))
        model = module(net, optim=optim, micro_batch=case.get("micro_batch"), ema=0.9)
        run = trainer(
            folder / name,
            epochs=2,
            callbacks=callbacks(folder / name, every_steps=10),
            strategy="ddp" if world > 1 else "auto",
            devices=world,
        )
        run.fit(model, datamodule=FakeData(n=397, weighted=True))
        torch.save(
            {
                "state": model.state_dict(),
                "metrics": {k: v.item() for k, v in run.callback_metrics.items()},
                "step": run.global_step,
            },
            folder / f"{name}-{world}-{run.global_rank}.pt",
        )


if __name__ == "__main__":
    torch.set_num_threads(1)
    train(Path(sys.argv[1]), 2)
    leave_group()
