"""Components: vectors of texts, reduced to their principal components."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from colonnade.data.columns import Columns, Layout, TrainRows
from colonnade.data.steps.base import Feature, Fitted, FittedStep, Step, index_of, others, positions

# A component of a smaller share of the variance is rounding.
_ROUNDING = 1e-9
# Numbers far beyond those of any vector, whose sums would be infinite.
_LARGEST = 1e30


class Components(Step):
    """Replace the numbers of a vector by ``<name>.pc.<i>``, its principal components over the train rows.

    A missing number counts as the mean. Where a train row lacks the first number of a vector, a missing text, a 0/1
    column ``<name>.missing`` is added.

    Args:
        vectors: numbers of each vector, by the name of the raw column that it is made of.
        n_components: how many are kept of a vector at most; None: all.

    Raises:
        ValueError: ``n_components`` below 1.
    """

    def __init__(self, *, vectors: Mapping[str, Sequence[str]], n_components: int | None = 16) -> None:
        if n_components is not None and n_components < 1:
            raise ValueError(f"n_components must be at least 1, or null, got {n_components!r}")
        self.vectors = vectors
        self.n_components = n_components

    def fit(self, train: TrainRows, layout: Layout, generator: torch.Generator) -> Fitted:
        """Take the eigenvectors of each covariance. See :meth:`Step.fit`."""
        places = [positions(layout.num, numbers, "Components") for numbers in self.vectors.values()]
        source = [i for place in places for i in place]
        num = train.columns.num[source]
        mean = num.clamp(-_LARGEST, _LARGEST).nanmean(1, keepdim=True).nan_to_num(0.0)
        parts = _centred(num, mean).split([len(place) for place in places])
        found = [_principal(part, self.n_components) for part in parts]
        of = [name for name, (_, share) in zip(self.vectors, found, strict=True) for _ in share]
        added = layout.fresh(
            f"{name}.pc.{i}" for name, (_, share) in zip(self.vectors, found) for i in range(len(share))
        )
        firsts = dict(zip(self.vectors, (place[0] for place in places), strict=True))
        flagged = [name for name, first in firsts.items() if train.columns.num[first].isnan().any()]
        flags = layout.fresh(f"{name}.missing" for name in flagged)
        rest = others(len(layout.num), source)
        module = Projected(
            of=of,
            added=added,
            flagged=flagged,
            flags=flags,
            rest=index_of(rest),
            source=index_of(source),
            first=index_of([firsts[name] for name in flagged]),
            mean=mean,
            axes=torch.block_diag(*(axes for axes, _ in found)),
            share=torch.cat([share for _, share in found]),
        )
        new = replace(layout, num=(*(layout.num[i] for i in rest), *added), flag=layout.flag + flags)
        return Fitted(
            module,
            new,
            [f"column '{name}' has one vector in the train rows: dropped" for name in self.vectors if name not in of],
        )


def _centred(num: Tensor, mean: Tensor) -> Tensor:
    return torch.where(num.isnan(), 0.0, num.clamp(-_LARGEST, _LARGEST) - mean)


def _principal(x: Tensor, n: int | None) -> tuple[Tensor, Tensor]:
    """Axes ``(D, k)`` of centred numbers ``(D, N)``, the longest first, and their shares of the variance ``(k,)``."""
    length, axes = torch.linalg.eigh(x @ x.T)
    share = length.flip(0) / length.sum().clamp(min=1e-300)
    axes = axes.flip(1)[:, share > _ROUNDING][:, :n]
    # Either end of an axis would do: its largest number is above 0.
    largest = axes.gather(0, axes.abs().argmax(0, keepdim=True))
    return axes * largest.sign(), share[: axes.shape[1]]


class Projected(FittedStep):
    """Fitted :class:`Components`. What gives texts their vectors is no part of a graph.

    Args:
        of: name of the vector of each component.
        added: components.
        flagged, flags: vectors that may be missing, and the columns that say so.
        rest: ``(F',)`` int64, positions of the measured columns that stay.
        source: ``(D,)`` int64, positions of the numbers of all vectors.
        first: ``(G,)`` int64, of the first numbers of those that may be missing.
        mean: ``(D, 1)`` float64.
        axes: ``(D, components)`` float64.
        share: ``(components,)`` float64, of the variance of the vector.
    """

    exportable = False
    rest: Tensor
    source: Tensor
    first: Tensor
    mean: Tensor
    axes: Tensor
    share: Tensor

    def __init__(
        self,
        *,
        of: Sequence[str],
        added: Sequence[str],
        flagged: Sequence[str],
        flags: Sequence[str],
        rest: Tensor,
        source: Tensor,
        first: Tensor,
        mean: Tensor,
        axes: Tensor,
        share: Tensor,
    ) -> None:
        super().__init__()
        self.of = tuple(of)
        self.added = tuple(added)
        self.flagged = tuple(flagged)
        self.flags = tuple(flags)
        self.register_buffer("rest", rest)
        self.register_buffer("source", source)
        self.register_buffer("first", first)
        self.register_buffer("mean", mean)
        self.register_buffer("axes", axes)
        self.register_buffer("share", share)

    def forward(self, columns: Columns) -> Columns:
        """Project, and leave out the numbers of the vectors."""
        found = self.axes.T @ _centred(columns.num.index_select(0, self.source), self.mean)
        missing = columns.num.index_select(0, self.first).isnan().to(torch.float32)
        num = torch.cat([columns.num.index_select(0, self.rest), found])
        return columns._replace(num=num, flag=torch.cat([columns.flag, missing]))

    def options(self) -> dict[str, Any]:
        """Names."""
        return {"of": self.of, "added": self.added, "flagged": self.flagged, "flags": self.flags}

    def features(self) -> list[Feature]:
        """Components with their share of the variance, and flags."""
        made = [
            Feature(new, f"principal component of the vector of {name}", (name,), {"share of its variance": share})
            for new, name, share in zip(self.added, self.of, self.share, strict=True)
        ]
        flags = zip(self.flags, self.flagged, strict=True)
        return made + [Feature(flag, f"1 if {name} is missing", (name,)) for flag, name in flags]
