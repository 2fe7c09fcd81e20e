import pytest
import torch
from kit import Net
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from colonnade.core.errors import ConfigError
from colonnade.training.average import StochasticAverage, WeightAverage, averaged


def walk(net):
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(torch.randn_like(parameter))
        net.body[2].running_mean.add_(1.0)


def test_is_torchs_average_once_the_training_is_long():
    torch.manual_seed(0)
    net = Net(norm=True)
    ours = WeightAverage(net, 0.9)
    theirs = AveragedModel(net, multi_avg_fn=get_ema_multi_avg_fn(0.9))
    ours.update(net, 0)
    theirs.update_parameters(net)
    for index in range(81, 86):
        walk(net)
        ours.update(net, index)
        theirs.update_parameters(net)
    ours.sync_buffers(net)
    for (name, a), b in zip(ours.module.state_dict().items(), theirs.module.state_dict().values()):
        torch.testing.assert_close(a, b, msg=name)


def test_a_short_training_forgets_the_weights_it_began_with():
    net = Net(norm=True)
    ours = WeightAverage(net, 0.999)
    expected = None
    for index in range(12):
        walk(net)
        ours.update(net, index)
        weight = net.body[0].weight.detach().clone()
        share = (1 + index) / (10 + index)
        expected = weight if expected is None else share * expected + (1 - share) * weight
    torch.testing.assert_close(ours.module.body[0].weight, expected)


def test_decay_has_a_range():
    with pytest.raises(ValueError, match=r"ema must be in \(0, 1\), not 1.5"):
        WeightAverage(Net(), 1.5)


def test_the_mean_of_the_last_steps_is_theirs():
    """Izmailov's average, against the plain mean and torch's own."""
    torch.manual_seed(0)
    net = Net(norm=True)
    ours = StochasticAverage(net, 0.6)
    ours.begin(20)
    theirs = AveragedModel(net)
    kept = []
    for index in range(20):
        walk(net)
        ours.update(net, index)
        if index >= 12:
            theirs.update_parameters(net)
            kept.append(net.body[0].weight.detach().clone())
        mean = torch.stack(kept).mean(0) if kept else net.body[0].weight
        torch.testing.assert_close(ours.module.body[0].weight, mean.detach())
    for (name, a), b in zip(ours.module.named_parameters(), theirs.module.parameters()):
        torch.testing.assert_close(a, b.detach(), msg=name)


def test_one_average_at_a_time():
    assert averaged(Net(), ema=None, swa=None) is None
    with pytest.raises(ValueError, match="ema=0.9 and swa=0.5 are two averages of the same weights"):
        averaged(Net(), ema=0.9, swa=0.5)
    with pytest.raises(ValueError, match=r"swa must be in \[0, 1\), not 1.0"):
        averaged(Net(), ema=None, swa=1.0)
    with pytest.raises(ConfigError, match="module.swa needs a length"):
        StochasticAverage(Net(), 0.5).begin(1)
