"""EncoderDecoder against recurrent layers of torch that hold the same weights."""

import pytest
import torch

from colonnade.nn.backbones.encoder_decoder import EncoderDecoder
from colonnade.nn.backbones.forecast import Window
from colonnade.nn.layout import Layout

LAYOUT = Layout(names=("a", "b", "c"), widths=(1, 1, 2), n_num=2)


@pytest.mark.parametrize(("cell", "made"), [("gru", torch.nn.GRU), ("lstm", torch.nn.LSTM)])
def test_the_decoder_goes_on_from_the_encoder(cell, made):
    window = Window(context=8, horizon=6, channels=(1,), roles=("level", "log_scale"), steps=3, known=(2, 3))
    model = EncoderDecoder(layout=LAYOUT, window=window, cell=cell, d_hidden=5, d_decoder=4).eval()
    both = []
    for layers, width in ((model.encoder, 4), (model.decoder, 3)):
        whole = made(width, 5, num_layers=2, batch_first=True)
        for i, layer in enumerate(layers):
            for name, value in layer.named_parameters():
                whole.get_parameter(name.replace("l0", f"l{i}")).data.copy_(value)
        both.append(whole)
    x, future = torch.randn(7, 8, 4), torch.randn(7, 3, 2)
    mean, scale = x[..., 1].mean(1, keepdim=True), (x[..., 1].var(1, keepdim=True, correction=0) + 1e-5).sqrt()
    normal = x.clone()
    normal[..., 1] = (x[..., 1] - mean) / scale
    with torch.no_grad():
        _, state = both[0](normal)
        at = torch.linspace(0, 1, 3).view(1, 3, 1).expand(7, -1, -1)
        states, _ = both[1](torch.cat([at, future], dim=-1), state)
        out = model.output(model.hidden(states))
        found, _ = model(x, None, future)
    expected = torch.cat([out[..., 0] * scale + mean, out[..., 1] + scale.log()], dim=1)
    torch.testing.assert_close(found[:, 0], expected)
