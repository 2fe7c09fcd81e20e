"""Graphs with what follows a decoder: calibrated probabilities, intervals, sets, and members that disagree."""

import numpy as np
import onnx
import pytest
import torch

from colonnade.deploy.graph import OUTPUTS
from colonnade.deploy.onnx_export import Exportable, OnnxExport
from colonnade.deploy.runtime import OnnxModel
from colonnade.tasks.calibrator import Calibrator
from colonnade.tasks.conformal import Adaptive, LeastAmbiguous, QuantileResidual
from colonnade.tasks.disagreement import MemberDecoder
from colonnade.tasks.scaling import Isotonic, Temperature, Vector
from colonnade.training.predictor import Predictor

from .kit import made

COLUMNS = ["plain", "count", "colour", "yes"]
CURVE = torch.tensor([[0.1, 0.3, 0.6, 0.9]]), torch.tensor([[0.05, 0.4, 0.5, 0.95]])
# A threshold for each code of the first category, all apart from each other.
GROUPS = 20
CASES = {
    "binary": ("tabm", Isotonic("class", *CURVE), LeastAmbiguous(torch.tensor([[0.47]]))),
    "multiclass": (
        "linear",
        Vector("class", torch.tensor([1.0, 2, 0.5, 1]), torch.tensor([0.0, 1, -1, 0.5])),
        Adaptive(torch.linspace(0.2, 0.8, GROUPS)[:, None], penalty=0.01, free=1, randomized=True),
    ),
    "multilabel": ("tabm", Temperature("multilabel", torch.tensor([0.5, 3.0])), None),
    "quantile": ("linear", None, QuantileResidual(torch.tensor([[-0.3, 20.0]]), low=0, high=2)),
}


@pytest.mark.parametrize("task", CASES)
def test_the_graph_says_what_the_predictor_says(task, tmp_path):
    model, scaling, conformal = CASES[task]
    of = made(model, task, COLUMNS)
    kind, several = str(of.spec.target_kind), model == "tabm"
    group = 0 if conformal is not None and len(conformal.threshold) == GROUPS else None
    drawn = len(of.lookup.num) if isinstance(conformal, Adaptive) else None
    predictor = Predictor(
        pipeline=of.predictor.pipeline,
        network=of.predictor.network,
        decoder=MemberDecoder(of.predictor.decoder, kind) if several else of.predictor.decoder,
        calibrator=Calibrator(kind, scaling=scaling, conformal=conformal, group=group, drawn=drawn),
    )
    told = {"method": "any", "level": 0.9, "group": None}
    path = tmp_path / "model.onnx"
    trained = Exportable(predictor, of.lookup, of.schema, of.spec, of.task, "abc", {}, told)
    assert OnnxExport()(trained, of.frame, path).worst < 5e-6
    loaded = OnnxModel(path)
    assert loaded.facts["conformal"] == told
    with torch.inference_mode():
        raw = of.lookup(of.frame)
        expected = predictor(raw.num, raw.cat, raw.time)
    found = loaded.predict({name: of.frame[name].to_list() for name in of.frame.columns}, rows=50)
    further = {"binary": {"set"}, "multiclass": {"set"}, "multilabel": set()}.get(task, {"lower", "upper"})
    assert set(found) == set(expected) > {*further, *(["disagreement"] if several else [])}
    for name in set(found) - {"label"}:
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-5, atol=1e-6)
        assert np.unique(found[name]).size > 1, "rows differ, or nothing was compared"
    if "set" in found:
        assert found["set"].dtype == np.int64
    columns = loaded.named(found)
    names = {
        "binary": ["set/class 0", "set/class 1", "disagreement"],
        "multiclass": [f"set/class {i}" for i in range(4)],
        "multilabel": ["disagreement/target 0", "disagreement/target 1"],
    }.get(task, [f"{name}/target {t}" for t in (0, 1) for name in ("lower", "upper")])
    assert [name for name in columns if name.startswith(("set", "lower", "upper", "disagreement"))] == names


def test_a_column_that_is_called_like_an_output_keeps_its_name_where_there_is_no_such_output(tmp_path):
    assert OUTPUTS == ("label", "probability", "value", "quantile")
    of = made("linear", "binary", COLUMNS)
    path = tmp_path / "model.onnx"
    OnnxExport()(Exportable(of.predictor, of.lookup, of.schema, of.spec, of.task, "abc", {}), of.frame, path)
    outputs = [value.name for value in onnx.load(path).graph.output]
    assert outputs == ["label", "probability"]
    assert "conformal" not in OnnxModel(path).facts
