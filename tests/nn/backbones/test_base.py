import pytest

from colonnade.nn.backbones.base import Backbone


def test_is_abstract():
    with pytest.raises(TypeError, match="abstract"):
        Backbone()
