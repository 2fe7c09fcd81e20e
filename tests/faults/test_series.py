"""Nothing is lost of series either: killed and resumed bit for bit, and two processes give the numbers of one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import forked
from colonnade.config.compose import compose
from colonnade.runs.fit import fit

from .series import CASES, PLAIN, words, write
from .test_kill import same, wait_for_checkpoint


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("series")
    write(folder)
    return folder


@pytest.mark.parametrize("case", CASES)
def test_kill_9_and_resume_is_bit_exact(train, folder, case):
    # Some sixty steps and more.
    epochs = f"trainer.max_epochs={12 if case == 'lengths' else 4}"
    whole, killed = folder / f"whole-{case}", folder / f"killed-{case}"
    fit(compose(words(case, folder, epochs, "callbacks.recovery.every_steps=1000")), whole)
    process = train(killed, settings=words(case, folder, epochs))
    wait_for_checkpoint(process, killed, beyond=9)
    process.kill()
    process.communicate()
    assert not (killed / "result.json").exists()
    fit(compose(words(case, folder, epochs)), killed)
    same(whole, killed)


@pytest.fixture(scope="module")
def two(folder):
    forked.run_ranks(2, [str(folder)], Path(__file__).parents[2], program="tests.faults.series")
    return folder


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("case", CASES)
def test_two_processes_give_the_numbers_of_one(two, case):
    one = fit(compose(words(case, two, *PLAIN)), two / f"one-{case}")
    found = json.loads((two / f"two-{case}" / "result.json").read_text())
    for split, metrics in one["metrics"].items():
        assert found["metrics"][split] == pytest.approx(metrics, rel=1e-3, abs=1e-4)
    weights = load_file(two / f"two-{case}" / "network.safetensors")
    for name, tensor in load_file(two / f"one-{case}" / "network.safetensors").items():
        torch.testing.assert_close(weights[name], tensor, rtol=1e-3, atol=1e-4)
