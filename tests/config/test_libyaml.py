"""Libyaml gives what OmegaConf reads by itself, and OmegaConf's words where there is nothing to be read."""

from functools import partial

import omegaconf._utils
import pytest
import yaml
from omegaconf import OmegaConf

from colonnade.config.libyaml import quickly
from colonnade.config.locate import shipped

OWN = omegaconf._utils.get_yaml_loader


def test_every_shipped_file_is_what_it_was():
    files = sorted(shipped().rglob("*.yaml"))
    assert len(files) > 200
    for path in files:
        found, expected = quickly(partial(OmegaConf.load, path)), OmegaConf.load(path)
        assert OmegaConf.to_yaml(found) == OmegaConf.to_yaml(expected), path


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001),
        ("1_000", 1000),
        ("0x1f", 31),
        (".5", 0.5),
        ("-.inf", -float("inf")),
        ("2024-01-31", "2024-01-31"),
        ("yes", True),
        ("~", None),
        ("'it''s'", "it's"),
        ("${a.b}", "${a.b}"),
        ("[1, {b: 2}]", [1, {"b": 2}]),
        ("|\n  two\n  lines", "two\nlines"),
        ('"\\u00e9\\n"', "é\n"),
        ("&x 3", 3),
    ],
)
def test_values(text, value):
    found = quickly(lambda: OmegaConf.create(f"key: {text}"))
    assert OmegaConf.to_container(found, resolve=False) == {"key": value}
    assert found == OmegaConf.create(f"key: {text}")


@pytest.mark.parametrize("text", ["a: 1\na: 2", "a: [1, 2", "a: b: c", "a: 'x", "a: *b", "a: !!python/name:os.system"])
def test_errors_show_the_line_as_they_did(text):
    with pytest.raises(yaml.YAMLError) as expected:
        OmegaConf.create(text)
    with pytest.raises(yaml.YAMLError) as found:
        quickly(lambda: OmegaConf.create(text))
    assert type(found.value) is type(expected.value)
    assert str(found.value) == str(expected.value)


def test_omegaconf_is_as_it_was_afterwards():
    quickly(lambda: OmegaConf.create("a: 1"))
    assert omegaconf._utils.get_yaml_loader is OWN
    with pytest.raises(KeyError):
        quickly(lambda: {}["absent"])
    assert omegaconf._utils.get_yaml_loader is OWN
