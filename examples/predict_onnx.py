"""Predict the rows of a CSV file with an exported model; needs onnxruntime and numpy, and nothing of colonnade.

python examples/predict_onnx.py model.onnx rows.csv
"""

import csv
import json
import sys
from datetime import UTC, datetime, timedelta

import numpy as np
from onnxruntime import InferenceSession

WORDS = dict.fromkeys(("true", "yes", "t", "y"), "1") | dict.fromkeys(("false", "no", "f", "n"), "0")
EPOCH, MISSING_TIME = datetime(1970, 1, 1, tzinfo=UTC), -(2**63)


def microseconds(text: str) -> int:
    """Since 1970, of a time in UTC, or in the zone that is written behind it."""
    at = datetime.fromisoformat(text)
    return (at.replace(tzinfo=at.tzinfo or UTC) - EPOCH) // timedelta(microseconds=1)


session = InferenceSession(sys.argv[1])
facts = session.get_modelmeta().custom_metadata_map
with open(sys.argv[2], encoding="utf-8-sig", newline="") as file:
    rows = list(csv.DictReader(file))

blocks: dict[str, list] = {}
for given in json.loads(facts["inputs"]):
    texts = [row[given["column"]].strip() for row in rows]
    if given["block"] == "texts":  # categories; whatever is neither a level nor missing is unknown
        values = np.array(texts, dtype=object)
    elif given["block"] == "times":
        values = np.array([MISSING_TIME if t in given["missing"] else microseconds(t) for t in texts], np.int64)
    else:  # numbers, and booleans as 0 and 1
        words = WORDS if given["kind"] == "boolean" else {}
        values = np.array(["nan" if t in given["missing"] else words.get(t.lower(), t) for t in texts], np.float64)
    blocks.setdefault(given["name"], []).append(values)  # a column each, or the columns of a matrix

outputs = session.run(None, {name: np.stack(columns, axis=1) for name, columns in blocks.items()})
for output, values in zip(session.get_outputs(), outputs, strict=True):
    print(output.name, values.tolist())
