"""Gates: columns whose gates stay open while a small network learns the target through them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from colonnade.data.steps.selector import Sample, Score, Selector, halves

# Deviation of the noise of a gate, and where gates begin: as in the paper.
_SIGMA = 0.5
_OPEN = 0.5
# A number this many deviations from the mean is as far as any.
_FAR = 5.0
# Levels of a category that have an input of their own, the most frequent ones.
_LEVELS = 50
_HIDDEN = 64
_BATCH = 256
_RATE = 0.01
# Of matrices: without it, indicators of many levels fit what is noise in the rows that are learned from.
_DECAY = 1.0


class Gates(Selector):
    """Keep the columns whose gate a network leaves open that pays for each open gate.

    Every column is multiplied by its gate, ``mu`` and normal noise of deviation 0.5, cut to 0..1, on the way into a
    network of one hidden layer. What is minimised is the squared error, as a share of the variance (of classes: of the
    Brier score), and ``penalty`` times the expected number of open gates; a column stays that is more likely open than
    not (Yamada et al., "Feature selection using stochastic gates", ICML 2020). All levels of a category share a gate.

    A network is fitted for each penalty, all of them at once. The strongest one is taken whose error on train rows
    that were held out is not above the least error by more than a standard error. As lasso, it may keep either of two
    columns that say the same.

    Args:
        penalties: shares of the variance that a column has to take away, above 0.
        steps: of AdamW, on 256 rows each.
        held_out: share of the rows that no network is fitted on.
        max_columns: columns to keep at most; None: no limit.
        rows: train rows that are looked at.

    Raises:
        ValueError: a number is out of range, or there is no penalty.
    """

    def __init__(
        self,
        *,
        penalties: Sequence[float] = (0.0003, 0.001, 0.003, 0.01, 0.03),
        steps: int = 1000,
        held_out: float = 0.3,
        max_columns: int | None = None,
        rows: int = 20_000,
    ) -> None:
        super().__init__(rows=rows, max_columns=max_columns)
        if not penalties or not all(penalty > 0 for penalty in penalties):
            raise ValueError(f"penalties must be one or several numbers above 0, got {penalties!r}")
        if steps < 1:
            raise ValueError(f"steps must be at least 1, got {steps!r}")
        if not 0 < held_out < 1:
            raise ValueError(f"held_out must be above 0 and below 1, got {held_out!r}")
        self.penalties = tuple(sorted(penalties))
        self.steps = steps
        self.held_out = held_out

    def scores(self, sample: Sample, generator: torch.Generator) -> list[Score]:
        """See :class:`Gates`."""
        x, column = _inputs(sample)
        y = torch.from_numpy(sample.y).float()
        learn, held = (torch.from_numpy(part) for part in halves(len(x), self.held_out, generator))
        networks = _Networks(self.penalties, column, y.shape[1], generator)
        with torch.enable_grad():
            self._learn(networks, x[learn], y[learn], generator)
        with torch.no_grad():
            # (members, rows)
            error = (networks(x[held], networks.mu[:, None].clamp(0, 1)) - y[held]).square().sum(2)
            chosen = _strongest(error)
            probability = networks.probability()[chosen]
        penalty = self.penalties[chosen]
        return [
            Score(float(p), 0.5, f"open with probability {p:.3g} where a gate costs {penalty:g}") for p in probability
        ]

    def _learn(self, networks: _Networks, x: Tensor, y: Tensor, generator: torch.Generator) -> None:
        optimizer = torch.optim.AdamW(networks.parameter_groups(), lr=_RATE)
        penalty = torch.tensor(self.penalties)
        for _ in range(self.steps):
            place = torch.randint(len(x), (_BATCH,), generator=generator)
            noise = _SIGMA * torch.randn(_BATCH, networks.mu.shape[1], generator=generator)
            gate = (networks.mu[:, None] + noise).clamp(0, 1)
            error = (networks(x[place], gate) - y[place]).square().sum(2).mean(1)
            optimizer.zero_grad()
            # Networks of other penalties share nothing, so that their sum is minimised where each of them is.
            (error + penalty * networks.probability().sum(1)).sum().backward()
            optimizer.step()


class _Networks(nn.Module):
    """A gated network for each penalty, all of which begin alike."""

    def __init__(self, penalties: Sequence[float], column: Tensor, n_outputs: int, generator: torch.Generator) -> None:
        super().__init__()
        n, d, c = len(penalties), len(column), int(column.max()) + 1

        def drawn(fan_in: int, fan_out: int) -> nn.Parameter:
            weight = torch.randn(fan_in, fan_out, generator=generator) / fan_in**0.5
            return nn.Parameter(weight.expand(n, -1, -1).clone())

        self.column = column
        self.mu = nn.Parameter(torch.full((n, c), _OPEN))
        self.inner = drawn(d, _HIDDEN)
        self.inner_bias = nn.Parameter(torch.zeros(n, 1, _HIDDEN))
        self.outer = drawn(_HIDDEN, n_outputs)
        self.outer_bias = nn.Parameter(torch.zeros(n, 1, n_outputs))

    def forward(self, x: Tensor, gate: Tensor) -> Tensor:
        """Outputs ``(members, N, outputs)`` of ``x (N, inputs)`` through ``gate (members, N or 1, columns)``."""
        hidden = (x * gate[..., self.column]) @ self.inner + self.inner_bias
        return hidden.relu() @ self.outer + self.outer_bias

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Matrices, which decay, and all else."""
        matrices = [self.inner, self.outer]
        return [
            {"params": matrices, "weight_decay": _DECAY},
            {"params": [self.mu, self.inner_bias, self.outer_bias], "weight_decay": 0.0},
        ]

    def probability(self) -> Tensor:
        """Of each gate to be open, ``(members, columns)``."""
        return torch.special.ndtr(self.mu / _SIGMA)


def _inputs(sample: Sample) -> tuple[Tensor, Tensor]:
    """Standard scores of numbers and flags, indicators of levels ``(N, inputs)``, and the column of each of them."""
    cut = len(sample.names) - sample.categories
    x = sample.x[:, :cut] - sample.x[:, :cut].mean(0)
    spread = x.std(0)
    blocks = [np.clip(x / np.where(spread > 0, spread, 1.0), -_FAR, _FAR)]
    column = [*range(cut)]
    for i in range(cut, len(sample.names)):
        level, count = np.unique(sample.x[:, i], return_counts=True)
        level = level[np.argsort(-count, kind="stable")[:_LEVELS]]
        hot = (sample.x[:, i, None] == level).astype(np.float64)
        blocks.append(hot - hot.mean(0))
        column += [i] * len(level)
    return torch.from_numpy(np.concatenate(blocks, 1)).float(), torch.tensor(column)


def _strongest(error: Tensor) -> int:
    """The last of the members ``(members, N)`` whose error is that of the best, up to a standard error."""
    best = error.mean(1).argmin()
    worse = error - error[best]
    return int((worse.mean(1) <= worse.std(1) / error.shape[1] ** 0.5).nonzero()[-1])
