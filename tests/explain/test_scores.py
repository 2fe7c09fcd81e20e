"""Scores agree with what decoders say."""

from dataclasses import replace

import torch
from torch.distributions.utils import probs_to_logits

from colonnade.core.spec import BatchSpec
from colonnade.explain.scores import PREDICTED, scores_of
from colonnade.tasks.binary import Binary
from colonnade.tasks.multiclass import Multiclass
from colonnade.tasks.multilabel import Multilabel
from colonnade.tasks.quantile import Quantile
from colonnade.tasks.regression import Regression

MEMBERS = 3


def found(task, **more):
    """Scores, raw outputs of two rows by three members, and what the decoder says."""
    spec = BatchSpec(num_names=("a",), cat_names=(), cardinalities=(), target_kind=task.target_kind.value, **more)
    task.setup(spec)
    spec = replace(spec, out_shape=task.out_shape(spec))
    raw = 3 * torch.randn(2, MEMBERS, *spec.out_shape, generator=torch.Generator().manual_seed(0))
    return scores_of(task, spec), raw, task.decode(raw)


def test_two_classes_are_log_odds_of_the_averaged_probability():
    classes = {"classes": ("no", "yes"), "class_counts": (5, 5), "target_names": ("y",)}
    scores, raw, decoded = found(Binary(), **classes)
    assert scores.names == scores.views == ("yes",)
    torch.testing.assert_close(
        scores.of_raw(raw)[:, 0],
        probs_to_logits(decoded["probability"][:, 1].double(), is_binary=True),
        atol=1e-5,
        rtol=1e-5,
    )
    # No probability is near enough to one to lose what a logit holds.
    assert scores.of_raw(torch.full((1, MEMBERS, 1), 60.0)).item() == 60.0
    assert scores.chosen(scores.of_raw(raw)).tolist() == [[0], [0]]


def test_more_classes_are_centred_log_probabilities_of_the_predicted_one():
    scores, raw, decoded = found(Multiclass(), classes=("a", "b", "c"), class_counts=(5, 5, 5), target_names=("y",))
    logarithm = decoded["probability"].double().log()
    torch.testing.assert_close(scores.of_raw(raw), logarithm - logarithm.mean(1, keepdim=True), atol=1e-5, rtol=1e-5)
    assert scores.views == (PREDICTED,)
    assert scores.chosen(scores.of_raw(raw))[:, 0].tolist() == decoded["label"].tolist()
    one = raw[:, :1]
    torch.testing.assert_close(scores.of_raw(one), (one - one.mean(2, keepdim=True))[:, 0].double(), atol=1e-6, rtol=0)


def test_labels_and_values():
    scores, raw, decoded = found(Multilabel(), target_names=("p", "q"), class_counts=(5, 5))
    expected = probs_to_logits(decoded["probability"].double(), is_binary=True)
    torch.testing.assert_close(scores.of_raw(raw), expected, atol=1e-5, rtol=1e-5)
    assert scores.chosen(scores.of_raw(raw)).tolist() == [[0, 1], [0, 1]]
    numbers = {"target_names": ("p", "q"), "target_mean": (10.0, -1.0), "target_scale": (4.0, 0.5)}
    for task in (Regression(), Quantile(quantiles=(0.1, 0.5, 0.9))):
        scores, raw, decoded = found(task, **numbers)
        torch.testing.assert_close(scores.of_raw(raw), decoded["value"])
        assert scores.views == ("p", "q")
