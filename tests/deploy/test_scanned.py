"""Recurrent layers as loops: torch's own numbers, for any number of steps behind a file."""

import pytest
import torch
from torch import nn

from colonnade.core.errors import ExportError
from colonnade.deploy.scanned import Scanned, for_program


@pytest.mark.parametrize("kind", [nn.GRU, nn.LSTM])
def test_a_program_takes_any_number_of_steps(kind, tmp_path):
    torch.manual_seed(0)
    layer = kind(3, 4, batch_first=True).eval()
    loop = for_program(nn.Sequential(layer))[0]
    assert isinstance(loop, Scanned)
    free = torch.export.Dim.DYNAMIC
    with torch.no_grad():
        program = torch.export.export(loop, (torch.randn(3, 5, 3),), dynamic_shapes=({0: free, 1: free},))
        torch.export.save(program, tmp_path / "loop.pt2")
        loaded = torch.export.load(tmp_path / "loop.pt2").module()
        for shape in ((1, 1, 3), (2, 9, 3)):
            x = torch.randn(shape)
            torch.testing.assert_close(loaded(x), layer(x))


@pytest.mark.parametrize("kind", [nn.GRU, nn.LSTM])
def test_the_state_before_goes_in(kind):
    torch.manual_seed(0)
    layer = kind(3, 4, batch_first=True).eval()
    with torch.no_grad():
        state, x = layer(torch.randn(2, 3, 3))[1], torch.randn(2, 6, 3)
        torch.testing.assert_close(for_program(nn.Sequential(layer))[0](x, state), layer(x, state))


def test_layers_of_layers_are_refused():
    with pytest.raises(ExportError, match="GRU of several layers or directions, .*: build it of single layers"):
        for_program(nn.Sequential(nn.GRU(3, 4, num_layers=2, batch_first=True)))
