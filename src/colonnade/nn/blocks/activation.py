"""Activations by name, as they are typed in YAML."""

from __future__ import annotations

from torch import nn

from colonnade.nn.checks import one_of

# In place where the derivative can be had from the output: one tensor less to write.
_ACTIVATIONS = {
    "relu": lambda: nn.ReLU(inplace=True),
    "selu": lambda: nn.SELU(inplace=True),
    "silu": nn.SiLU,
    "mish": nn.Mish,
    "gelu": nn.GELU,
}


def activation(name: str) -> nn.Module:
    """The activation called ``relu``, ``selu``, ``silu``, ``mish`` or ``gelu``.

    It may overwrite its input, so give it a fresh tensor.

    Raises:
        ValueError: for another name.
    """
    one_of(_ACTIVATIONS, activation=name)
    return _ACTIVATIONS[name]()
