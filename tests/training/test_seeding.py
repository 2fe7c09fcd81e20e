import torch

from colonnade.training.seeding import reseed, step_seed


def test_seeds_differ_in_their_low_bits():
    places = [(s, e, i, r) for s in range(3) for e in range(5) for i in range(20) for r in range(3)]
    assert len({step_seed(*place) & 0xFFFFFFFF for place in places}) == len(places)
    assert all(0 <= step_seed(*place) < 2**63 for place in places)


def test_reseed_fixes_the_draws():
    cpu = torch.device("cpu")
    reseed(cpu, 5)
    first = torch.rand(3)
    torch.rand(7)
    reseed(cpu, 5)
    assert torch.equal(first, torch.rand(3))
