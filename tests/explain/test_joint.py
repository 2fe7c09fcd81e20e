"""Several runs together: means over runs, and Student's interval of them."""

import numpy as np
import pytest
from scipy.stats import t

from colonnade.core.errors import ConfigError
from colonnade.explain.joint import join


def told(unit="value", target="y", **sizes):
    importance = [{"column": name, "mean": size} for name, size in sizes.items()]
    return {"unit": unit, "method": "shapley", "targets": [{"target": target, "importance": importance}]}


def test_means_intervals_and_ranks_over_runs():
    runs = {"a": told(x=1.0, y=5.0, z=0.1), "b": told(y=4.0, x=3.0, z=0.0), "c": told(x=5.0, y=6.0)}
    (found,) = join(runs)
    assert found.columns == ("y", "x", "z")
    np.testing.assert_allclose(found.mean, [5, 3, 0.1 / 3])
    low, high = found.interval
    np.testing.assert_allclose([low[0], high[0]], t.interval(0.95, 2, loc=5, scale=1 / np.sqrt(3)))
    assert low[2] == 0
    assert [ranks.tolist() for ranks in found.ranks] == [[1, 2, 3], [1, 2, 3]]
    line = found.to_dict()["importance"][2]
    assert (line["column"], line["runs"], line["best_rank"]) == ("z", [0.1, 0.0, 0.0], 3)


def test_runs_that_do_not_go_together_are_refused():
    with pytest.raises(ConfigError, match="'a' is one model: an interval over runs needs two at least"):
        join({"a": told(x=1.0)})
    with pytest.raises(ConfigError, match="'a' and 'b' do not go together: unit value, and log-odds"):
        join({"a": told(x=1.0), "b": told(unit="log-odds", x=1.0)})
    with pytest.raises(ConfigError, match=r"'a' and 'b' do not go together: targets \['y'\], and \['z'\]"):
        join({"a": told(x=1.0), "b": told(target="z", x=1.0)})
