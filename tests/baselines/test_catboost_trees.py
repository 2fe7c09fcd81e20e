"""Hash and statistics of CatBoost, by hand; that whole models agree with the library is tested beside the others."""

import numpy as np
import torch

from colonnade.baselines.catboost_trees import trees_of

MODEL = {
    "features_info": {
        "cat_features_hash": [{"hash": 7, "value": "0"}, {"hash": 2**32 - 3, "value": "1"}],
        "float_features": [{"feature_index": 0, "borders": [0.5], "nan_value_treatment": "AsTrue"}],
        "categorical_features": [{"feature_index": 0, "values": [-3]}],
        "ctrs": [
            {
                "identifier": "one",
                "ctr_type": "Borders",
                "elements": [
                    {"combination_element": "cat_feature_value", "cat_feature_index": 0},
                    {"combination_element": "float_feature", "float_feature_index": 0, "border": 0.5},
                    {"combination_element": "cat_feature_exact_value", "cat_feature_index": 0, "value": -3},
                ],
                "prior_numerator": 0.5,
                "prior_denomerator": 1,
                "scale": 15,
                "shift": 0,
                "target_border_idx": 0,
                "borders": [7.0],
            }
        ],
    },
    "scale_and_bias": [2, [0]],
}
M = 0x4906BA494954CB65


def key_of(category, above, equal):
    """The library's hash, in whole numbers without end."""
    found = 0
    for part in (category, above, equal):
        found = M * (found + M * part) % 2**64
    return found


def model(**more):
    data = {"hash_stride": 3, "hash_map": [str(2**64 - 1), 9, 9, str(key_of(-3, 1, 1)), 1, 3]}
    return MODEL | {"ctr_data": {"one": data | {"counter_denominator": 0}}} | more


def rows():
    return torch.tensor([[0.0], [1.0], [1.0], [float("nan")]]), torch.tensor([[1], [1], [0], [0]])


def test_an_oblivious_tree_counts_its_answers_as_bits():
    splits = [{"split_index": i} for i in range(3)]
    trees = trees_of(
        model(oblivious_trees=[{"leaf_values": list(range(8)), "splits": splits}]), n_num=1, cardinalities=(2,)
    )
    features = trees.features(*rows(), trees.search)
    # Of the combination that training held: (3 + 1/2) of (1 + 3 + 1), and of others (1/2) of 1; in fifteenths.
    np.testing.assert_allclose(features[:, 3], [7.5, 10.5, 7.5, 7.5])
    # Missing counts as above here; the sums are doubled.
    np.testing.assert_array_equal(trees.sums(features.numpy())[:, 0], [2 * 6, 2 * 7, 2 * 5, 2 * 5])


def test_a_nested_tree():
    leaf = {"value": [1.0, -1.0]}
    inner = {"split": {"split_index": 1}, "left": leaf, "right": {"value": [2.0, 0.0]}}
    whole = {"split": {"split_index": 0}, "left": {"value": [5.0, 6.0]}, "right": inner}
    trees = trees_of(model(trees=[whole]), n_num=1, cardinalities=(2,))
    sums = trees.sums(trees.features(*rows(), trees.search).numpy())
    np.testing.assert_array_equal(sums, 2 * np.array([[5, 6], [2, 0], [1, -1], [1, -1]]))


def test_other_kinds_of_statistics():
    """Shares of a bucket, counts and means."""
    entry = MODEL["features_info"]["ctrs"][0]
    for kind, expected in (
        ("Buckets", 15 * 1.5 / 5),
        ("Counter", 15 * 1.5 / 11),
        ("FloatTargetMeanValue", 15 * 1.5 / 4),
    ):
        changed = MODEL["features_info"] | {"ctrs": [entry | {"ctr_type": kind}]}
        found = model(features_info=changed, oblivious_trees=[{"leaf_values": [1.0], "splits": []}])
        found["ctr_data"]["one"]["counter_denominator"] = 10
        trees = trees_of(found, n_num=1, cardinalities=(2,))
        np.testing.assert_allclose(trees.features(*rows(), trees.search)[1, 3], expected, rtol=1e-6)


def test_what_belongs_to_one_combination_is_looked_up_once(monkeypatch):
    """Also where two statistics were counted on other rows; by place, or by hash where there can be too many."""
    entry = MODEL["features_info"]["ctrs"][0]
    other = entry | {"identifier": "two", "borders": [8.0]}
    changed = MODEL["features_info"] | {"ctrs": [entry, entry | {"elements": entry["elements"][:1]}, other]}
    found = model(features_info=changed, oblivious_trees=[{"leaf_values": [0.0, 1.0], "splits": [{"split_index": 4}]}])
    table = {"hash_stride": 3, "hash_map": [str(key_of(7, 0, 0)), 0, 4, str(key_of(-3, 1, 1)), 2, 2]}
    found["ctr_data"]["two"] = table | {"counter_denominator": 0}
    for largest in (2**15, 0):
        monkeypatch.setattr("colonnade.baselines.catboost_trees.LARGEST", largest)
        trees = trees_of(found, n_num=1, cardinalities=(2,))
        assert [each.values.shape[1] for each in trees.statistics] == [2, 1]
        features = trees.features(*rows(), trees.search)[:, 3:]
        np.testing.assert_allclose(features[:, 0], [7.5, 10.5, 7.5, 7.5])
        np.testing.assert_allclose(features[:, 1], [7.5, 7.5, 7.5, 13.5], rtol=1e-6)
        # The fifth question is the last entry's, which lies beside the first one's.
        np.testing.assert_array_equal(trees.sums(np.eye(6, dtype=np.float32) * 9)[:, 0], [0, 0, 0, 0, 2, 0])
