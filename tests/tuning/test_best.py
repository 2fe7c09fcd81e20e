"""The best run of a search, from the results in its folder."""

import json
import logging

import pytest

from colonnade.core.errors import ConfigError, SearchError
from colonnade.tuning.best import best_run


def search(folder, results, swept=("seed",), command=()):
    """A folder as a search leaves it; ``results`` by path: the monitored value, or what else the result holds."""
    for key, content in results.items():
        (folder / key).mkdir(parents=True)
        if not isinstance(content, dict):
            content = {"metrics": {"val": {"rmse": content}}}
        result = {
            "status": "finished",
            "monitor": "val/rmse",
            "mode": "min",
            "metrics": {},
            "parameters": 10,
            **content,
        }
        (folder / key / "result.json").write_text(json.dumps(result))
    (folder / "sweep.json").write_text(json.dumps({"command": command, "fixed": [], "swept": swept, "sampler": "grid"}))
    return folder


def test_of_a_grid(tmp_path, caplog):
    found = {f"seed={i}": value for i, value in enumerate((2.0, 0.5, 1.0))}
    with caplog.at_level(logging.INFO):
        assert best_run(search(tmp_path, found)) == tmp_path / "seed=1"
    assert caplog.messages == ["best of 3 runs: 'seed=1' (val/rmse 0.5)"]


def test_of_studies(tmp_path):
    found = {"model=mlp/trial-0000": 2.0, "model=mlp/trial-0001": 1.5, "model=tabm/trial-0000": 1.0}
    assert best_run(search(tmp_path, found)) == tmp_path / "model=tabm" / "trial-0000"


def test_large_is_good_where_the_task_says_so(tmp_path):
    scores = {"a": 0.5, "b": 0.9, "c": 0.7}
    found = {k: {"monitor": "val/r2", "mode": "max", "metrics": {"val": {"r2": v}}} for k, v in scores.items()}
    assert best_run(search(tmp_path, found)).name == "b"


def test_what_did_not_finish_has_no_value_or_is_a_refit_is_left_out(tmp_path):
    value = {"metrics": {"val": {"rmse": 0.1}}}
    found = {
        "a": 1.0,
        "b": {**value, "status": "pruned"},
        "c": {"status": "failed", "monitor": None},
        "d": {"metrics": {"val": {"rmse": None}}},
        "refit": {"metrics": {"val": {}}, "refit": {"run": "../a"}},
    }
    assert best_run(search(tmp_path, found)).name == "a"


def test_what_breaks_a_constraint_is_left_out(tmp_path):
    found = {
        "small": {"metrics": {"val": {"rmse": 2.0}}},
        "large": {"metrics": {"val": {"rmse": 1.0}}, "parameters": 1000},
        "silent": {"metrics": {"val": {"rmse": 0.5}}, "parameters": None},
    }
    command = ["model=mlp", "tune.constraints=['parameters<=1e2']"]
    assert best_run(search(tmp_path, found, command=command)).name == "small"


def test_none_is_best(tmp_path):
    folder = search(tmp_path, {"a": {"status": "failed"}, "b": {"status": "pruned"}, "c": {"status": "failed"}})
    with pytest.raises(
        SearchError, match=r"no run has finished with a value of what it monitors \(2 failed, 1 pruned\)"
    ):
        best_run(folder)
    with pytest.raises(SearchError, match="none has ended"):
        best_run(search(tmp_path / "empty", {"x": {"status": "running"}}))


def test_runs_on_several_data_sets_have_no_best(tmp_path):
    folder = search(tmp_path, {"data=wine": 1.0}, swept=["data", "seed"])
    with pytest.raises(
        SearchError, match="its runs differ in data, so none is the best of all; run=<folder> names one"
    ):
        best_run(folder)


def test_what_is_no_search(tmp_path):
    search(tmp_path, {"a": 1.0})
    with pytest.raises(ConfigError, match=r"holds no search \(no sweep.json\), but a run: run=.*a"):
        best_run(tmp_path / "a")
    with pytest.raises(ConfigError, match=r"holds no search \(no sweep.json\)$"):
        best_run(tmp_path / "b")
