import pytest
import torch

from colonnade.nn.blocks.column_linear import ColumnLinear


@pytest.mark.parametrize("lead", [(), (6,), (2, 3)])
@pytest.mark.parametrize("bias", [True, False])
def test_each_column_has_a_layer_of_its_own(lead, bias):
    layer = ColumnLinear(3, 4, 5, bias=bias)
    x = torch.randn(*lead, 3, 4)
    columns = [x[..., i, :] @ layer.weight[i] + (layer.bias[i] if bias else 0) for i in range(3)]
    torch.testing.assert_close(layer(x), torch.stack(columns, -2), rtol=1e-5, atol=1e-6)


def test_ranges():
    with pytest.raises(ValueError, match="d_out=0 is out of range: expected d_out > 0"):
        ColumnLinear(3, 4, 0)
