"""Components: what is left of vectors is what scikit-learn's PCA leaves."""

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

from colonnade.data.steps.components import Components

RNG = np.random.default_rng(0)
VECTORS = RNG.normal(size=(200, 6)) @ RNG.normal(size=(6, 6)) + 3
NUM = np.concatenate([VECTORS[:, :4], RNG.normal(size=(200, 1)), VECTORS[:, 4:]], axis=1)
OF = {"t": ["a", "b", "c", "d", "f", "g"]}


def test_components_are_those_of_sklearn(fit) -> None:
    fitted, given = fit(Components(vectors=OF, n_components=3), NUM)
    assert fitted.layout.num == ("e", "t.pc.0", "t.pc.1", "t.pc.2")
    found = fitted.module(given)
    peer = PCA(3).fit(VECTORS)
    expected = peer.transform(VECTORS).T
    sign = np.sign((found.num[1:].numpy() * expected).sum(1, keepdims=True))
    np.testing.assert_allclose(found.num[1:], sign * expected, atol=1e-9)
    assert torch.equal(found.num[0], given.num[4])
    shares = [feature.numbers["share of its variance"].item() for feature in fitted.module.features()]
    np.testing.assert_allclose(shares, peer.explained_variance_ratio_, rtol=1e-9)
    assert [feature.inputs for feature in fitted.module.features()] == [("t",)] * 3
    assert not fitted.module.exportable


def test_all_components_keep_every_distance(fit) -> None:
    fitted, given = fit(Components(vectors=OF, n_components=None), NUM)
    found = fitted.module(given).num[1:].T
    assert found.shape == (200, 6)
    np.testing.assert_allclose(torch.cdist(found, found), torch.cdist(*[torch.from_numpy(VECTORS)] * 2), atol=1e-6)


def test_a_missing_vector_is_the_mean_one_and_is_flagged(fit) -> None:
    num = NUM.copy()
    num[::5, [0, 1, 2, 3, 5, 6]] = np.nan
    fitted, given = fit(Components(vectors=OF, n_components=2), num)
    assert fitted.layout.flag == ("t.missing",)
    found = fitted.module(given)
    assert (found.num[1:, ::5] == 0).all()
    assert found.flag[0].tolist() == [float(i % 5 == 0) for i in range(200)]
    np.testing.assert_allclose(found.num[1:].mean(1), 0, atol=1e-12)
    assert fitted.module.features()[-1].formula == "1 if t is missing"


def test_what_does_not_vary_gives_no_component(fit) -> None:
    num = np.concatenate([VECTORS[:, :1] * [1.0, 2.0, -1.0], np.ones((200, 2))], axis=1)
    fitted, given = fit(Components(vectors={"t": ["a", "b", "c"], "u": ["d", "e"]}), num)
    assert fitted.layout.num == ("t.pc.0",), "one direction, and none"
    assert fitted.module(given).num.shape == (1, 200)
    assert fitted.log == ["column 'u' has one vector in the train rows: dropped"]


def test_ranges() -> None:
    with pytest.raises(ValueError, match="n_components must be at least 1, or null, got 0"):
        Components(vectors=OF, n_components=0)
