from colonnade.nn.embed.identity import Identity
from colonnade.testing.backbones import toy_batch, toy_spec


def test_hands_numbers_on():
    spec = toy_spec(n_num=3)
    embedding = Identity(spec=spec)
    num = toy_batch(spec).num
    assert embedding(num) is num
    assert embedding.names == spec.num_names
    assert embedding.widths == (1, 1, 1)
