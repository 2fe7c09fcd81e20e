import json
from pathlib import Path

import pytest
import torch
from ddp_worker import CASES, train
from kit import same

import forked
from colonnade.training.checkpoint_io import best_checkpoint, latest_recovery


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("ddp")
    forked.run_ranks(2, [str(path / "two")], path, program=str(Path(__file__).with_name("ddp_worker.py")))
    train(path / "one", 1)
    return path


def load(folder, name, world, rank):
    return torch.load(folder / ("one" if world == 1 else "two") / f"{name}-{world}-{rank}.pt", weights_only=True)


@pytest.mark.slow
@pytest.mark.parametrize("name", list(CASES))
def test_processes_agree(folder, name):
    first, second = load(folder, name, 2, 0), load(folder, name, 2, 1)
    # Running statistics are those of each process until the first one's are sent round.
    weights = [{k: v for k, v in s["state"].items() if "running" not in k} for s in (first, second)]
    assert same(*weights)
    same_everywhere = ("val/loss", "val/accuracy", "train/loss")
    assert first["step"] == second["step"] == 2 * 13
    assert [first["metrics"][k] for k in same_everywhere] == [second["metrics"][k] for k in same_everywhere]


@pytest.mark.slow
@pytest.mark.parametrize("name", [n for n in CASES if n != "norm"])
def test_two_processes_are_one(folder, name):
    one, two = load(folder, name, 1, 0), load(folder, name, 2, 0)
    for key in one["state"]:
        torch.testing.assert_close(two["state"][key], one["state"][key], rtol=1e-3, atol=1e-4)
    for key in ("val/loss", "val/accuracy", "train/loss"):
        assert two["metrics"][key] == pytest.approx(one["metrics"][key], rel=1e-4)


@pytest.mark.slow
def test_one_process_writes(folder):
    run = folder / "two" / "plain"
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in lines] == [0, 1]
    assert latest_recovery(run / "checkpoints").name == "recovery-epoch0001-step00000026.ckpt"
    assert best_checkpoint(run / "checkpoints") is not None
