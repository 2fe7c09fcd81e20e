from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

import forked

from .kit import Commands

# Small enough to be quick, long enough to be killed; dropout, schedule, average and early stopping all have a state.
SETTINGS = (
    "model=mlp",
    "data=breast_cancer",
    "trainer=cpu",
    "threads=1",
    "trainer.max_epochs=15",
    "loader.batch_size=32",
    "loader.chunk=4",
    "model.backbone.d_hidden=[32]",
    "module.ema=0.95",
    "optim.schedule=cosine",
    "callbacks.recovery.every_steps=4",
    "callbacks.recovery.max_share=1",
)


@pytest.fixture
def train(tmp_path: Path) -> Callable[..., forked.Command]:
    """Start ``colonnade train`` with the settings of these tests in a folder; the process is the caller's."""

    def start(run_dir: Path, *words: str, settings: Sequence[str] = SETTINGS, anew: bool = False) -> forked.Command:
        given = ["train", *settings, *words, f"hydra.run.dir={run_dir}"]
        return forked.start(given, tmp_path, together=True, anew=anew)

    return start


@pytest.fixture
def run(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> Iterator[Commands]:
    """The command line within this process, in an empty folder; logging is as it was afterwards."""
    monkeypatch.chdir(tmp_path)
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield Commands(tmp_path, capsys, caplog)
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture(scope="module", autouse=True)
def _figures(unrendered: None) -> None:
    """See :func:`unrendered`."""
