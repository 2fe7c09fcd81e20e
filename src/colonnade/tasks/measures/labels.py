"""Measures of decided classes and of rankings. TorchMetrics measures rows of equal weight, scikit-learn weighted ones.

Means over classes run over the classes that can be measured: those present in the target; for the F1 score of several
classes, those present in target or prediction. With nothing to measure the value is NaN, where the libraries say 0.
"""

from typing import TYPE_CHECKING

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from colonnade.tasks.measures.rows import Rows, row_mean

if TYPE_CHECKING:
    import numpy as np


def accuracy(rows: Rows) -> Float[Tensor, "1"]:
    """Share of right decisions; of several labels, over rows and labels (one minus the Hamming loss)."""
    return row_mean(rows.prediction["label"] == rows.target, rows.weight).mean()[None]


def exact_match(rows: Rows) -> Float[Tensor, "1"]:
    """Share of the rows in which every label is right."""
    return row_mean((rows.prediction["label"] == rows.target).all(1), rows.weight)[None]


def balanced_accuracy(rows: Rows) -> Float[Tensor, "1"]:
    """Mean recall of the classes; NaN when the target shows fewer than two."""
    label, target = rows.prediction["label"], rows.target
    present = target.unique()
    if len(present) < 2:
        return _undefined()
    if rows.weight is None:
        from torchmetrics.functional.classification import multiclass_recall

        n = rows.prediction["probability"].shape[1]
        return multiclass_recall(label, target, num_classes=n, average="none", validate_args=False)[present].mean()[
            None
        ]
    from sklearn.metrics import recall_score

    labels = _array(present)
    return _value(
        recall_score(_array(target), _array(label), labels=labels, average="macro", sample_weight=_array(rows.weight))
    )


def f1_binary(rows: Rows) -> Float[Tensor, "1"]:
    """F1 score of the second class; NaN when no row has it."""
    return _f1_macro(rows.prediction["label"][:, None], rows.target[:, None], rows.weight)


def f1_multiclass(rows: Rows) -> Float[Tensor, "1"]:
    """F1 score of each class, averaged over the classes that occur in target or prediction."""
    label, target = rows.prediction["label"], rows.target
    if rows.weight is None:
        from torchmetrics.functional.classification import multiclass_f1_score

        n = rows.prediction["probability"].shape[1]
        return multiclass_f1_score(label, target, num_classes=n, average="macro", validate_args=False)[None]
    from sklearn.metrics import f1_score

    weight = _array(rows.weight)
    return _value(f1_score(_array(target), _array(label), average="macro", sample_weight=weight, zero_division=0.0))


def f1_macro(rows: Rows) -> Float[Tensor, "1"]:
    """F1 score of each label, averaged over the labels that some row has."""
    return _f1_macro(rows.prediction["label"], rows.target.long(), rows.weight)


def f1_micro(rows: Rows) -> Float[Tensor, "1"]:
    """F1 score of all labels taken together; NaN when no row has any."""
    return _f1_macro(rows.prediction["label"].reshape(-1, 1), rows.target.long().reshape(-1, 1), _spread(rows))


def auroc_binary(rows: Rows) -> Float[Tensor, "1"]:
    """Area under the receiver operating characteristic; NaN with one class."""
    return _auroc_macro(rows.prediction["probability"][:, 1:], rows.target[:, None], rows.weight)


def auroc_multiclass(rows: Rows) -> Float[Tensor, "1"]:
    """Area under the ROC curve of each class against the rest, averaged over the classes in the target."""
    present = rows.target.unique()
    one_hot = (rows.target[:, None] == present).long()
    return _auroc_macro(rows.prediction["probability"][:, present], one_hot, rows.weight)


def auroc_multilabel(rows: Rows) -> Float[Tensor, "1"]:
    """Area under the ROC curve of each label, averaged over the labels that some rows have and some have not."""
    return _auroc_macro(rows.prediction["probability"], rows.target.long(), rows.weight)


def average_precision(rows: Rows) -> Float[Tensor, "1"]:
    """Area under the precision-recall curve of the second class, as a step function; NaN with one class."""
    probability, target = rows.prediction["probability"][:, 1], rows.target
    if len(target.unique()) < 2:
        return _undefined()
    if rows.weight is None:
        from torchmetrics.functional.classification import binary_average_precision

        return binary_average_precision(probability, target, validate_args=False).double()[None]
    from sklearn.metrics import average_precision_score

    weight = _array(rows.weight)
    return _value(average_precision_score(_array(target), _array(probability), sample_weight=weight))


def _f1_macro(
    label: Int[Tensor, "n l"], target: Int[Tensor, "n l"], weight: Float[Tensor, "n"] | None
) -> Float[Tensor, "1"]:
    """F1 score of each 0/1 column with a positive row, averaged."""
    present = target.any(0)
    if not present.any():
        return _undefined()
    label, target = label[:, present], target[:, present]
    if weight is None:
        from torchmetrics.functional.classification import multilabel_f1_score

        n = target.shape[1]
        return multilabel_f1_score(label, target, num_labels=n, average="macro", validate_args=False).double()[None]
    from sklearn.metrics import f1_score

    # Column by column, since scikit-learn reads a single column as classes rather than as one label.
    scores = [f1_score(_array(y), _array(p), sample_weight=_array(weight)) for y, p in zip(target.T, label.T)]
    return _value(sum(scores) / len(scores))


def _auroc_macro(
    probability: Float[Tensor, "n l"], target: Int[Tensor, "n l"], weight: Float[Tensor, "n"] | None
) -> Float[Tensor, "1"]:
    """Area under the ROC curve of each 0/1 column that shows both values, averaged."""
    both = target.any(0) & ~target.all(0)
    if not both.any():
        return _undefined()
    probability, target = probability[:, both], target[:, both]
    n = target.shape[1]
    if weight is None:
        from torchmetrics.functional.classification import binary_auroc, multilabel_auroc

        if n == 1:
            return binary_auroc(probability[:, 0], target[:, 0], validate_args=False).double()[None]
        return multilabel_auroc(probability, target, num_labels=n, validate_args=False).double()[None]
    from sklearn.metrics import roc_auc_score

    scores = [
        roc_auc_score(_array(y), _array(p), sample_weight=_array(weight)) for y, p in zip(target.T, probability.T)
    ]
    return _value(sum(scores) / n)


def _spread(rows: Rows) -> Float[Tensor, "m"] | None:
    """The weight of each row for each of its labels."""
    return None if rows.weight is None else rows.weight.repeat_interleave(rows.target.shape[1])


def _array(tensor: Shaped[Tensor, "*shape"]) -> "np.ndarray":
    return tensor.cpu().numpy()


def _value(number: float) -> Float[Tensor, "1"]:
    return torch.tensor([number], dtype=torch.float64)


def _undefined() -> Float[Tensor, "1"]:
    return _value(float("nan"))
