"""A copy is what OmegaConf's own is, and has nothing in common with what it was made of."""

from omegaconf import OmegaConf, open_dict

from colonnade.config.compose import compose
from colonnade.config.copied import copied


def test_it_is_what_omegaconf_copies():
    cfg = compose(["model=tabm", "data=wine", "seed=7", "++data.note=${seed}", "++data.lost='???'"])
    OmegaConf.set_readonly(cfg.optim, True)
    made, own = copied(cfg), cfg.copy()
    assert made == own
    assert OmegaConf.to_yaml(made) == OmegaConf.to_yaml(own)
    for one in (made, own):
        assert OmegaConf.is_struct(one)
        assert OmegaConf.is_readonly(one.optim)
        assert not OmegaConf.is_readonly(one.model)
        assert OmegaConf.is_interpolation(one.data, "note")
        assert OmegaConf.is_missing(one.data, "lost")
        assert one.model._get_parent() is one


def test_neither_changes_with_the_other():
    cfg = OmegaConf.create({"seed": 1, "list": [1, {"a": 2}], "refers": "${seed}"})
    made = copied(cfg)
    made.seed, made.list[1].a = 5, 6
    with open_dict(made):
        made.new = 7
    assert cfg == OmegaConf.create({"seed": 1, "list": [1, {"a": 2}], "refers": "${seed}"})
    assert made.refers == 5
    cfg.list.append(8)
    assert len(made.list) == 2
