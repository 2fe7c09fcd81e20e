"""What the checks of all kinds of networks share."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

import torch
from torch import Tensor, nn

from colonnade.core.batch import Batch
from colonnade.core.spec import BatchSpec

N = TypeVar("N", bound=nn.Module)


def seeded(build: Callable[[BatchSpec], N], spec: BatchSpec, seed: int = 0) -> N:
    """A network whose first weights depend on the seed alone."""
    torch.manual_seed(seed)
    return build(spec)


def trained_a_little(network: N, batches: Iterable[Batch]) -> N:
    """In evaluation mode, after steps that move running statistics and whatever begins at zero or one."""
    network.train()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.05)
    for batch in batches:
        (network(batch).raw - 1).square().mean().backward()
        optimizer.step()
        optimizer.zero_grad()
    return network.eval()


def near_under_autocast(network: nn.Module, batch: Batch) -> None:
    """Training under bfloat16 autocast runs, and comes near to float32."""
    exact = network(batch).raw
    with torch.autocast("cpu", torch.bfloat16):
        network.train()(batch).raw.float().square().mean().backward()
        rough = network.eval()(batch).raw.float()
    assert (rough - exact).abs().max() < 0.1 * (1 + exact.abs().max()), "bfloat16 is far from float32"


def close(found: Tensor, expected: Tensor, message: str) -> None:
    """Outputs are the same but for rounding."""
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5, msg=lambda text: f"{message}: {text}")
