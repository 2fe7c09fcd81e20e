"""Products: of the rows and weights of several members, by the library that is the faster on this processor."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor

# Multiplications of one member from which oneDNN is the faster where it is at all: 256 rows of 96 dimensions to 96.
LARGE = 2**21


def product(left: Tensor, right: Tensor, bias: Tensor | None = None) -> Tensor:
    """``left @ right + bias`` of each member.

    Args:
        left: ``(members, n, k)``.
        right: ``(members, k, m)``.
        bias: ``(members, m)``; None: there is none.
    """
    n, k = left.shape[1:]
    if n * k * right.shape[2] >= LARGE and left.is_cpu and left.dtype is torch.float32 and _wider_in_onednn():
        added = [None] * len(left) if bias is None else bias.unbind()
        each = zip(left.unbind(), right.mT.unbind(), added)
        return torch.stack([torch.ops.mkldnn._linear_pointwise(x, w, b, "none", [], "") for x, w, b in each])
    if bias is None:
        # Of a head of one output, backwards: no sums, for which the batched product takes three times as long.
        return left * right if k == 1 else torch.bmm(left, right)
    return torch.baddbmm(bias.unsqueeze(1), left, right)


@lru_cache(maxsize=1)
def _wider_in_onednn() -> bool:
    """Whether torch's products, which are MKL's, leave half of each register unused.

    MKL takes the instructions of AVX-512 on Intel's processors alone; oneDNN takes what there is, and torch calls it
    for no product in float32.
    """
    able = torch.backends.cpu.get_cpu_capability() == "AVX512"
    built = torch.backends.mkl.is_available() and torch.backends.mkldnn.is_available()
    known = Path("/proc/cpuinfo")
    return able and built and known.exists() and "AuthenticAMD" in known.read_text()
