"""What a run was made on: versions, machine, threads."""

from __future__ import annotations

import platform
import sys
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

PACKAGES = ("colonnade", "torch", "lightning", "hydra-core", "torchmetrics", "polars", "numpy", "scikit-learn")


def environment() -> dict[str, Any]:
    """Versions, platform and thread count, as plain data.

    The thread count belongs to the record: sums are bit-identical from run to run only at an equal number of threads.
    """
    import torch

    return {
        "python": sys.version.split()[0],
        "platform": platform.platform(),
        "processor": platform.machine(),
        "threads": torch.get_num_threads(),
        "cuda": torch.version.cuda if torch.cuda.is_available() else None,
        "gpus": [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())],
        "versions": {package: _version(package) for package in PACKAGES},
    }


@cache
def _version(package: str) -> str:
    """The version of an installed package, which is read from a file."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed as a package"
