"""Products: what float64 gives, by either library."""

from __future__ import annotations

import pytest
import torch

from colonnade.training.packed import products
from colonnade.training.packed.products import product


@pytest.fixture(params=["mkl", "onednn"])
def library(request, monkeypatch):
    if request.param == "onednn" and not torch.backends.mkldnn.is_available():
        pytest.skip("torch was built without oneDNN")
    monkeypatch.setattr(products, "LARGE", 1)
    monkeypatch.setattr(products, "_wider_in_onednn", lambda: request.param == "onednn")


@pytest.mark.parametrize("biased", [True, False])
def test_products_of_a_layer_and_of_its_backward_pass(library, biased):
    members, rows, d_in, d_out = 3, 17, 5, 8
    x, weight, bias = torch.randn(members, rows, d_in), torch.randn(members, d_out, d_in), torch.randn(members, d_out)
    grad = torch.randn(members, rows, d_out)
    added = bias if biased else None
    for left, right, bias in ((x, weight.mT, added), (grad, weight, None), (grad.mT, x, None)):
        found = product(left, right, bias)
        expected = left.double() @ right.double()
        if bias is not None:
            expected = expected + bias[:, None]
        assert found.is_contiguous()
        torch.testing.assert_close(found.double(), expected, rtol=1e-5, atol=1e-5)


def test_one_column_times_one_row_needs_no_sum():
    left, right = torch.randn(4, 9, 1), torch.randn(4, 1, 6)
    assert torch.equal(product(left, right), torch.bmm(left, right))
