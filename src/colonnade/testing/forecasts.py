"""What every backbone that forecasts must do inside a network. Each check raises AssertionError and says what went
wrong; see :mod:`colonnade.testing.sequences`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch

from colonnade.core.batch import Batch
from colonnade.core.errors import ConfigError
from colonnade.core.spec import BatchSpec
from colonnade.nn.forecast import ForecastNetwork
from colonnade.testing.networks import check_exported, close, near_under_autocast, seeded, trained_a_little

Build = Callable[[BatchSpec], ForecastNetwork]

CONTEXT = 24
STEPS = 4
"""Ahead, where a network is exported: one that goes on step by step has as many copies in its graph."""


def toy_spec(*, horizon: int = 6, channels: tuple[int, ...] = (2, 0), n_num: int = 3) -> BatchSpec:
    """A specification of windows of 24 steps with numbers and a category."""
    names = tuple(f"num{i}" for i in range(n_num))
    return BatchSpec(
        num_names=names,
        cat_names=("cat0",),
        cardinalities=(4,),
        target_kind="real",
        target_names=tuple(f"{names[c]}+{h + 1}" for h in range(horizon) for c in channels),
        n_train=100,
        out_shape=(horizon * len(channels),),
        n_steps=CONTEXT,
        horizon=horizon,
        channels=channels,
    )


def with_covariates(spec: BatchSpec) -> BatchSpec:
    """The same where the last number and the category are known ahead, and another number is static."""
    names = (*spec.num_names, "weekly", "size")
    return replace(spec, num_names=names, known=("weekly", "cat0"), static=("size",))


def toy_batch(spec: BatchSpec, n_rows: int = 8, *, seed: int = 0) -> Batch:
    """Random windows."""
    generator = torch.Generator().manual_seed(seed)
    return Batch(
        num=torch.randn((n_rows, CONTEXT + spec.ahead, spec.n_num), generator=generator).cumsum(1) / 3,
        cat=torch.randint(0, 4, (n_rows, CONTEXT + spec.ahead, spec.n_cat), generator=generator),
    )


def check_shapes(build: Build) -> None:
    """``raw`` is ``(B, members, horizon * C)``, for one window, one step ahead, and one channel."""
    for horizon, channels in ((6, (2, 0)), (1, (1,)), (30, (0, 1, 2))):
        spec = toy_spec(horizon=horizon, channels=channels)
        network = seeded(build, spec)
        for n_rows in (8, 1):
            network.train(n_rows > 1)
            raw = network(toy_batch(spec, n_rows)).raw
            expected = (n_rows, network.backbone.n_members, horizon * len(channels))
            assert raw.shape == expected, f"raw has the shape {tuple(raw.shape)}: expected {expected}"
            assert raw.isfinite().all(), "a forecast is not finite"


def check_channels(build: Build) -> None:
    """Channels in another order give their forecasts in that order, if the weights are the same."""
    spec, turned = toy_spec(channels=(2, 0)), toy_spec(channels=(0, 2))
    network, other = seeded(build, spec).eval(), seeded(build, turned).eval()
    with torch.no_grad():
        found = network(toy_batch(spec)).raw.unflatten(-1, (6, 2))
        close(other(toy_batch(spec)).raw.unflatten(-1, (6, 2)).flip(-1), found, "channels are mixed up")


def check_several_numbers(build: Build) -> None:
    """Quantiles, and the parameters of a distribution, of each step are finite, and reach every parameter."""
    for roles in ((), ("level", "log_scale", "free")):
        spec = replace(toy_spec(), out_shape=(12, 3), roles=roles)
        network = seeded(build, spec).train()
        raw = network(toy_batch(spec)).raw
        assert raw.shape == (8, network.backbone.n_members, 12, 3), f"raw has the shape {tuple(raw.shape)}"
        raw.square().mean().backward()
        for name, parameter in network.named_parameters():
            assert parameter.grad is not None, f"no gradient reaches {name} where a step has several numbers"
            assert parameter.grad.isfinite().all(), f"the gradient of {name} is not finite"


def check_rows_independent(build: Build) -> None:
    """In evaluation the forecast of a window does not depend on the others of the batch, nor on its place."""
    spec = toy_spec()
    network = _trained_a_little(build, spec)
    batch = toy_batch(spec)
    order = torch.randperm(len(batch), generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        whole = network(batch).raw
        close(network(batch.take(order)).raw, whole[order], "windows in another order differ")
        close(network(batch.rows(5, 6)).raw, whole[5:6], "a window alone gives another forecast")


def check_constant(build: Build) -> None:
    """Windows without any change give finite forecasts, and gradients."""
    spec = toy_spec()
    network = seeded(build, spec)
    batch = toy_batch(spec)
    raw = network(Batch(num=torch.full_like(batch.num, 3.0), cat=batch.cat)).raw
    assert raw.isfinite().all(), "a constant window gives a forecast that is not finite"
    raw.square().mean().backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in network.parameters()), "its gradient is not finite"


def check_gradients(build: Build) -> None:
    """Every parameter gets a finite gradient that is not zero throughout."""
    network = seeded(build, toy_spec()).train()
    network(toy_batch(toy_spec(), 64)).raw.square().mean().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, f"no gradient reaches {name}"
        assert parameter.grad.isfinite().all(), f"the gradient of {name} is not finite"
        assert parameter.grad.any(), f"the gradient of {name} is zero"


def check_state_round_trip(build: Build) -> None:
    """A network rebuilt from the stored specification takes the state and gives the same forecasts."""
    spec = toy_spec()
    network = _trained_a_little(build, spec)
    rebuilt = seeded(build, BatchSpec.from_dict(spec.to_dict()), seed=9)
    rebuilt.load_state_dict(network.state_dict())
    batch = toy_batch(spec)
    assert torch.equal(rebuilt.eval()(batch).raw, network(batch).raw), "a reloaded network gives other forecasts"


def check_autocast(build: Build) -> None:
    """Training under bfloat16 autocast runs, and comes near to float32."""
    spec = toy_spec()
    near_under_autocast(_trained_a_little(build, spec), toy_batch(spec))


def check_export(build: Build) -> None:
    """The network exports to ONNX, with a free number of windows.

    It takes seconds, and is not among :data:`CHECKS`.
    """
    spec = toy_spec(horizon=STEPS)
    check_exported(_trained_a_little(build, spec), toy_batch(spec, 3), [toy_batch(spec, n, seed=n) for n in (1, 2, 7)])


def check_covariates(build: Build) -> None:
    """What is known ahead, and what is static, reach the forecast, and every parameter; nothing else of the steps ahead
    does. A backbone that does not look ahead is refused."""
    spec = with_covariates(toy_spec())
    try:
        network = seeded(build, spec).train()
    except ConfigError:
        return
    network(toy_batch(spec, 64)).raw.square().mean().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, f"no gradient reaches {name} beside covariates"
        assert parameter.grad.any(), f"the gradient of {name} is zero beside covariates"
    network = _trained_a_little(build, spec)
    batch = toy_batch(spec)
    with torch.no_grad():
        found = network(batch).raw
        hidden, told, size = batch.num.clone(), batch.num.clone(), batch.num.clone()
        unknown = [i for i, name in enumerate(spec.num_names) if name not in spec.known]
        hidden[:, CONTEXT:, unknown] = 1e3
        close(network(replace(batch, num=hidden)).raw, found, "a step ahead is looked at that nobody knows")
        told[:, CONTEXT:, spec.num_names.index("weekly")] += 1
        size[..., spec.num_names.index("size")] += 1
        cat = torch.cat([batch.cat[:, :CONTEXT], (batch.cat[:, CONTEXT:] + 1) % 4], dim=1)
        for what, other in (("number", {"num": told}), ("category", {"cat": cat}), ("static column", {"num": size})):
            assert not torch.equal(network(replace(batch, **other)).raw, found), f"a known {what} is not looked at"


def check_covariates_export(build: Build) -> None:
    """The same network exports. It takes seconds, and is not among :data:`CHECKS`."""
    spec = with_covariates(toy_spec(horizon=STEPS))
    check_exported(_trained_a_little(build, spec), toy_batch(spec, 3), [toy_batch(spec, n, seed=n) for n in (1, 7)])


CHECKS = (
    check_shapes,
    check_channels,
    check_several_numbers,
    check_rows_independent,
    check_constant,
    check_covariates,
    check_gradients,
    check_state_round_trip,
    check_autocast,
)


def _trained_a_little(build: Build, spec: BatchSpec) -> ForecastNetwork:
    return trained_a_little(seeded(build, spec), (toy_batch(spec, 32, seed=seed) for seed in range(3)))
