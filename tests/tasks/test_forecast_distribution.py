"""Distribution forecasts: likelihood, mean and quantiles are those of SciPy."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import stats

from colonnade.core.errors import ConfigError
from colonnade.tasks.distributions import DISTRIBUTIONS
from colonnade.tasks.forecast_distribution import ForecastDistribution

from .test_forecast import ready, spec_of

LEVELS = (0.01, 0.1, 0.5, 0.75, 0.99)
SOFTPLUS = torch.nn.functional.softplus


def frozen(name, raw, mean, scale):
    """The distribution by SciPy: of the standardised value, or of the count."""
    raw = raw.double()
    if name == "gaussian":
        return stats.norm(raw[..., 0], raw[..., 1].exp())
    if name == "student_t":
        return stats.t(2 + SOFTPLUS(raw[..., 2]), raw[..., 0], raw[..., 1].exp())
    m, r = scale * SOFTPLUS(raw[..., 0] + mean / scale), (-raw[..., 1]).exp()
    return stats.nbinom(r, r / (r + m))


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_likelihood_mean_and_quantiles_are_those_of_scipy(name):
    distribution = DISTRIBUTIONS[name]()
    generator = torch.Generator().manual_seed(0)
    mean, scale = torch.tensor([30.0, 4.0], dtype=torch.float64), torch.tensor([20.0, 3.0], dtype=torch.float64)
    raw = torch.randn(200, 2, len(distribution.roles), generator=generator)
    y = (torch.rand(200, 2, generator=generator).double() * 60).round()
    z = ((y - mean) / scale).float()
    reference = frozen(name, raw, mean, scale)
    counts = name == "negative_binomial"
    expected = -(reference.logpmf(y) if counts else reference.logpdf(z.double()))
    np.testing.assert_allclose(distribution.nll(raw, z, mean, scale), expected, rtol=2e-5, atol=2e-5)
    one, zero = (1.0, 0.0) if counts else (scale.numpy(), mean.numpy())
    np.testing.assert_allclose(distribution.mean(raw.double(), mean, scale), reference.mean() * one + zero, rtol=1e-9)
    found = distribution.quantiles(raw.double(), mean, scale, LEVELS)
    for q, level in enumerate(LEVELS):
        np.testing.assert_allclose(found[..., q], reference.ppf(level) * one + zero, rtol=1e-5, atol=1e-5)


def test_students_quantiles_are_right_from_two_degrees_of_freedom_to_the_normal_ones():
    df = 2 + torch.logspace(-3, 6, 40, dtype=torch.float64)
    extra = df - 2
    raw = torch.stack([torch.zeros(40), torch.zeros(40), (extra.expm1().log()).where(extra < 30, extra)], dim=-1)
    unit = torch.ones(1, dtype=torch.float64)
    found = DISTRIBUTIONS["student_t"]().quantiles(raw.double(), 0 * unit, unit, (0.001, 0.05, 0.25, 0.9))
    expected = stats.t.ppf([[0.001, 0.05, 0.25, 0.9]], df.numpy()[:, None])
    np.testing.assert_allclose(found, expected, rtol=2e-5, atol=1e-6)


def test_the_loss_is_the_mean_likelihood_over_steps_and_members():
    task = ready(ForecastDistribution)
    raw, target = torch.randn(5, 3, 6, 2), torch.randn(5, 6)
    expected = -stats.norm.logpdf(target[:, None], raw[..., 0], raw[..., 1].exp())
    np.testing.assert_allclose(task.row_loss(raw, target), expected.mean((1, 2)), rtol=1e-5)


def test_the_pinball_loss_of_many_quantiles_is_half_the_crps_of_a_normal_distribution():
    """CRPS in closed form: Gneiting and Raftery, 2007."""
    levels = tuple(np.arange(1, 400) / 400)
    task = ready(ForecastDistribution, quantiles=levels)
    raw, target = torch.randn(40, 1, 6, 2) / 2, torch.randn(40, 6)
    mu, sigma = raw[:, 0, :, 0].double().numpy(), raw[:, 0, :, 1].double().exp().numpy()
    w = (target.double().numpy() - mu) / sigma
    crps = sigma * (w * (2 * stats.norm.cdf(w) - 1) + 2 * stats.norm.pdf(w) - 1 / np.sqrt(np.pi))
    found = task.metrics(task.decode(raw), target, None)
    assert 2 * found["pinball_loss"] == pytest.approx(crps.mean(), rel=5e-3)
    # And over the mean size of what came, value by value.
    size = task.truth(target).abs().view(40, 3, 2).mean((0, 1)).numpy()
    wql = crps.reshape(40, 3, 2).mean((0, 1)) * [10.0, 0.5] / size
    assert found["wql"] == pytest.approx(wql.mean(), rel=5e-3)


def test_extreme_outputs_stay_finite():
    for name in DISTRIBUTIONS:
        task = ForecastDistribution(distribution=name)
        task.setup(replace(spec_of(counts=True), target_mean=(100.0, 4.0) * 3, target_scale=(10.0, 1.0) * 3))
        for size in (0.0, 200.0, -200.0):
            raw = torch.full((2, 1, 6, len(task.roles)), size, requires_grad=True)
            task.row_loss(raw, torch.ones(2, 6)).sum().backward()
            assert raw.grad.isfinite().all(), (name, size)
            assert all(value.isfinite().all() for value in task.decode(raw.detach()).values())


def test_counts_are_asked_for():
    task = ForecastDistribution(distribution="negative_binomial")
    with pytest.raises(
        ConfigError,
        match=r"negative_binomial is one of counts, 0, 1, 2, ..., which not all steps of a, b are: "
        r"task.distribution=gaussian or student_t",
    ):
        task.setup(spec_of())
    task.setup(replace(spec_of(), counts=True))
    with pytest.raises(ConfigError, match="quantiles of counts are searched for, and have no graph to export"):
        task.decoder(task.spec).check_graph()


def test_an_unknown_distribution_is_named():
    with pytest.raises(ValueError, match=r"distribution=gausian must be one of gaussian, .*gaussian"):
        ForecastDistribution(distribution="gausian")
