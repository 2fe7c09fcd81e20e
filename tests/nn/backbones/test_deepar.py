"""DeepAR step by step, with cells of torch that hold the same weights."""

import torch

from colonnade.nn.backbones.deepar import DeepAR
from colonnade.nn.backbones.forecast import Window
from colonnade.nn.layout import Layout

LAYOUT = Layout(names=("a", "b", "c", "s"), widths=(1, 1, 1, 1), n_num=4)


def test_it_is_fed_its_own_level():
    roles = ("level", "log_scale", "free")
    window = Window(context=6, horizon=12, channels=(1,), roles=roles, steps=4, known=(2,), static=(3,))
    model = DeepAR(layout=LAYOUT, window=window, d_hidden=5).eval()
    cells = [torch.nn.LSTMCell(width, 5) for width in (3, 5)]
    for cell, layer in zip(cells, model.layers):
        for name, value in layer.named_parameters():
            cell.get_parameter(name.removesuffix("_l0")).data.copy_(value)
    x, future = torch.randn(3, 6, 4), torch.randn(3, 4, 1)
    x[..., 3] = x[:, :1, 3]
    past = x[..., 1]
    mean, scale = past.mean(1, keepdim=True), (past.var(1, keepdim=True, correction=0) + 1e-5).sqrt()
    value, known = (past - mean) / scale, torch.cat([x[..., 2], future[..., 0]], dim=1)
    states = [(torch.zeros(3, 5), torch.zeros(3, 5)) for _ in cells]
    numbers = []
    with torch.no_grad():
        for step in range(1, 10):
            before = value[:, step - 1] if step <= 6 else numbers[-1][:, 0]
            h = torch.stack([before, known[:, step], x[:, 0, 3]], dim=1)
            for i, cell in enumerate(cells):
                states[i] = cell(h, states[i])
                h = states[i][0]
            if step >= 6:
                numbers.append(model.output(h))
        found = model(x, None, future)[0].view(3, 3, 4)
    level, log_scale, free = torch.stack(numbers, dim=2).unbind(1)
    torch.testing.assert_close(found[:, 0], level * scale + mean)
    torch.testing.assert_close(found[:, 1], log_scale + scale.log())
    torch.testing.assert_close(found[:, 2], free)


def test_of_quantiles_their_mean_is_fed_back():
    window = Window(context=6, horizon=6, channels=(0,), steps=2)
    assert DeepAR(layout=LAYOUT, window=window).levels == [0, 1, 2]
