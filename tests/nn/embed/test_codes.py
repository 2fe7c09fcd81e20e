import torch

from colonnade.nn.embed.codes import MISSING, UNKNOWN, HideLevels, offsets


def test_hides_known_levels_at_the_rate():
    torch.manual_seed(0)
    codes = torch.tensor([0, 1, 2, 7]).repeat(20_000, 1)
    hidden = HideLevels(0.1).train()(codes)
    assert (hidden[:, 0] == MISSING).all()
    assert (hidden[:, 1] == UNKNOWN).all()
    for column, level in ((2, 2), (3, 7)):
        assert set(hidden[:, column].tolist()) == {UNKNOWN, level}
        assert abs((hidden[:, column] == UNKNOWN).double().mean() - 0.1) < 0.01


def test_offsets():
    assert offsets((3, 4, 2)).tolist() == [0, 3, 7]
    assert offsets(()).tolist() == []
