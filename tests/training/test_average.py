import pytest
import torch
from kit import Net
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from colonnade.training.average import WeightAverage


def test_is_torchs_average():
    torch.manual_seed(0)
    net = Net(norm=True)
    ours = WeightAverage(net, 0.9)
    theirs = AveragedModel(net, multi_avg_fn=get_ema_multi_avg_fn(0.9))
    for index in range(5):
        with torch.no_grad():
            for parameter in net.parameters():
                parameter.add_(torch.randn_like(parameter))
            net.body[2].running_mean.add_(1.0)
        ours.update(net, index)
        theirs.update_parameters(net)
    ours.sync_buffers(net)
    for (name, a), b in zip(ours.module.state_dict().items(), theirs.module.state_dict().values()):
        assert torch.equal(a, b), name


def test_decay_has_a_range():
    with pytest.raises(ValueError, match=r"ema must be in \(0, 1\), not 1.5"):
        WeightAverage(Net(), 1.5)
