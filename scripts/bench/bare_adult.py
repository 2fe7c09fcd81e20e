"""The bare script that a short job is compared with: Adult from its files, an MLP 3x256, a few epochs, test metrics.

Nothing but polars, torch and one metric; one gather per batch; no framework.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import polars as pl
import torch
from torch import Tensor, nn
from torch.nn import functional as F

NUMERIC = (0, 2, 4, 10, 11, 12)


def read(folder: Path) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The two official files."""
    frames = []
    for name, skip in (("adult.data.gz", 0), ("adult.test.gz", 1)):
        frame = pl.read_csv(folder / name, has_header=False, skip_rows=skip, infer_schema_length=0)
        frame.columns = [*map(str, range(14)), "income"]
        frame = frame.select(pl.all().str.strip_chars()).filter(pl.col("income").is_not_null())
        frames.append(frame.with_columns(pl.col("income").str.strip_suffix(".")))
    return frames[0], frames[1]


def encode(train: pl.DataFrame, test: pl.DataFrame) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Standardised numbers and one-hot categories, fitted on the train rows."""
    both = pl.concat([train, test])
    blocks = []
    for i, name in enumerate(both.columns[:-1]):
        if i in NUMERIC:
            values = both[name].cast(pl.Float32).to_torch()
            head = values[: train.height]
            blocks.append(((values - head.mean()) / head.std())[:, None])
        else:
            codes = both[name].cast(pl.Categorical).to_physical().cast(pl.Int64).to_torch()
            blocks.append(F.one_hot(codes).float())
    x = torch.cat(blocks, 1)
    y = torch.from_numpy((both["income"] == ">50K").to_numpy().astype(np.float32))
    return x[: train.height], y[: train.height], x[train.height :], y[train.height :]


def auc(score: Tensor, y: Tensor) -> float:
    """Area under the ROC curve by ranks."""
    order = score.argsort()
    ranks = torch.empty_like(score)
    ranks[order] = torch.arange(1, len(score) + 1, dtype=score.dtype)
    positive = y.sum()
    return float((ranks[y == 1].sum() - positive * (positive + 1) / 2) / (positive * (len(y) - positive)))


def main(folder: str, epochs: int) -> None:
    """Train and print the test metrics."""
    torch.manual_seed(0)
    x, y, x_test, y_test = encode(*read(Path(folder)))
    cut = int(len(x) * 0.8)
    order = torch.randperm(len(x))
    train, val = order[:cut], order[cut:]
    net = nn.Sequential(
        nn.Linear(x.shape[1], 256), nn.ReLU(), nn.Dropout(0.1),
        nn.Linear(256, 256), nn.ReLU(), nn.Dropout(0.1),
        nn.Linear(256, 256), nn.ReLU(), nn.Dropout(0.1), nn.Linear(256, 1),
    )  # fmt: skip
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-3, fused=True)
    for _ in range(epochs):
        net.train()
        for rows in train[torch.randperm(len(train))].split(256):
            loss = F.binary_cross_entropy_with_logits(net(x.index_select(0, rows))[:, 0], y.index_select(0, rows))
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
        net.eval()
        with torch.inference_mode():
            F.binary_cross_entropy_with_logits(net(x[val])[:, 0], y[val])
    with torch.inference_mode():
        score = net(x_test)[:, 0]
    print(f"accuracy {((score > 0).float() == y_test).float().mean():.4f} auroc {auc(score.double(), y_test):.4f}")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
