"""The snapshots of a training are runs, of which an ensemble is made."""

import numpy as np
from safetensors.torch import load_file

from colonnade.config.build import build
from colonnade.config.compose import compose
from colonnade.runs.ensemble import ensemble
from colonnade.runs.fit import fit_in
from colonnade.runs.folder import RunFolder
from colonnade.runs.predict import predict

QUICK = ("model=mlp", "model.backbone.d_hidden=[8]", "trainer=cpu", "threads=1", "logger=none", "data=breast_cancer")


def test_snapshots_average_in_probability(tmp_path):
    more = ("experiment=snapshots", "optim.cycles=2", "trainer.max_epochs=4")
    result = fit_in(compose([*QUICK, *more]), RunFolder(tmp_path / "run"), shown=False)
    members = [tmp_path / "run" / "snapshots" / str(i) for i in range(2)]
    taken = [load_file(member / "network.safetensors") for member in members]
    files = sorted((tmp_path / "run" / "checkpoints").glob("snapshot-*"))
    for file, state in zip(files, taken, strict=True):
        assert all(tensor.equal(state[name]) for name, tensor in load_file(file).items())
    for folder in (tmp_path / "run", *members):
        RunFolder(folder).verify("network.safetensors", "predictions.parquet")
    # The run itself is that of its best weights.
    assert result["metrics"]["val"] == min(
        (RunFolder(m).result["metrics"]["val"] for m in (*members, tmp_path / "run")), key=lambda m: m["log_loss"]
    )
    ensemble([str(member) for member in members], tmp_path / "together", method="mean")
    table = build(compose([*QUICK]).data).read().frame
    one, two, both = (predict(f, table) for f in (*members, tmp_path / "together"))
    name = next(c for c in one.columns if c.startswith("probability/"))
    np.testing.assert_allclose(both[name], (one[name] + two[name]) / 2, atol=1e-9)
