"""Searches over baselines: a table with networks, and a study whose first point is the defaults."""

import json

import forked

QUICK = ("data=breast_cancer", "threads=1", "logger=none", "trainer=cpu", "trainer.max_epochs=1")


def search(folder, *words):
    done = forked.run(["train", "-m", *QUICK, *words, "hydra.sweep.dir=search"], folder, timeout=200)
    assert done.returncode == 0, done.stderr
    results = [json.loads(path.read_text()) for path in sorted((folder / "search").glob("*/result.json"))]
    return done.stdout, results


def test_one_table_with_networks(tmp_path):
    out, results = search(tmp_path, "model=linear,linear_sklearn,lightgbm")
    assert [result["status"] for result in results] == ["finished"] * 3
    assert {result["monitor"] for result in results} == {"val/log_loss"}
    assert all(name in out for name in ("linear_sklearn", "lightgbm"))


def test_a_study_begins_with_the_defaults(tmp_path):
    _, results = search(tmp_path, "model=xgboost", "task=binary", "model.n_estimators=5", "tune=tpe", "tune.n_trials=2")
    assert len(results) == 2
    first = dict(word.lstrip("+").split("=") for word in results[0]["overrides"])
    assert float(first["model.learning_rate"]) == 0.08
    assert int(first["model.max_depth"]) == 6
    assert float(first["model.min_child_weight"]) == 5e-6
