"""Update: the step of an optimizer for neighbouring members of a stack, by torch's fused kernels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.optim import SGD, AdamW, Optimizer

from colonnade.training.average import mix
from colonnade.training.packed.stack import Slice


@torch.no_grad()
def clip(grads: Sequence[Tensor | None], largest: Sequence[float | None]) -> None:
    """Scale the gradients of each member whose norm is too large, in place.

    Args:
        grads: ``(members, *shape)`` each; None where a parameter has none.
        largest: of each member; None: not clipped.
    """
    if all(most is None for most in largest):
        return
    found = [g for g in grads if g is not None]
    norms = torch.stack([torch.linalg.vector_norm(g.flatten(1), dim=1) for g in found])
    norm = torch.linalg.vector_norm(norms, dim=0)
    most = torch.tensor([float("inf") if m is None else m for m in largest], dtype=norm.dtype, device=norm.device)
    # As torch.nn.utils.clip_grad_norm_ does it.
    factor = (most / (norm + 1e-6)).clamp(max=1.0)
    for g in found:
        g.mul_(factor.view(-1, *(1,) * (g.ndim - 1)))


@torch.no_grad()
def update(part: Slice, grads: Sequence[Tensor | None], optimizer: Optimizer, share: float | None) -> None:
    """One step of members that have the same settings and have taken as many steps.

    Args:
        part: the members.
        grads: ``(members, *shape)`` of each parameter.
        optimizer: of any of them.
        share: of the new weights in their averages; None: they have none.
    """
    part.steps.add_(1)
    for group, places in zip(optimizer.param_groups, part.indices):
        used = [i for i in places if grads[i] is not None]
        moments = {name: [found[i] for i in used] for name, found in part.moments.items()}
        _fused(optimizer, group, [part.weights[i] for i in used], [grads[i] for i in used], moments, part.steps[0, 0])
    if share is not None:
        mix(part.average, part.weights, share)


def _fused(
    optimizer: Optimizer,
    group: dict[str, Any],
    weights: list[Tensor],
    grads: list[Any],
    moments: dict[str, list[Tensor]],
    step: Tensor,
) -> None:
    """The kernel that torch's own optimizer would call; it does not mind that a weight is that of several members."""
    lr, weight_decay = group["lr"], group["weight_decay"]
    if isinstance(optimizer, SGD):
        buffers = moments.get("momentum_buffer", [])
        torch._fused_sgd_(
            weights,
            grads,
            buffers,
            weight_decay=weight_decay,
            momentum=group["momentum"],
            lr=lr,
            dampening=0.0,
            nesterov=group["nesterov"],
            maximize=False,
            # Buffers begin with zeros, which gives the same.
            is_first_step=False,
        )
        return
    kernel = torch._fused_adamw_ if isinstance(optimizer, AdamW) else torch._fused_adam_
    beta1, beta2 = group["betas"]
    kernel(
        weights,
        grads,
        moments["exp_avg"],
        moments["exp_avg_sq"],
        [],
        [step] * len(weights),
        lr=lr,
        beta1=beta1,
        beta2=beta2,
        weight_decay=weight_decay,
        eps=group["eps"],
        amsgrad=False,
        maximize=False,
    )
