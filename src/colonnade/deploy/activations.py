"""Activations: selu and mish by operators that onnxruntime computes several numbers at a time, unlike its own."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from colonnade.deploy.replaced import replaced
from colonnade.nn.blocks.parametric_activation import ParametricActivation

SCALE, ALPHA = 1.0507009873554805, 1.6732632423543772
"""Of selu (Klambauer et al., 2017)."""


class ParametricSelu(nn.Module):
    """A :class:`~colonnade.nn.blocks.parametric_activation.ParametricActivation` of selu, multiplied out.

    ``x + strength * (selu(x) - x)`` is a multiple of ``x``, one of its negative part, and one of the exponential of
    that, for each dimension. What multiplies and moves all of it comes last, so that the next layer can take it over.

    Args:
        part: whose strengths are known, each above -19, where ``x`` would have no part.
    """

    slope: Tensor
    bend: Tensor
    curve: Tensor
    shift: Tensor

    def __init__(self, part: ParametricActivation) -> None:
        super().__init__()
        strength = part.strength.detach().to(torch.float64)
        slope, shift = 1 + strength * (SCALE - 1), strength * SCALE * ALPHA
        parts = {"slope": slope, "bend": -strength * SCALE / slope, "curve": shift / slope, "shift": shift}
        for name, values in parts.items():
            self.register_buffer(name, values.to(part.strength.dtype))

    def forward(self, x: Tensor) -> Tensor:
        """``(*, d)`` to the same."""
        below = x.clamp(max=0)
        return (x + (self.bend * below + self.curve * below.exp())) * self.slope - self.shift


class RatioMish(nn.Module):
    """``x * tanh(log(1 + exp(x)))`` as ``x * n / (n + 2)`` with ``n = exp(x) * (exp(x) + 2)``."""

    def forward(self, x: Tensor) -> Tensor:
        """``(*, d)`` to the same."""
        # Beyond, the ratio is 1 in float32, and the power would be too large in the end.
        power = x.clamp(max=20).exp()
        n = power * (power + 2)
        return x * (n / (n + 2))


def with_activations(predictor: nn.Module) -> nn.Module:
    """A predictor whose parametric activations of selu are multiplied out, and whose mish is a ratio.

    Args:
        predictor: it stays as it is; without such activations in it, it is what is returned.
    """
    quick = replaced(predictor, ParametricActivation, lambda part: ParametricSelu(part) if _of_selu(part) else part)
    return replaced(quick, nn.Mish, lambda part: RatioMish())


def _of_selu(part: ParametricActivation) -> bool:
    return isinstance(part.function, nn.SELU) and bool((part.strength > -10).all())
