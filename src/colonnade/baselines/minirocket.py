"""MiniRocket: features of fixed kernels, and a ridge over them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from colonnade.baselines.base import Baseline, Fitted, Job
from colonnade.baselines.problems import Problem, Rows
from colonnade.core.batch import Batch
from colonnade.core.errors import ConfigError
from colonnade.core.spec import BatchSpec
from colonnade.data.sequences.store import padded

LENGTH = 9
"""Steps of a kernel."""
TWOS = np.array(list(combinations(range(LENGTH), 3)))
"""Where the three weights 2 of each kernel stand, ``(84, 3)``; the six others are -1."""
ALPHAS = np.logspace(-3, 3, 10)
"""Penalties of the ridge, of which leave-one-out chooses."""
# Logits of a ridge's scores, which lie around -1 and 1, are these times a number in this range.
SHARPNESS = (0.1, 30.0)
# By which a bias lies above its quantile, relative to one and its size: far above what a convolution rounds.
NUDGE = 1e-5
# Series that are transformed together.
BATCH = 256


class MiniRocket(Baseline):
    """Each series is convolved with 84 kernels at several dilations; a feature is the share of its steps at which one
    is above a bias. A ridge over the scaled features is the model; leave-one-out chooses its penalty.

    Dempster, Schmidt and Webb, *MiniRocket: A Very Fast (Almost) Deterministic Transform for Time Series
    Classification*, KDD 2021; of several channels, each kernel sees a random few of them, as in the authors' code. The
    seed draws these and the series whose values become biases.

    A ridge gives scores and no probabilities: validation rows choose the factor that makes logits of them.

    Of series of several lengths, a share is that of the valid steps; zeros stand behind the end, as they stand behind
    that of the longest.

    Args:
        spec: of the data.
        n_features: features, rounded down to a multiple of 84; 84 at least.
        max_dilations: dilations of a kernel at the most, from 1.

    Raises:
        ValueError: an argument is out of range.
        ConfigError: ``data`` asks for forecasts.
    """

    kinds = frozenset({"binary", "multiclass", "mse"})
    sequential = True

    def __init__(self, *, spec: BatchSpec, n_features: int = 10_000, max_dilations: int = 32) -> None:
        super().__init__(spec=spec)
        if n_features < len(TWOS):
            raise ValueError(f"n_features={n_features} must be {len(TWOS)} or more: one of each kernel")
        if max_dilations < 1:
            raise ValueError(f"max_dilations={max_dilations} must be 1 or more")
        if spec.horizon is not None:
            raise ConfigError(
                "model=minirocket learns from whole series, and data.horizon asks for forecasts: choose another model, "
                "such as model=nlinear"
            )
        assert spec.n_steps is not None
        self.dilations = dilations(spec.n_steps, n_features // len(TWOS), max_dilations)
        self.d_in = spec.n_num + sum(spec.cardinalities)
        # Which channels a kernel sees at a dilation, (dilations, 84, channels), and its biases, (84, features / 84).
        self.register_buffer("seen", torch.empty(0, dtype=torch.bool))
        self.register_buffer("biases", torch.empty(0))
        self.register_buffer("weight", torch.empty(0, dtype=torch.float64))
        self.register_buffer("bias", torch.empty(0, dtype=torch.float64))

    def fit(self, problems: Sequence[Problem], train: Rows, val: Rows | None, job: Job) -> Fitted:
        """See the base class; validation rows choose how sharp probabilities are, and nothing else."""
        rng = np.random.default_rng(job.seed)
        seen = drawn_channels(rng, len(self.dilations), self.d_in)
        self.keep(seen=seen, biases=self._drawn_biases(train, seen, rng))
        features = self._features(train)
        held = None if val is None else self._features(val)
        # A feature that is the same in all series weighs nothing.
        scale = np.where((spread := features.std(0)) > 0, spread, 1.0)
        found = [self._solve(problem, features / scale, train) for problem in problems]
        sharp = [
            1.0 if held is None or val is None else sharpness(problem, held / scale @ weight.T + bias, val)
            for problem, (weight, bias) in zip(problems, found)
        ]
        weight = np.concatenate([weight / scale * factor for (weight, _), factor in zip(found, sharp)])
        bias = np.concatenate([bias * factor for (_, bias), factor in zip(found, sharp)])
        self.keep(weight=weight.T, bias=bias)
        return Fitted(rounds=1, size=weight.size + bias.size)

    def of_batch(self, batch: Batch) -> Tensor:
        """See the base class."""
        return self.raw(batch.num, batch.cat, batch.mask)

    def raw(self, num: Tensor, cat: Tensor, mask: Tensor | None = None) -> Tensor:
        """See the base class; ``mask (B, T)`` names the valid steps, None: all."""
        weight: Tensor = self.weight  # type: ignore[assignment]
        bias: Tensor = self.bias  # type: ignore[assignment]
        # Ten thousand terms: in float32 their order would show.
        return torch.addmm(bias.double(), self.features(num, cat, mask).double(), weight.double()).to(num.dtype)

    def features(self, num: Tensor, cat: Tensor, mask: Tensor | None = None) -> Tensor:
        """Shares of steps above each bias, ``(B, features)`` float32.

        Args:
            num, cat, mask: see :meth:`raw`.
        """
        x, valid = self._channels(num, cat, mask)
        biases: Tensor = self.biases  # type: ignore[assignment]
        parts, start, at_once = [], 0, _at_once()
        for i, (dilation, count) in enumerate(self.dilations):
            convolved = self._convolved(x, i)
            counted = self._counted(valid, i, dilation)
            n = counted.sum(-1)
            # One bias after the other: together they would take the memory of all features at all steps.
            for j in range(start, start + count, at_once):
                levels = biases[:, j : min(j + at_once, start + count)].T.unsqueeze(-1)
                # Counted first: a sum of shares would differ in its last bits where all of them are above.
                above = ((convolved.unsqueeze(1) > levels) * counted.unsqueeze(1)).sum(-1)
                parts.append((above / n.unsqueeze(1)).flatten(1))
            start += count
        return torch.cat(parts, dim=1)

    def _channels(self, num: Tensor, cat: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
        """Channels ``(B, C, T)``, zero in the padding, and valid steps ``(B, 1, T)`` of zeros and ones."""
        codes = [F.one_hot(cat[..., i], n).to(num.dtype) for i, n in enumerate(self.cardinalities)]
        x = torch.cat([num, *codes], dim=-1).transpose(1, 2)
        if mask is None:
            return x, torch.ones_like(x[:, :1])
        valid = mask.unsqueeze(1)
        return x.masked_fill(~valid, 0.0), valid.to(x.dtype)

    def _convolved(self, x: Tensor, i: int) -> Tensor:
        """All kernels at dilation ``i`` over the channels that they see, ``(B, 84, T)``.

        As in the paper, three times the steps of weight 2 less all nine. They are added one by one: a convolution adds
        in an order of its own, and an exported one that differs in its last bits passes a bias that this one does not.
        """
        seen: Tensor = self.seen  # type: ignore[assignment]
        dilation, n = self.dilations[i][0], x.shape[-1]
        full = F.pad(x, (dilation * (LENGTH // 2),) * 2)
        steps = [full[..., j * dilation : j * dilation + n] for j in range(LENGTH)]
        all_nine, nine = sum(steps[1:], steps[0]), torch.stack(steps, dim=2)
        first, second, third = torch.from_numpy(TWOS).to(x.device).unbind(1)
        total = x.new_zeros(())
        # One channel after the other: together they would take the memory of all kernels on all of them.
        at_once = _at_once()
        for channel in range(0, self.d_in, at_once):
            some = slice(channel, channel + at_once)
            of = nine[:, some]
            heavy = of.index_select(2, first) + of.index_select(2, second) + of.index_select(2, third)
            weighed = 3 * heavy - all_nine[:, some].unsqueeze(2)
            for one in (weighed * seen[i, :, some].T.unsqueeze(-1).to(x.dtype)).unbind(1):
                total = total + one
        return total

    def _counted(self, valid: Tensor, i: int, dilation: int) -> Tensor:
        """Steps that count, ``(B, 84, T)``: of every other kernel those alone, where there are any, at which all of it
        lies in the series."""
        around = dilation * (LENGTH // 2)
        step = torch.arange(valid.shape[-1], device=valid.device)
        inner = valid * (step >= around) * (step < valid.sum(-1, keepdim=True) - around)
        inner = torch.where(inner.any(-1, keepdim=True), inner, valid)
        whole = (torch.arange(len(TWOS), device=valid.device) + i) % 2 == 0
        return torch.where(whole.view(1, -1, 1), valid, inner)

    def _drawn_biases(self, train: Rows, seen: Tensor, rng: np.random.Generator) -> Tensor:
        """Quantiles of what a kernel gives on a series of its own, ``(84, features / 84)``, at the fractional parts of
        multiples of the golden ratio."""
        self.keep(seen=seen)
        golden = (np.sqrt(5) + 1) / 2
        found, taken = [], 0
        for i, (_, count) in enumerate(self.dilations):
            chosen = rng.integers(len(train), size=len(TWOS))
            x, valid = self._channels(*_padded(train, chosen))
            convolved = self._convolved(x, i).diagonal().T.numpy()
            levels = np.arange(taken + 1, taken + 1 + len(TWOS) * count) * golden % 1
            taken += len(TWOS) * count
            lengths = valid.sum((1, 2)).int().tolist()
            found.append([np.quantile(c[:n], q) for c, n, q in zip(convolved, lengths, levels.reshape(-1, count))])
        # Of values that repeat, or a series of one step, a quantile is one of them: rounding must not decide the count.
        biases = np.concatenate(found, axis=1)
        return torch.from_numpy((biases + NUDGE * (1 + np.abs(biases))).astype(np.float32))

    def _features(self, rows: Rows) -> np.ndarray:
        """Of many series, ``(N, features)`` float64."""
        with torch.inference_mode():
            parts = [self.features(*_padded(rows, index)).numpy() for index in _pieces(len(rows))]
        return np.concatenate(parts).astype(np.float64)

    def _solve(self, problem: Problem, features: np.ndarray, rows: Rows) -> tuple[np.ndarray, np.ndarray]:
        """Coefficients ``(outputs, features)`` and intercepts ``(outputs,)``."""
        from sklearn.linear_model import RidgeClassifierCV, RidgeCV

        model: Any = RidgeCV(alphas=ALPHAS) if problem.kind == "mse" else RidgeClassifierCV(alphas=ALPHAS)
        model.fit(features, problem.target(rows), sample_weight=problem.weight(rows, train=True))
        weight, bias = np.atleast_2d(model.coef_), np.atleast_1d(model.intercept_)
        if problem.kind != "multiclass":
            return weight, bias
        if len(weight) == 1:
            # Of two classes it gives the score of the second.
            weight, bias = (np.concatenate([-v / 2, v / 2]) for v in (weight, bias))
        # Of a class that no train row has it knows nothing: its score is that of a row far away.
        whole, shift = np.zeros((problem.n_classes, weight.shape[1])), np.full(problem.n_classes, -1.0)
        whole[model.classes_], shift[model.classes_] = weight, bias
        return whole, shift


def _at_once() -> int:
    """Biases, or channels, that are taken together: an export pays for every operation, and a graph too."""
    return 16 if torch.compiler.is_exporting() else 1


def dilations(n_steps: int, per_kernel: int, most: int) -> list[tuple[int, int]]:
    """Dilations, spread evenly on a scale of powers of 2, and the features that each kernel has at them.

    Args:
        n_steps: of the longest series; the longest kernel is no longer, if that can be.
        per_kernel: features of each kernel.
        most: dilations.
    """
    n = min(per_kernel, most)
    largest = max(0.0, np.log2((max(n_steps, 2) - 1) / (LENGTH - 1)))
    found, counts = np.unique(np.logspace(0, largest, n, base=2).astype(np.int64), return_counts=True)
    counts = (counts * (per_kernel / n)).astype(np.int64)
    # What rounding left goes to the smallest.
    counts[: per_kernel - counts.sum()] += 1
    return list(zip(found.tolist(), counts.tolist()))


def drawn_channels(rng: np.random.Generator, n_dilations: int, d_in: int) -> Tensor:
    """Which channels a kernel sees, ``(dilations, 84, d_in)`` bool: up to nine, few more often than many."""
    seen = np.zeros((n_dilations, len(TWOS), d_in), dtype=bool)
    for of_kernel in seen.reshape(-1, d_in):
        n = int(2 ** rng.uniform(0, np.log2(min(d_in, LENGTH) + 1)))
        of_kernel[rng.choice(d_in, size=n, replace=False)] = True
    return torch.from_numpy(seen)


def sharpness(problem: Problem, score: np.ndarray, rows: Rows) -> float:
    """The factor of scores ``(N, outputs)`` that makes the log loss of some rows the smallest; 1 of a regression.

    Targets are as uncertain as so few rows leave them: a row more of each class is supposed (Platt, 1999). Otherwise no
    factor would be large enough where all rows are right.
    """
    from scipy.optimize import minimize_scalar

    if problem.kind == "mse":
        return 1.0
    target, weight = problem.target(rows), problem.weight(rows, train=False)
    # Of one output, which is the logit of the second of two classes, the other has zero.
    both = np.concatenate([np.zeros_like(score), score], axis=1) if score.shape[1] == 1 else score

    def loss(log_factor: float) -> float:
        logits = both * np.exp(log_factor)
        logits -= logits.max(1, keepdims=True)
        right, all_of_them = logits[np.arange(len(target)), target], logits.sum(1)
        row = np.log(np.exp(logits).sum(1)) - (len(target) * right + all_of_them) / (len(target) + logits.shape[1])
        return float(np.average(row, weights=weight))

    return float(np.exp(minimize_scalar(loss, bounds=np.log(SHARPNESS), method="bounded").x))


def _padded(rows: Rows, index: np.ndarray) -> tuple[Tensor, Tensor, Tensor]:
    """Numbers, codes and mask of some series, side by side."""
    assert rows.spans is not None
    begin, end = torch.from_numpy(rows.spans[index]).unbind(1)
    steps, mask = padded(begin, end - begin)
    return torch.from_numpy(rows.num)[steps], torch.from_numpy(rows.cat)[steps].long(), mask


def _pieces(n: int) -> Iterator[np.ndarray]:
    return (np.arange(start, min(start + BATCH, n)) for start in range(0, n, BATCH))
