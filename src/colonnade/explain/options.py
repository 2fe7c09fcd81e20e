"""Options: how a model is explained, and which method fits which model."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from colonnade.baselines.boosted import Boosted
from colonnade.baselines.random_forest import RandomForest
from colonnade.core.errors import ConfigError, closest
from colonnade.core.spec import BatchSpec
from colonnade.nn.backbones.tabnet import TabNet
from colonnade.nn.network import Network
from colonnade.nn.retrieval import RetrievalNetwork

AUTO = "auto"
GRADIENTS = "integrated_gradients"
SHAPLEY = "shapley"
MASKS = "masks"
TREES = "tree_shap"
ROWS, SERIES = 500, 100
METHODS = (AUTO, GRADIENTS, SHAPLEY, MASKS, TREES)


class Explain:
    """How a model is explained.

    Args:
        method: ``integrated_gradients`` (networks that look no rows up), ``shapley`` (permutations, any model),
            ``masks`` (TabNet), ``tree_shap`` (forests and boosted trees), or ``auto``: trees of no quantiles by
            ``tree_shap``, such networks by gradients, everything else, and what sees columns that are made of several,
            by permutations.
        rows: rows that are explained, drawn from the test rows (validation rows where there are none); None: 500, or
            100 series.
        background: train rows that stand for "any other row".
        samples: background rows that permutations walk from, and that forests are compared with.
        steps: nodes of the quadrature of integrated gradients.
        top: columns with a dependence curve, whose pairs are looked at for interactions.
        seed: of everything random.

    Raises:
        ValueError: an unknown method, or a number out of range.
    """

    def __init__(
        self,
        *,
        method: str = AUTO,
        rows: int | None = None,
        background: int = 256,
        samples: int = 32,
        steps: int = 64,
        top: int = 6,
        seed: int = 0,
    ) -> None:
        if method not in METHODS:
            raise ValueError(f"method={method} must be one of {', '.join(METHODS)}{closest(method, METHODS)}")
        for name, value in (("rows", rows), ("background", background), ("samples", samples), ("steps", steps)):
            if value is not None and value < 1:
                raise ValueError(f"{name}={value} must be at least 1")
        if top < 0:
            raise ValueError(f"top={top} must be at least 0")
        self.method = method
        self.rows = rows
        self.background = background
        self.samples = samples
        self.steps = steps
        self.top = top
        self.seed = seed

    def rows_of(self, spec: BatchSpec) -> int:
        """How many rows are explained at most."""
        return self.rows or (ROWS if spec.n_steps is None else SERIES)


def method_for(asked: str, network: nn.Module, spec: BatchSpec, mixed: Sequence[str] = ()) -> str:
    """The method that a model is explained by.

    Args:
        asked: one of :data:`METHODS`.
        network: a network or a baseline.
        spec: of the data, with ``out_shape``.
        mixed: encoded columns that are made of several raw ones, which only permutations of raw columns can tell apart.

    Raises:
        ConfigError: the method does not fit the model or its pipeline.
    """
    quantiles = spec.target_kind == "real" and len(spec.out_shape) > 1
    fits = {
        # Where rows are looked up, neighbours change by jumps, of which gradients see nothing.
        GRADIENTS: isinstance(network, Network) and not isinstance(network, RetrievalNetwork),
        SHAPLEY: True,
        MASKS: isinstance(network, Network) and isinstance(network.backbone, TabNet),
        # The median of sorted quantiles is no sum of trees.
        TREES: isinstance(network, Boosted | RandomForest) and not quantiles,
    }
    if mixed and asked in (AUTO, SHAPLEY):
        return SHAPLEY
    if mixed:
        rest = f" and {len(mixed) - 1} more" if len(mixed) > 1 else ""
        raise ConfigError(
            f"method={asked} does not explain a pipeline that makes a column of several raw ones ('{mixed[0]}'{rest}): "
            f"use {SHAPLEY}"
        )
    if asked == AUTO:
        return next(method for method in (TREES, GRADIENTS, SHAPLEY) if fits[method])
    if not fits[asked]:
        named = network.backbone if isinstance(network, Network) else network
        what = f"{type(named).__name__}{' of quantiles' if quantiles else ''}"
        raise ConfigError(
            f"method={asked} does not explain {what}; use {' or '.join(m for m, fit in fits.items() if fit)}"
        )
    return asked
