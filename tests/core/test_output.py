"""What a loss is given of an output."""

import torch

from colonnade.core.output import Output


def test_without_a_unit_both_are_as_they_are():
    raw, target = torch.randn(3, 2, 4, dtype=torch.bfloat16), torch.randn(3, 4)
    found, expected = Output(raw).beside(target)
    assert found.dtype == torch.float32
    assert found.equal(raw.float())
    assert expected is target


def test_values_and_quantiles_are_divided_by_the_unit_of_their_row_and_step():
    unit, target = torch.rand(3, 4) + 0.5, torch.randn(3, 4)
    for shape in ((3, 2, 4), (3, 2, 4, 5)):
        raw = torch.randn(shape)
        found, expected = Output(raw, unit=unit).beside(target)
        for row in range(3):
            for step in range(4):
                torch.testing.assert_close(found[row, :, step], raw[row, :, step] / unit[row, step])
        torch.testing.assert_close(expected, target / unit)
