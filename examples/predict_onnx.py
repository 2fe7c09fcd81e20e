"""Predict the rows of a CSV file with an exported model; needs onnxruntime and numpy, and nothing of colonnade.

python examples/predict_onnx.py model.onnx rows.csv
"""

import csv
import json
import sys

import numpy as np
from onnxruntime import InferenceSession

session = InferenceSession(sys.argv[1])
facts = session.get_modelmeta().custom_metadata_map
with open(sys.argv[2], encoding="utf-8-sig", newline="") as file:
    rows = list(csv.DictReader(file))

blocks: dict[str, list] = {}
for given in json.loads(facts["inputs"]):
    texts = [row[given["column"]].strip() for row in rows]
    if given["block"] == "texts":  # categories; whatever is neither a level nor missing is unknown
        values = np.array(texts, dtype=object)
    elif given["block"] == "times":  # microseconds since 1970, UTC
        values = np.array(["NaT" if t in given["missing"] else t for t in texts], "datetime64[us]").astype(np.int64)
    else:  # numbers, and booleans as 0 and 1
        words = {"true": "1", "false": "0"} if given["kind"] == "boolean" else {}
        values = np.array(["nan" if t in given["missing"] else words.get(t, t) for t in texts], np.float64)
    blocks.setdefault(given["name"], []).append(values)  # a column each, or the columns of a matrix

outputs = session.run(None, {name: np.stack(columns, axis=1) for name, columns in blocks.items()})
for output, values in zip(session.get_outputs(), outputs, strict=True):
    print(output.name, values.tolist())
