"""Type and time of the next event: likelihoods and quantiles against SciPy, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import stats

from colonnade.core.errors import ConfigError, DataError
from colonnade.core.schema import TargetKind
from colonnade.tasks.next_event import NextEvent
from colonnade.tasks.times import LEAST_TIME
from colonnade.testing.tasks import CHECKS, example_raw, example_spec, example_target, ready

# The log-normal's are run with all tasks; nothing makes an exponential certain.
OTHERS = [check for check in CHECKS if check.__name__ != "check_perfect"]


@pytest.mark.parametrize("check", OTHERS, ids=lambda check: check.__name__)
def test_contract_of_exponential_times(check):
    check(ready(NextEvent(time="exponential")))


def distribution(time, parameters, scale):
    """SciPy's, of times in their unit."""
    if time == "exponential":
        return stats.expon(scale=scale * np.exp(-parameters[:, 0]))
    mean, deviation = parameters[:, 0], np.exp(parameters[:, 1])
    return stats.lognorm(s=deviation, scale=scale * np.exp(mean), loc=-scale * LEAST_TIME)


@pytest.mark.parametrize("time", ["log_normal", "exponential"])
def test_loss_and_measure_are_the_likelihood_of_type_and_time(time):
    task = ready(NextEvent(time=time))
    raw, target = example_raw(task, members=1).double(), example_target(task).double()
    n, scale = len(task.spec.classes), task.spec.target_scale[0]
    logits, parameters = raw[:, 0, :n].numpy(), raw[:, 0, n:].numpy()
    kind, truth = target[:, 0].long().numpy(), target[:, 1].numpy() * scale
    of_type = np.log(np.exp(logits).sum(1)) - logits[np.arange(len(kind)), kind]
    of_time = -distribution(time, parameters, scale).logpdf(truth)
    np.testing.assert_allclose(task.row_loss(raw, target), of_type + of_time, rtol=1e-6)
    found = task.metrics(task.decode(raw), target, None)
    assert found["nll"] == pytest.approx((of_type + of_time).mean(), rel=1e-5)
    assert found["log_loss"] == pytest.approx(of_type.mean(), rel=1e-5)
    prediction = task.decode(raw)
    for i, level in enumerate(task.quantiles):
        expected = np.maximum(distribution(time, parameters, scale).ppf(level), 0)
        np.testing.assert_allclose(prediction["quantile"][:, 0, i], expected, rtol=1e-5)
    assert found["mae"] == pytest.approx(np.abs(prediction["value"][:, 0].numpy() - truth).mean())
    assert found["accuracy"] == (logits.argmax(1) == kind).mean()


def test_the_likelihood_of_several_members_is_that_of_their_mixture():
    task = ready(NextEvent())
    raw, target = example_raw(task, members=3).double(), example_target(task).double()
    n, scale = len(task.spec.classes), task.spec.target_scale[0]
    truth = target[:, 1].numpy() * scale
    density = np.mean([distribution("log_normal", raw[:, m, n:].numpy(), scale).pdf(truth) for m in range(3)], axis=0)
    found = task.metrics(task.decode(raw), target, None)
    assert found["nll"] - found["log_loss"] == pytest.approx(-np.log(density).mean(), rel=1e-6)
    # Of several runs nothing but what they have in common is known.
    alone = {name: values for name, values in task.decode(raw).items() if name != "density"}
    assert np.isnan(task.metrics(alone, target, None)["nll"])


def test_events_of_one_instant_have_a_likelihood():
    task = ready(NextEvent())
    target = example_target(task)
    target[:, 1] = 0.0
    assert task.row_loss(example_raw(task), target).isfinite().all()
    assert task.metrics(task.decode(example_raw(task)), target, None)["mae"] >= 0


def test_what_is_no_event_is_refused():
    with pytest.raises(ValueError, match="time=lognormal must be one of log_normal, exponential; did you mean"):
        NextEvent(time="lognormal")
    spec = example_spec(TargetKind.EVENT)
    with pytest.raises(ConfigError, match="task=next_event learns from what came before an event: data=steps"):
        NextEvent().setup(replace(spec, n_steps=None))
    with pytest.raises(ConfigError, match="but 'target 0' is of kind 'class': use task=binary or task=multiclass"):
        NextEvent().setup(replace(example_spec(TargetKind.CLASS), n_steps=4))
    task = ready(NextEvent())
    target = torch.tensor([[0.0, -1.0], [1.0, 2.0]])
    with pytest.raises(DataError, match="target 'target 1' is negative, NaN or infinite in 1 of 2 rows"):
        task.truth(target)
