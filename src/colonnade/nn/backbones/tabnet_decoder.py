"""TabNetDecoder: the head of TabNet's own pre-training."""

from __future__ import annotations

import math

from jaxtyping import Float
from torch import Tensor, nn

from colonnade.nn.backbones.tabnet import FeatureTransformer, unit_linear
from colonnade.nn.checks import positive


class TabNetDecoder(nn.Module):
    """Feature transformers over the decision of each step, added up, and a linear layer to the columns.

    Arik and Pfister, *TabNet: Attentive Interpretable Tabular Learning*, AAAI 2021, section "Self-supervised learning".
    Reads a :class:`~colonnade.nn.backbones.tabnet.TabNet` with ``apart``.

    Args:
        d_in: width of the decisions of all steps side by side.
        n_members: members of the ensemble; one.
        out_shape: shape of the output for one row, as the task asks.
        n_steps: steps of the backbone.
        n_shared: gated units whose linear layers all steps share.
        n_independent: gated units of each step.
        virtual_batch, momentum: see :class:`~colonnade.nn.backbones.tabnet.TabNet`.

    Raises:
        ValueError: for an argument out of range, or ``n_steps`` that does not divide ``d_in``.
    """

    def __init__(
        self,
        *,
        d_in: int,
        n_members: int,
        out_shape: tuple[int, ...],
        n_steps: int = 3,
        n_shared: int = 1,
        n_independent: int = 1,
        virtual_batch: int = 128,
        momentum: float = 0.02,
    ) -> None:
        super().__init__()
        positive(n_steps=n_steps, virtual_batch=virtual_batch)
        if n_members != 1 or d_in % n_steps:
            raise ValueError(
                f"n_steps={n_steps} does not divide the {d_in} decisions: set n_steps as in the backbone, and "
                "model.backbone.apart=true"
            )
        if min(n_shared, n_independent) < 0 or n_shared + n_independent == 0:
            raise ValueError(f"n_shared={n_shared}, n_independent={n_independent}: expected >= 0, and one of them > 0")
        self.n_steps = n_steps
        self.out_shape = tuple(out_shape)
        width = d_in // n_steps
        shared = [unit_linear(width, width) for _ in range(n_shared)]
        self.transformers = nn.ModuleList(
            FeatureTransformer(
                shared + [unit_linear(width, width) for _ in range(n_independent)],
                virtual_batch=virtual_batch,
                momentum=momentum,
            )
            for _ in range(n_steps)
        )
        self.linear = nn.Linear(width, math.prod(out_shape))

    def forward(self, x: Float[Tensor, "b 1 d"]) -> Float[Tensor, "b 1 *out"]:
        """``(B, 1, n_steps * width)`` to ``(B, 1, *out_shape)``."""
        steps = x.squeeze(1).chunk(self.n_steps, dim=-1)
        decoded = sum(transform(step) for transform, step in zip(self.transformers, steps, strict=True))
        return self.linear(decoded).reshape(-1, 1, *self.out_shape)
