"""Half: networks that are computed in 16 bits, which GPUs do several times as fast, between a pipeline and a decoder
that are not."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from colonnade.baselines.base import Baseline
from colonnade.core.errors import ConfigError
from colonnade.deploy.kinds import BF16, FP16
from colonnade.deploy.replaced import replaced
from colonnade.nn.network import Network

TYPES = {FP16: torch.float16, BF16: torch.bfloat16}


def check_half(model: nn.Module, kind: str) -> None:
    """Refuse models without networks, best before they are trained.

    Args:
        model: a network, a baseline, or a predictor that holds such.
        kind: ``fp16`` or ``bf16``.

    Raises:
        ConfigError: it is a baseline.
    """
    parts = [part for part in model.modules() if isinstance(part, Network | Baseline)]
    if parts and not any(isinstance(part, Network) for part in parts):
        raise ConfigError(f"compute={kind} is for networks, and this model is none: leave it out")


def with_half(predictor: nn.Module, kind: str) -> nn.Module:
    """A predictor whose backbones and heads have weights of 16 bits, and compute in them.

    What is learned of the data beforehand stays as it is: the pipeline, embeddings (an angle of a periodic one, rounded
    to 8 digits, would be another) and the scale of windows; raw outputs are float32 again before they are decoded.

    Args:
        predictor: it stays as it is.
        kind: ``fp16`` or ``bf16``.
    """
    return replaced(predictor, Network, lambda network: _in_half(network, TYPES[kind]))


def _in_half(network: Network, dtype: torch.dtype) -> Network:
    def given(part: nn.Module, values: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(v.to(dtype) if isinstance(v, Tensor) and v.is_floating_point() else v for v in values)

    def found(part: nn.Module, values: tuple[Any, ...], raw: Tensor) -> Tensor:
        return raw.float()

    # What it has kept of train rows is of other weights.
    network.eval()
    for part in (network.backbone, network.head):
        part.to(dtype)
        # Each layer that has weights: what stands between may be float32 on purpose, as sparse masks are.
        for layer in {part, *(m for m in part.modules() if any(True for _ in m.parameters(recurse=False)))}:
            layer.register_forward_pre_hook(given)
    network.head.register_forward_hook(found)
    return network
