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
from colonnade.tasks.times import LEAST_TIME, NARROWEST
from colonnade.testing.tasks import CHECKS, example_raw, example_spec, example_target, ready

# The log-normal's are run with all tasks; nothing makes an exponential certain.
OTHERS = [check for check in CHECKS if check.__name__ != "check_perfect"]


@pytest.mark.parametrize("options", [{"time": "exponential"}, {"components": 3}], ids=str)
@pytest.mark.parametrize("check", OTHERS, ids=lambda check: check.__name__)
def test_contract_of_other_times(check, options):
    check(ready(NextEvent(**options)))


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


def test_a_mixture_is_that_of_its_log_normals():
    """Densities against SciPy's, quantiles against the root of their mean."""
    task = ready(NextEvent(components=3))
    raw, target = example_raw(task, members=1).double(), example_target(task).double()
    n, scale = len(task.spec.classes), task.spec.target_scale[0]
    logit, mean, log_scale = raw[:, 0, n:].numpy().reshape(-1, 3, 3).transpose(1, 0, 2)
    weight, deviation = np.exp(logit) / np.exp(logit).sum(1, keepdims=True), np.exp(log_scale.clip(NARROWEST))
    parts = stats.lognorm(s=deviation, scale=scale * np.exp(mean), loc=-scale * LEAST_TIME)
    truth = target[:, 1:].numpy() * scale
    found = task.metrics(task.decode(raw), target, None)
    density = (weight * parts.pdf(truth)).sum(1)
    assert found["nll"] - found["log_loss"] == pytest.approx(-np.log(density).mean(), rel=1e-5)
    prediction = task.decode(raw)
    for i, level in enumerate(task.quantiles):
        quantile = prediction["quantile"][:, :1, i].numpy()
        share = (weight * parts.cdf(quantile)).sum(1)
        # A quantile below 0 is 0.
        assert (share[quantile[:, 0] == 0] >= level).all()
        np.testing.assert_allclose(share[quantile[:, 0] > 0], level, atol=1e-6)
    # Without components that differ it is the log-normal.
    alike, one = ready(NextEvent(components=3)), ready(NextEvent())
    single = example_raw(one, members=1).double()
    single[..., n + 1 :] = single[..., n + 1 :].clamp_min(-2)
    of_three = torch.cat(
        [single[..., :n], torch.zeros(len(single), 1, 3), single[..., n:].repeat_interleave(3, dim=-1)], dim=-1
    )
    np.testing.assert_allclose(alike.row_loss(of_three, target), one.row_loss(single, target), rtol=1e-9)
    np.testing.assert_allclose(alike.decode(of_three)["quantile"], one.decode(single)["quantile"], rtol=1e-5, atol=1e-9)


def test_no_component_is_so_narrow_that_the_likelihood_of_one_instant_grows_without_end():
    task = ready(NextEvent(components=2))
    target = example_target(task)
    target[:, 1] = 0.0
    n = len(task.spec.classes)
    raw = torch.zeros(len(target), 1, n + 6)
    raw[..., n + 2 : n + 4] = float(np.log(LEAST_TIME))
    raw[..., n + 4 :] = NARROWEST
    narrower = raw.clone()
    narrower[..., n + 4 :] = -9.0
    torch.testing.assert_close(task.row_loss(raw, target), task.row_loss(narrower, target))


def test_events_of_one_instant_have_a_likelihood():
    task = ready(NextEvent())
    target = example_target(task)
    target[:, 1] = 0.0
    assert task.row_loss(example_raw(task), target).isfinite().all()
    assert task.metrics(task.decode(example_raw(task)), target, None)["mae"] >= 0


def test_what_is_no_event_is_refused():
    with pytest.raises(ValueError, match="time=lognormal must be one of log_normal, exponential; did you mean"):
        NextEvent(time="lognormal")
    for options in ({"components": 0}, {"components": 2, "time": "exponential"}):
        with pytest.raises(ValueError, match="components=. must be 1, or more with time=log_normal"):
            NextEvent(**options)
    spec = example_spec(TargetKind.EVENT)
    with pytest.raises(ConfigError, match="task=next_event learns from what came before an event: data=steps"):
        NextEvent().setup(replace(spec, n_steps=None))
    with pytest.raises(ConfigError, match="but 'target 0' is of kind 'class': use task=binary or task=multiclass"):
        NextEvent().setup(replace(example_spec(TargetKind.CLASS), n_steps=4))
    task = ready(NextEvent())
    target = torch.tensor([[0.0, -1.0], [1.0, 2.0]])
    with pytest.raises(DataError, match="target 'target 1' is negative, NaN or infinite in 1 of 2 rows"):
        task.truth(target)
