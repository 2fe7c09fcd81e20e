"""What scikit-learn's boosting reaches on the very rows that a network was trained and measured on.

Splits differ in how hard they are, by more than models differ from each other: a figure on one says little without a
known learner on the same rows.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.metrics import accuracy_score, root_mean_squared_error

NAME = "boosting (scikit-learn)"
SETTINGS = {
    "learning_rate": 0.03,
    "max_iter": 3000,
    "max_leaf_nodes": 31,
    "max_features": 0.5,
    "early_stopping": True,
    "n_iter_no_change": 50,
    "categorical_features": "from_dtype",
}


def reference(data: str, seed: int, runs: Path) -> dict[str, Any]:
    """Train and measure on the split of ``seed``; once, then read from ``runs``."""
    path = runs / data / "reference" / f"seed-{seed}.json"
    if path.exists():
        return json.loads(path.read_text())
    start = time.monotonic()
    from colonnade.config.build import build
    from colonnade.config.compose import compose

    cfg = compose([f"data={data}"])
    table = build(cfg.data).read()
    task = build(cfg.task)
    parts = build(cfg.split).split(table, task.target_kind, seed).parts()
    x = table.frame.select(table.schema.features).to_pandas()
    # What is no number is a category; no column of these sets has more levels than the learner takes.
    x = x.astype({name: "category" for name in x.columns if x[name].dtype.kind not in "fiu"})
    y = table.frame[table.schema.targets[0]].to_numpy()
    regression = task.name == "regression"
    learner = HistGradientBoostingRegressor if regression else HistGradientBoostingClassifier
    train, val = parts["train"], parts["val"]
    model = learner(random_state=seed, **SETTINGS).fit(x.iloc[train], y[train], X_val=x.iloc[val], y_val=y[val])
    name, measure = ("rmse", root_mean_squared_error) if regression else ("accuracy", accuracy_score)
    metrics = {p: {name: float(measure(y[parts[p]], model.predict(x.iloc[parts[p]])))} for p in ("val", "test")}
    seconds = time.monotonic() - start
    result = {"task": task.name, "metrics": metrics, "epochs": model.n_iter_, "seconds": seconds, "parameters": None}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result))
    return result
