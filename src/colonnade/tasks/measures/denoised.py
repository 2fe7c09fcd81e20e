"""Measures of reconstructed columns; entries that were not asked for count for nothing."""

import torch
from jaxtyping import Float
from torch import Tensor

from colonnade.tasks.measures.rows import Rows


def mse(rows: Rows) -> Float[Tensor, "1"]:
    """Squared error of the numbers that were asked for, in encoded units, averaged over the columns."""
    return squared_errors(rows).nanmean().reshape(1)


def r2(rows: Rows) -> Float[Tensor, "1"]:
    """One minus squared error over variance, averaged over the columns of numbers that vary."""
    return explained(rows).nanmean().reshape(1)


def accuracy(rows: Rows) -> Float[Tensor, "1"]:
    """Share of the codes that were asked for and found, averaged over the columns."""
    return hits(rows).nanmean().reshape(1)


def mask_accuracy(rows: Rows) -> Float[Tensor, "1"]:
    """Share of all entries of which it is known whether they were spoiled."""
    found = rows.prediction["mask"]
    right = (found > 0.5) == (rows.target[:, found.shape[1] :] > 0.5)
    return _mean(right, torch.ones_like(right), rows.weight).mean().reshape(1)


def squared_errors(rows: Rows) -> Float[Tensor, "f"]:
    """Mean squared error of each column of numbers, NaN where no row was asked."""
    value = rows.prediction["value"].double()
    truth = rows.target[:, : value.shape[1]].double()
    return _mean((value - truth).square(), ~truth.isnan(), rows.weight)


def explained(rows: Rows) -> Float[Tensor, "f"]:
    """One minus squared error over variance of each column of numbers, NaN where it does not vary."""
    truth = rows.target[:, : rows.prediction["value"].shape[1]].double()
    asked = ~truth.isnan()
    variance = _mean((truth - _mean(truth, asked, rows.weight)).square(), asked, rows.weight)
    return torch.where(variance > 0, 1 - squared_errors(rows) / variance, torch.nan)


def hits(rows: Rows) -> Float[Tensor, "k"]:
    """Share of the codes of each column of categories that were found, NaN where no row was asked."""
    code = rows.prediction["code"]
    first = rows.prediction["value"].shape[1]
    truth = rows.target[:, first : first + code.shape[1]]
    return _mean(code == truth, ~truth.isnan(), rows.weight)


def commonest(rows: Rows) -> Float[Tensor, "k"]:
    """Share of the commonest code of each column of categories: what there is to find without looking."""
    first = rows.prediction["value"].shape[1]
    truth = rows.target[:, first : first + rows.prediction["code"].shape[1]]
    found = [torch.unique(column[~column.isnan()], return_counts=True)[1] for column in truth.T]
    shares = [float(n.max() / n.sum()) if len(n) else torch.nan for n in found]
    return torch.tensor(shares, dtype=torch.float64)


def _mean(values: Tensor, asked: Tensor, weight: Tensor | None) -> Tensor:
    """Mean of each column over the entries that were asked for, float64."""
    share = asked.double() if weight is None else asked * weight[:, None]
    return (values.double().nan_to_num() * share).sum(0) / share.sum(0)
