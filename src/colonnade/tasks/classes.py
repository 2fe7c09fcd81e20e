"""What the tasks with classes share: weights of classes, smoothing, and the check of class indices."""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from colonnade.core.errors import ConfigError, DataError
from colonnade.core.spec import BatchSpec
from colonnade.tasks.measures.rows import refuse_rows

ClassWeight = str | Sequence[float | int] | None


def check_options(class_weight: ClassWeight, label_smoothing: float | None) -> None:
    """Refuse weights and smoothing that make no sense.

    Raises:
        ValueError: naming the argument, its value and its range.
    """
    if isinstance(class_weight, str):
        if class_weight not in ("none", "balanced"):
            raise ValueError(f"class_weight='{class_weight}' must be none, balanced, or a list of positive numbers")
    elif class_weight is not None and not all(w > 0 for w in class_weight):
        raise ValueError(f"class_weight={list(class_weight)} must hold positive numbers")
    if label_smoothing is not None and not 0 <= label_smoothing < 1:
        raise ValueError(f"label_smoothing={label_smoothing} must lie in [0, 1)")


def class_weights(class_weight: ClassWeight, spec: BatchSpec) -> Float[Tensor, "c"] | None:
    """Weight of each class, or None where all are one.

    ``balanced`` is ``n_train / (n_classes * count)``, as in scikit-learn, so that every class weighs the same in total.

    Raises:
        ConfigError: a list that has not one number for each class.
    """
    if class_weight is None or class_weight == "none":
        return None
    counts = torch.tensor(spec.class_counts, dtype=torch.float32)
    if isinstance(class_weight, str):
        return counts.sum() / (len(counts) * counts.clamp_min(1))
    if len(class_weight) != len(spec.classes):
        classes = ", ".join(spec.classes)
        raise ConfigError(
            f"task.class_weight has {len(class_weight)} numbers for {len(spec.classes)} classes: "
            f"give one for each, in this order: {classes}"
        )
    return torch.tensor([float(w) for w in class_weight])


def check_classes(spec: BatchSpec) -> None:
    """Refuse a target with a single class.

    Raises:
        DataError: naming the target and the class.
    """
    if len(spec.classes) < 2:
        found = f"only the class '{spec.classes[0]}'" if spec.classes else "no class"
        raise DataError(
            f"target '{spec.target_names[0]}' has {found} in the train rows: nothing can be learned from it"
        )


def class_index(target: Shaped[Tensor, "n"], spec: BatchSpec) -> Int[Tensor, "n"]:
    """The target as it is, after a check.

    Raises:
        DataError: an index is negative or has no class.
    """
    n = len(spec.classes)
    what = f"target '{spec.target_names[0]}' has a class index outside 0 to {n - 1}"
    refuse_rows((target < 0) | (target >= n), DataError, what)
    return target
