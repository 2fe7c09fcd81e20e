"""TabNet: steps that each look at a sparse choice of columns."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from colonnade.nn.backbones.base import Backbone
from colonnade.nn.blocks.ghost_norm import GhostBatchNorm
from colonnade.nn.blocks.sparsemax import sparsemax
from colonnade.nn.checks import fraction, positive
from colonnade.nn.layout import Layout


@dataclass
class Masks:
    """Where TabNet looked.

    Args:
        steps: ``(steps, B, columns)``, each row summing to one.
        total: ``(B, columns)``, the steps weighted by how much each added to the representation.
    """

    steps: Tensor
    total: Tensor


class GatedUnit(nn.Module):
    """Linear without bias, ghost batch normalisation, gated linear unit.

    Args:
        linear: ``d_in`` to ``2 * d_out``; may be shared with other units.
        virtual_batch, momentum: see :class:`~colonnade.nn.blocks.ghost_norm.GhostBatchNorm`.
    """

    def __init__(self, linear: nn.Linear, *, virtual_batch: int, momentum: float) -> None:
        super().__init__()
        self.linear = linear
        self.norm = GhostBatchNorm(linear.out_features, virtual_batch=virtual_batch, momentum=momentum)

    def forward(self, x: Float[Tensor, "b i"]) -> Float[Tensor, "b o"]:
        """``(B, d_in)`` to ``(B, d_out)``."""
        return F.glu(self.norm(self.linear(x)))


class FeatureTransformer(nn.Module):
    """Gated units in sequence; each but the first is added to what came in, and the sum scaled by ``sqrt(1/2)``.

    Args:
        linears: of the units, the shared ones first.
        virtual_batch, momentum: see :class:`~colonnade.nn.blocks.ghost_norm.GhostBatchNorm`.
    """

    def __init__(self, linears: list[nn.Linear], *, virtual_batch: int, momentum: float) -> None:
        super().__init__()
        self.units = nn.ModuleList(
            GatedUnit(linear, virtual_batch=virtual_batch, momentum=momentum) for linear in linears
        )

    def forward(self, x: Float[Tensor, "b i"]) -> Float[Tensor, "b o"]:
        """``(B, d_in)`` to ``(B, d_out)``."""
        for i, unit in enumerate(self.units):
            x = (x + unit(x)) * math.sqrt(0.5) if i else unit(x)
        return x


class AttentiveTransformer(nn.Module):
    """From what a step passed on to the mask of the next.

    Args:
        d_attention: width of what is passed on.
        n_columns: columns to choose from.
        virtual_batch, momentum: see :class:`~colonnade.nn.blocks.ghost_norm.GhostBatchNorm`.
    """

    def __init__(self, d_attention: int, n_columns: int, *, virtual_batch: int, momentum: float) -> None:
        super().__init__()
        self.linear = _linear(
            d_attention, n_columns, gain=((d_attention + n_columns) / (4 * d_attention) ** 0.5) ** 0.5
        )
        self.norm = GhostBatchNorm(n_columns, virtual_batch=virtual_batch, momentum=momentum)

    def forward(self, prior: Float[Tensor, "b c"], x: Float[Tensor, "b a"]) -> Float[Tensor, "b c"]:
        """Mask ``(B, columns)`` from what is left of each column and ``(B, d_attention)``."""
        # In float32 under autocast too: the support of a sparse mask is decided by small differences.
        return sparsemax(self.norm(self.linear(x)).float() * prior)


class TabNet(Backbone):
    """Each step masks the columns, transforms what is left, adds to the decision and says where to look next.

    Arik and Pfister, *TabNet: Attentive Interpretable Tabular Learning*, AAAI 2021. A mask is over columns, whatever
    the width of their embeddings; as in the published package, an embedded column is weighed by ``mask / width``.

    Args:
        layout: of the embedded row.
        d_decision: width of the decision (n_d).
        d_attention: width of what is passed to the next mask (n_a).
        n_steps: steps.
        gamma: at 1 a column is used in one step only, above it may be used again.
        n_shared: gated units whose linear layers all steps share.
        n_independent: gated units of each step.
        sparsity: factor of the entropy of the masks in the training loss (lambda_sparse).
        virtual_batch: rows of a virtual batch for the normalisation.
        momentum: of the normalisations; 0.02 here is 0.98 in the paper's notation.
        apart: the representation is the decisions of the steps side by side, ``n_steps * d_decision`` wide, as
            :class:`~colonnade.nn.backbones.tabnet_decoder.TabNetDecoder` reads them, instead of their sum.

    Raises:
        ValueError: for an argument out of range.
    """

    column: Tensor
    share: Tensor

    def __init__(
        self,
        *,
        layout: Layout,
        d_decision: int = 8,
        d_attention: int = 8,
        n_steps: int = 3,
        gamma: float = 1.3,
        n_shared: int = 2,
        n_independent: int = 2,
        sparsity: float = 1e-3,
        virtual_batch: int = 128,
        momentum: float = 0.02,
        apart: bool = False,
    ) -> None:
        super().__init__()
        positive(d_decision=d_decision, d_attention=d_attention, n_steps=n_steps, virtual_batch=virtual_batch)
        fraction(momentum=momentum)
        if gamma < 1:
            raise ValueError(f"gamma={gamma} is out of range: expected gamma >= 1")
        if sparsity < 0:
            raise ValueError(f"sparsity={sparsity} is out of range: expected sparsity >= 0")
        if min(n_shared, n_independent) < 0 or n_shared + n_independent == 0:
            raise ValueError(f"n_shared={n_shared}, n_independent={n_independent}: expected >= 0, and one of them > 0")
        self.d_decision = d_decision
        self.d_out = n_steps * d_decision if apart else d_decision
        self.apart = apart
        self.gamma = gamma
        self.sparsity = sparsity
        self.n_columns = layout.n_columns
        widths = torch.tensor(layout.widths)
        self.is_plain = layout.d_flat == layout.n_columns
        self.register_buffer("column", torch.arange(layout.n_columns).repeat_interleave(widths), persistent=False)
        self.register_buffer("share", (1 / widths).repeat_interleave(widths), persistent=False)

        d_unit = d_decision + d_attention

        def units(n: int, *, after: int) -> list[nn.Linear]:
            return [unit_linear(d_unit if i + after else layout.d_flat, d_unit) for i in range(n)]

        shared = units(n_shared, after=0)
        self.input_norm = nn.BatchNorm1d(layout.d_flat, momentum=0.01)
        self.transformers = nn.ModuleList(
            FeatureTransformer(
                shared + units(n_independent, after=n_shared), virtual_batch=virtual_batch, momentum=momentum
            )
            for _ in range(n_steps + 1)
        )
        self.attentions = nn.ModuleList(
            AttentiveTransformer(d_attention, layout.n_columns, virtual_batch=virtual_batch, momentum=momentum)
            for _ in range(n_steps)
        )

    def forward(self, x: Float[Tensor, "b d"]) -> tuple[Float[Tensor, "b 1 h"], Float[Tensor, ""] | None]:
        """``(B, d_flat)`` to ``(B, 1, d_out)``, and in training the sparsity penalty."""
        masks, decisions = self._steps(x)
        penalty = None
        if self.training and self.sparsity:
            mask = torch.stack(masks)
            penalty = -self.sparsity * (mask * torch.log(mask + 1e-15)).sum(-1).mean()
        decided = torch.cat(decisions, dim=1) if self.apart else torch.stack(decisions).sum(0)
        return decided.unsqueeze(1), penalty

    def masks(self, x: Float[Tensor, "b d"]) -> Masks:
        """Where each step looks in embedded rows ``(B, d_flat)``, and the sum over the steps."""
        masks, decisions = self._steps(x)
        steps = torch.stack(masks)
        weight = torch.stack(decisions).sum(-1, keepdim=True)
        return Masks(steps=steps, total=(steps * weight).sum(0))

    def _steps(self, x: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        x = self.input_norm(x)
        first, *transformers = self.transformers
        passed = first(x)[:, self.d_decision :]
        prior = torch.ones((x.shape[0], self.n_columns), device=x.device)
        masks, decisions = [], []
        for attention, transformer in zip(self.attentions, transformers, strict=True):
            mask = attention(prior, passed)
            prior = prior * (self.gamma - mask)
            wide = mask if self.is_plain else mask.index_select(1, self.column) * self.share
            out = transformer(wide * x)
            masks.append(mask)
            decisions.append(torch.relu(out[:, : self.d_decision]))
            passed = out[:, self.d_decision :]
        return masks, decisions


def _linear(d_in: int, d_out: int, *, gain: float) -> nn.Linear:
    layer = nn.Linear(d_in, d_out, bias=False)
    nn.init.xavier_normal_(layer.weight, gain=gain)
    return layer


def unit_linear(d_in: int, d_unit: int) -> nn.Linear:
    """The linear layer of a :class:`GatedUnit` of width ``d_unit``."""
    return _linear(d_in, 2 * d_unit, gain=((d_in + 2 * d_unit) / d_in**0.5) ** 0.5)
