"""Resolve: what OmegaConf itself makes of interpolations."""

from __future__ import annotations

import pytest
from omegaconf import OmegaConf
from omegaconf.errors import InterpolationKeyError, InterpolationToMissingValueError

from colonnade.config.resolve import resolved

CFG = {
    "run_dir": None,
    "task": {"monitor": "val/rmse", "modes": {"rmse": "min", "same": "${task.monitor}"}},
    "n": 3,
    "on": True,
    "rate": 1e-3,
    "list": [1, "${n}", {"deep": "${task.modes}"}],
    "path": "${run_dir}/checkpoints/${n}-${on}-${rate}",
    "chain": "${list_of}",
    "list_of": "${task.monitor}",
    "text": "no $interpolation {here}",
}


@pytest.mark.parametrize(
    "further",
    [
        {},
        {"escaped": r"\${n}", "beside": r"\\${n}", "thrice": r"a \\\${n} \"b\" \${oc.create:{}}"},
        {"inner": {"a": "${..n}", "b": "${.a}"}},
        {"from_list": "${list}", "item": "${list[0]}", "dotted": "${list.1}"},
        {"environment": "${oc.env:HOME}", "nested": "${task.${oc.env:COLONNADE_NO_SUCH,monitor}}"},
        {"whole": "x${task}x"},
        {"written": '${oc.create:"{\\"a\\": [1, \\"b\\"]}"}', "as_list": '${oc.create:"[1, x]"}'},
        {"not_given": "???"},
    ],
)
def test_it_is_what_omegaconf_gives(further):
    cfg = OmegaConf.create({**CFG, **further})
    assert resolved(cfg) == OmegaConf.to_container(cfg, resolve=True)
    for key in ("task", *(key for key, value in further.items() if isinstance(value, dict))):
        assert resolved(cfg[key]) == OmegaConf.to_container(cfg[key], resolve=True)


@pytest.mark.parametrize("further", [{}, {"own": "${oc.env:HOME}"}])
def test_values_in_the_place_of_others(further):
    cfg = OmegaConf.create({**CFG, **further})
    other = OmegaConf.create({**CFG, **further, "run_dir": "/there"})
    OmegaConf.set_struct(cfg, True)
    assert resolved(cfg, run_dir="/there") == OmegaConf.to_container(other, resolve=True)
    nodes = OmegaConf.create({**CFG, "callbacks": {"best": {"dirpath": "${run_dir}/checkpoints", **further}}})
    assert resolved(nodes.callbacks, run_dir="/there")["best"]["dirpath"] == "/there/checkpoints"
    assert nodes.run_dir is None


def test_what_leads_nowhere_is_an_error():
    with pytest.raises(InterpolationKeyError, match="absent"):
        resolved(OmegaConf.create({"a": "${absent}"}))
    with pytest.raises(InterpolationToMissingValueError):
        resolved(OmegaConf.create({"a": "${b}", "b": "???"}))


def test_what_is_written_as_text_is_not_shared():
    cfg = OmegaConf.create({"a": '${oc.create:"{\\"b\\": 1}"}'})
    resolved(cfg)["a"]["b"] = 2
    assert resolved(cfg) == {"a": {"b": 1}}
