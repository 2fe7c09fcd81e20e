"""One training over two processes: the numbers of one, and nothing lost, whichever of the processes ends."""

import json

import psutil
import pytest
import torch
from safetensors.torch import load_file

from colonnade.config.compose import compose
from colonnade.runs.fit import fit

from .test_kill import newest_step, wait_for_checkpoint

LIMIT = 120
# Without dropout, of which every process has its own.
ONE = (
    "model=mlp",
    "data=breast_cancer",
    "trainer=cpu",
    "threads=1",
    "trainer.max_epochs=15",
    "loader.batch_size=16",
    "loader.chunk=2",
    "model.backbone.d_hidden=[16]",
    "model.backbone.dropout=0.0",
    "module.ema=0.95",
    "optim.schedule=cosine",
    "optim.lr=1e-4",
    "logger=none",
    "~callbacks.early_stopping",
    "callbacks.recovery.every_steps=4",
    "callbacks.recovery.max_share=1",
)
# With every interpolation that one process accepts.
TWO = (
    *ONE,
    "trainer=ddp",
    "trainer.accelerator=cpu",
    "+_batch=16",
    "loader.batch_size=${oc.select:_batch,1}",
    "callbacks.metrics.path=${run_dir}/${hydra:runtime.choices.model}.jsonl",
)


def result(run_dir):
    return json.loads((run_dir / "result.json").read_text())


def workers(process):
    """The processes that train; they outlive what launched them."""
    return [worker for agent in psutil.Process(process.pid).children() for worker in agent.children()]


@pytest.mark.slow
def test_two_processes_that_are_killed_and_resumed_give_the_numbers_of_one(train, tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    fit(compose([*ONE, "callbacks.recovery.every_steps=1000"]), one)

    process = train(two, settings=TWO)
    wait_for_checkpoint(process, two)
    assert len(workers(process)) == 2
    workers(process)[-1].kill()
    out, _ = process.communicate(timeout=LIMIT)
    assert process.returncode == 1, out
    assert "one of 2 processes died" in out
    assert result(two)["status"] == "failed"

    process = train(two, settings=TWO)
    wait_for_checkpoint(process, two, beyond=newest_step(two))
    orphans = workers(process)
    process.kill()
    process.wait(LIMIT)
    # They notice, save and leave.
    assert not psutil.wait_procs(orphans, timeout=60)[1]
    out, _ = process.communicate()
    assert "told to stop: the state is saved" in out

    # As a user has it: torchrun and the processes that it starts import what they need.
    out, _ = (process := train(two, settings=TWO, anew=True)).communicate(timeout=LIMIT)
    assert process.returncode == 0, out
    assert "resuming from" in out
    assert result(two)["status"] == "finished"
    assert (two / "mlp.jsonl").exists()
    assert "batch_size: 16" in (two / "config.yaml").read_text()
    assert result(two)["epochs"] == result(one)["epochs"] == 15
    for split, metrics in result(one)["metrics"].items():
        assert result(two)["metrics"][split] == pytest.approx(metrics, rel=1e-3, abs=1e-4)
    weights = load_file(two / "network.safetensors")
    for name, tensor in load_file(one / "network.safetensors").items():
        torch.testing.assert_close(weights[name], tensor, rtol=1e-3, atol=1e-4)
