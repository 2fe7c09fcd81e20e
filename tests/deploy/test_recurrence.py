"""Recurrent layers as operators: of both directions, or one, for series of any lengths."""

import numpy as np
import pytest
import torch
from onnxruntime import InferenceSession
from torch import nn

from colonnade.core.errors import ExportError
from colonnade.deploy.recurrence import with_operators
from colonnade.nn.backbones.recurrent import Recurrent
from colonnade.nn.layout import Layout

LAYOUT = Layout(names=("a", "b"), widths=(1, 1), n_num=2)


@pytest.mark.parametrize(("cell", "bidirectional", "pooling"), [("gru", False, "mean"), ("lstm", True, "last")])
def test_operators_know_the_lengths(cell, bidirectional, pooling):
    torch.manual_seed(0)
    options = {"cell": cell, "bidirectional": bidirectional, "pooling": pooling}
    part = Recurrent(layout=LAYOUT, d_hidden=4, **options).eval()
    (model,) = with_operators(nn.Sequential(part)).eval()
    free = {0: torch.export.Dim.DYNAMIC, 1: torch.export.Dim.DYNAMIC}
    seen = (torch.randn(3, 5, 2), torch.ones(3, 5, dtype=torch.bool))
    program = torch.onnx.export(model, seen, dynamo=True, opset_version=20, verbose=False, dynamic_shapes=(free, free))
    session = InferenceSession(program.model_proto.SerializeToString())
    for lengths in ([[7], [2], [1], [7]], [[1]]):
        x, mask = torch.randn(len(lengths), 7, 2), torch.arange(7) < torch.tensor(lengths)
        given = dict(zip((value.name for value in session.get_inputs()), (x.numpy(), mask.numpy())))
        with torch.no_grad():
            np.testing.assert_allclose(session.run(None, given)[0], part(x, mask)[0], rtol=1e-5, atol=1e-6)


def test_layers_of_layers_are_refused():
    with pytest.raises(ExportError, match="GRU of several layers or directions, .*: build it of single layers"):
        with_operators(nn.Sequential(nn.GRU(3, 4, num_layers=2, batch_first=True)))
