import math

import pytest
import torch

from colonnade.training import schedules


def torch_rates(make, steps):
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([parameter], lr=1.0)
    scheduler = make(optimizer)
    rates = []
    for _ in range(steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return rates


def test_cosine_is_torchs():
    expected = torch_rates(lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, T_max=50, eta_min=0.1), 50)
    assert [schedules.cosine(i / 50, final=0.1) for i in range(50)] == pytest.approx(expected)


def test_one_cycle_is_torchs():
    def make(optimizer):
        return torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=1.0, total_steps=1001, cycle_momentum=False)

    expected = torch_rates(make, 1000)
    # torch ends its rise one step before the share that it is told.
    assert [schedules.one_cycle(i / 1000) for i in range(1000)] == pytest.approx(expected, abs=4e-3)
    assert schedules.one_cycle(0.0) == pytest.approx(1 / 25)
    assert schedules.one_cycle(0.3) == 1.0
    assert schedules.one_cycle(1.0) == pytest.approx(1 / 250_000)


def test_coslog4_has_four_cycles():
    zeros = [(2**k - 1) / 15 for k in range(5)]
    tops = [(2 ** (k + 0.5) - 1) / 15 for k in range(4)]
    assert [schedules.coslog4(t) for t in zeros] == pytest.approx([0.0] * 5, abs=1e-12)
    assert [schedules.coslog4(t) for t in tops] == pytest.approx([1.0] * 4)


def test_step_drops_on_the_epoch():
    rates = [schedules.step(epoch / 7, drops=7 / 2, gamma=0.5) for epoch in range(7)]
    assert rates == [1.0, 1.0, 0.5, 0.5, 0.25, 0.25, 0.125]


def test_warmup_and_constant():
    assert [schedules.warmup(i, 0) for i in range(3)] == [1.0, 1.0, 1.0]
    assert schedules.constant(0.3) == 1.0
    assert math.isclose(schedules.warmup(1, 4), 0.5)
