import pytest

from colonnade.core.errors import ConfigError
from colonnade.nn.layout import Layout


def test_counts():
    layout = Layout(names=("a", "b", "c"), widths=(1, 1, 5), n_num=2)
    assert (layout.n_columns, layout.d_flat, layout.embeds_numbers) == (3, 7, False)
    assert Layout(names=("a", "c"), widths=(4, 5), n_num=1).embeds_numbers
    assert not Layout(names=("c",), widths=(5,), n_num=0).embeds_numbers


def test_tokens_of_one_width_pass():
    Layout(names=("a", "b"), widths=(8, 8), n_num=1).require_tokens(d_token=8, backbone="X", key="model.backbone.d")


def test_every_embedding_of_another_width_is_named():
    layout = Layout(names=("a", "b", "c"), widths=(1, 4, 5), n_num=1)
    with pytest.raises(ConfigError) as error:
        layout.require_tokens(d_token=8, backbone="FTTransformer", key="model.backbone.d_block")
    text = str(error.value)
    assert text.startswith("FTTransformer takes one token of width model.backbone.d_block=8 per column (2):")
    assert (
        "model.numerical gives width 1; set model.numerical.d_embedding and model.backbone.d_block to the same" in text
    )
    assert "model.categorical gives width 4, 5; set model.categorical.d_embedding and" in text
