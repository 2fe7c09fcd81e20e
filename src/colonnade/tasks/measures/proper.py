"""Measures of probabilities of classes: log loss, Brier score, calibration error."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from colonnade.tasks.measures.rows import Rows, row_mean

N_BINS = 15


def log_loss(rows: Rows) -> Float[Tensor, "1"]:
    """Mean negative logarithm of the probability of the true class, clipped at the float32 epsilon."""
    probability = rows.prediction["probability"]
    true = probability.gather(1, rows.target[:, None]).squeeze(1)
    return row_mean(-_log(true), rows.weight)[None]


def brier(rows: Rows) -> Float[Tensor, "1"]:
    """Mean squared distance of probabilities to the truth (Brier, 1950).

    As in scikit-learn, that of the second class when there are two (0 to 1), else summed over the classes (0 to 2).
    """
    probability = rows.prediction["probability"].to(torch.float64)
    if probability.shape[1] == 2:
        return row_mean((probability[:, 1] - rows.target) ** 2, rows.weight)[None]
    # sum_c (p_c - [c is true])^2, without a one-hot copy of the table
    true = probability.gather(1, rows.target[:, None]).squeeze(1)
    return row_mean(probability.square().sum(1) - 2 * true + 1, rows.weight)[None]


def calibration_error(rows: Rows) -> Float[Tensor, "1"]:
    """Expected calibration error over 15 bins of equal width (Guo et al., 2017, arXiv:1706.04599).

    Confidence is the probability of the second class for two classes, else the largest probability.
    """
    return expected_calibration_error(*confidence(rows.prediction["probability"], rows.target), rows.weight)[None]


def confidence(
    probability: Float[Tensor, "n c"], target: Int[Tensor, "n"]
) -> tuple[Float[Tensor, "n"], Float[Tensor, "n"]]:
    """What is believed of each row, and whether it came true (0 or 1)."""
    if probability.shape[1] == 2:
        return probability[:, 1], target.to(torch.float64)
    top, label = probability.max(1)
    return top, (label == target).to(torch.float64)


def expected_calibration_error(
    believed: Float[Tensor, "n"], came_true: Float[Tensor, "n"], weight: Float[Tensor, "n"] | None
) -> Float[Tensor, ""]:
    """Mean over the rows of the distance, in the bin of the row, between mean belief and frequency."""
    edges = torch.linspace(0, 1, N_BINS + 1, device=believed.device, dtype=believed.dtype)
    bins = (torch.bucketize(believed.contiguous(), edges, right=True) - 1).clamp(0, N_BINS - 1)
    gap = believed.to(torch.float64) - came_true
    if weight is not None:
        gap = gap * weight
    sums = torch.zeros(N_BINS, dtype=torch.float64, device=gap.device).index_add_(0, bins, gap)
    return sums.abs().sum() / (len(gap) if weight is None else weight.sum())


def binary_log_loss(rows: Rows) -> Float[Tensor, "1"]:
    """Log loss of several labels, averaged over the labels."""
    probability, target = rows.prediction["probability"], rows.target
    values = -torch.where(target > 0.5, _log(probability), _log(1 - probability))
    return row_mean(values, rows.weight).mean()[None]


def _log(probability: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Logarithm in float64, finite at zero."""
    return probability.to(torch.float64).clamp_min(torch.finfo(torch.float32).eps).log()
