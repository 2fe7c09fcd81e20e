"""What every test shares: one thread, fixed seeds, and the real data where it is found."""

from __future__ import annotations

import copy
import gc
import importlib.metadata
import os
import random
import shutil
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

# Before torch is imported: two workers on two processors must not fight for them.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Tests move to folders of their own, where a relative path leads nowhere.
if os.environ.get("COLONNADE_DATA"):
    os.environ["COLONNADE_DATA"] = os.path.abspath(os.environ["COLONNADE_DATA"])

import numpy as np
import pytest
import torch

torch.set_num_threads(1)
# Of all that is imported nothing becomes garbage: looking through it again and again takes a tenth of the time.
gc.set_threshold(100_000, 20, 100)
# Lightning looks through all that is installed for each trainer.
importlib.metadata.entry_points = cache(importlib.metadata.entry_points)
# That of all devices writes down who calls it, for each kind that is not there: half a millisecond, 6000 times.
_seed_torch = torch.manual_seed if torch.backends.cuda.is_built() else torch.default_generator.manual_seed


@pytest.fixture(autouse=True)
def _seeded() -> Iterator[None]:
    """The same random numbers for a test wherever it runs, and the thread count as it was."""
    random.seed(0)
    np.random.seed(0)
    _seed_torch(0)
    threads = torch.get_num_threads()
    yield
    if torch.get_num_threads() != threads:
        torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real data, ``$COLONNADE_DATA``."""
    folder = os.environ.get("COLONNADE_DATA", "")
    if not folder or not Path(folder).is_dir():
        pytest.skip("COLONNADE_DATA names no folder: real data is not here")
    return Path(folder)


@pytest.fixture(scope="session")
def one_registry() -> Iterator[None]:
    """Torch's exporter collects what it can translate and take apart for each graph anew, 1.2 s; here once
    for all tests.

    Each export has a copy of the first, to which it may add.
    """
    from torch._export import utils
    from torch.onnx._internal.exporter._registration import ONNXRegistry as registry

    made = cache(registry.from_torchlib)

    def copied(*args: int, **kwargs: int) -> object:
        found = copy.copy(made(*args, **kwargs))
        found.functions = {target: list(ways) for target, ways in found.functions.items()}
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(registry, "from_torchlib", staticmethod(copied))
        # It looks operators of C++ up for each namespace, which makes them known to Python.
        patch.setattr(utils, "_materialize_cpp_cia_ops", cache(utils._materialize_cpp_cia_ops))
        yield


@pytest.fixture(scope="module")
def unrendered(request: pytest.FixtureRequest) -> Iterator[None]:
    """Figures are made, and their files are white, unless the module is marked ``rendered``.

    Half the time of a small training is matplotlib's; what figures look like, ``tests/report`` asks.
    """
    with pytest.MonkeyPatch.context() as patch:
        if request.node.get_closest_marker("rendered") is None:
            patch.setattr("matplotlib.figure.Figure.draw", lambda figure, renderer: None)
        yield


@pytest.fixture(scope="module")
def without_figures(request: pytest.FixtureRequest, unrendered: None) -> Iterator[None]:
    """Figures of trainings are not made either, unless the module is marked ``drawn`` or ``rendered``.

    To make them takes as long as all the rest of a small training. Where trainings are what is looked at
    (``tests/configs``, ``tests/faults``) they are made.
    """
    with pytest.MonkeyPatch.context() as patch:
        if not any(request.node.get_closest_marker(name) for name in ("drawn", "rendered")):
            patch.setattr("colonnade.report.figures.draw", lambda *of, **how: {})
            patch.setattr("colonnade.report.learning.learning_curve", lambda *of, **how: None)
        yield


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    """A run folder that does not exist yet, below a folder with a blank in its name."""
    return tmp_path / "my runs" / "run"


@pytest.fixture
def mini(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small tree of configurations, so that tests of composing do not depend on what is shipped.

    Its primary is ``mini``, and its classes lie in ``smallparts.py``.
    """
    here = Path(__file__).parent / "config"
    monkeypatch.syspath_prepend(here / "parts")
    monkeypatch.delitem(sys.modules, "smallparts", raising=False)
    monkeypatch.setenv("COLONNADE_TARGETS", "smallparts")
    return Path(shutil.copytree(here / "mini", tmp_path / "mini"))
