"""The example in JavaScript: what it feeds a session with, without onnxruntime-node."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "predict_onnx.mjs"
# Instead of onnxruntime: says what it is fed with.
PRETENDED = """
exports.Tensor = class { constructor(type, data, dims) { Object.assign(this, { type, data, dims }); } };
exports.InferenceSession = { create: async () => ({
  inputMetadata: [
    { name: "age", type: "float64" }, { name: "city", type: "string" }, { name: "since", type: "int64" }
  ],
  outputNames: ["age", "city", "since"],
  run: async (feeds) => feeds,
}) };
"""


@pytest.mark.skipif(shutil.which("node") is None, reason="there is no node")
def test_what_a_session_is_fed_with_does_not_depend_on_the_zone_of_the_machine(tmp_path):
    package = tmp_path / "node_modules" / "onnxruntime-node"
    package.mkdir(parents=True)
    (package / "index.js").write_text(PRETENDED)
    times = ["2024-03-01", "2024-03-01 10:30:00", "2024-03-01T10:30:00.5Z", "2024-03-01T10:30:00+02:00", None]
    columns = {"age": [1.5, None, True, 2, 3], "city": ["Ä", None, "", "b", "c"], "since": times}
    done = subprocess.run(
        ["node", str(EXAMPLE), "model.onnx", json.dumps(columns)],
        cwd=tmp_path,
        env=os.environ | {"TZ": "America/New_York"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    day = 1_709_251_200_000_000
    half_past_ten = day + 37_800_000_000
    since = (day, half_past_ten, half_past_ten + 500_000, half_past_ten - 7_200_000_000, -(2**63))
    assert done.stdout.splitlines() == [
        "age [ 5, 1 ] 1.5 NaN 1 2 3",
        "city [ 5, 1 ] Ä   b c",
        f"since [ 5, 1 ] {' '.join(map(str, since))}",
    ]
