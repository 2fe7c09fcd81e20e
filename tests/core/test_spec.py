import json

import torch

from colonnade.core.spec import BatchSpec


def test_a_specification_survives_its_json_without_the_sample():
    spec = BatchSpec(
        num_names=("a", "b"),
        cat_names=("c",),
        cardinalities=(5,),
        target_kind="class",
        target_names=("y",),
        classes=("no", "yes"),
        class_counts=(3, 4),
        n_train=7,
        out_shape=(1,),
        num_sample=torch.zeros(7, 2),
    )
    data = json.loads(json.dumps(spec.to_dict()))
    assert "num_sample" not in data
    assert BatchSpec.from_dict(data) == spec
    assert (spec.n_num, spec.n_cat) == (2, 1)
