"""Parameter groups: what is not decayed, and which parts learn at another rate."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.instancenorm import _InstanceNorm
from torch.optim import Optimizer

from colonnade.core.errors import ConfigError, closest
from colonnade.nn.pace import Pace, Paced

NORMS = (nn.LayerNorm, nn.RMSNorm, nn.GroupNorm, _BatchNorm, _InstanceNorm)
EMBEDDINGS = (nn.Embedding, nn.EmbeddingBag)
EMBED_ROOM = "colonnade.nn.embed"


def parameter_groups(
    network: nn.Module, *, lr: float, weight_decay: float, lr_factors: Mapping[str, float]
) -> list[dict[str, Any]]:
    """Trainable parameters of ``network`` as optimizer groups.

    Not decayed, as in Gorishniy et al., "Revisiting deep learning models for tabular data", 2021: biases and other
    parameters of fewer than two dimensions, and all parameters of norms and of embeddings. Embeddings are
    ``nn.Embedding`` and every module that is defined in ``colonnade.nn.embed``, with all that it contains. What a
    module says of its own parameters (:class:`~colonnade.nn.pace.Paced`) goes before these rules.

    Args:
        network: the network.
        lr: base learning rate.
        weight_decay: decay of the other parameters.
        lr_factors: factor of the learning rate of all parameters whose name begins with the key (the longest key wins).

    Returns:
        A group for each distinct pair of factor and decay, with ``params``, ``lr``, ``initial_lr``, ``factor``,
        ``weight_decay`` and ``initial_decay``.

    Raises:
        ConfigError: a key of ``lr_factors`` fits no parameter, or nothing is trainable.
    """
    spared = _undecayed(network)
    paces = _paces(network)
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    used: set[str] = set()
    names = []
    for name, parameter in network.named_parameters():
        if not parameter.requires_grad:
            continue
        names.append(name)
        keys = [key for key in lr_factors if name == key or name.startswith(f"{key}.")]
        used.update(keys)
        pace = paces.get(name, Pace(decay=0.0 if id(parameter) in spared else 1.0))
        factor = pace.lr * (lr_factors[max(keys, key=len)] if keys else 1.0)
        groups.setdefault((factor, weight_decay * pace.decay), []).append(parameter)
    for key in lr_factors:
        if key not in used:
            parts = {".".join(name.split(".")[:depth]) for name in names for depth in (1, 2)}
            raise ConfigError(f"optim.lr_factors: no parameter is called '{key}'{closest(key, sorted(parts))}")
    if not groups:
        raise ConfigError("model: the network has no trainable parameters; choose a model that learns")
    return [
        {
            "params": params,
            "lr": lr * factor,
            "initial_lr": lr * factor,
            "factor": factor,
            "weight_decay": decay,
            "initial_decay": decay,
        }
        for (factor, decay), params in groups.items()
    ]


def base_rate(optimizer: Optimizer) -> float:
    """The learning rate that stands there now, without the factors of parts of the network."""
    group = min(optimizer.param_groups, key=lambda group: abs(group["factor"] - 1))
    return float(group["lr"] / group["factor"])


def _paces(network: nn.Module) -> dict[str, Pace]:
    """What modules say of their own parameters, by their names in the network."""
    return {
        f"{prefix}.{name}" if prefix else name: pace
        for prefix, module in network.named_modules()
        if isinstance(module, Paced)
        for name, pace in module.paces().items()
    }


def _undecayed(network: nn.Module) -> set[int]:
    """Identities of the parameters that are not decayed."""
    spared = {id(p) for p in network.parameters() if p.ndim < 2}
    for name, parameter in network.named_parameters():
        if name.rsplit(".", 1)[-1] == "bias":
            spared.add(id(parameter))
    for module in network.modules():
        if isinstance(module, NORMS + EMBEDDINGS) or type(module).__module__.startswith(EMBED_ROOM):
            spared.update(id(p) for p in module.parameters())
    return spared
