"""Activations by name, as they are typed in YAML."""

from __future__ import annotations

from torch import nn

from colonnade.nn.checks import one_of

# In place where the derivative can be had from the output: one tensor less to write.
_IN_PLACE = {"relu": nn.ReLU, "selu": nn.SELU}
_FRESH = {"silu": nn.SiLU, "mish": nn.Mish, "gelu": nn.GELU}


def activation(name: str, *, keep_input: bool = False) -> nn.Module:
    """The activation called ``relu``, ``selu``, ``silu``, ``mish`` or ``gelu``.

    Args:
        name: one of these.
        keep_input: False: it may overwrite its input, so give it a fresh tensor.

    Raises:
        ValueError: for another name.
    """
    one_of((*_IN_PLACE, *_FRESH), activation=name)
    return _IN_PLACE[name](inplace=not keep_input) if name in _IN_PLACE else _FRESH[name]()
