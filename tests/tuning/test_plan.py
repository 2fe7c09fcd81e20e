import pytest

from colonnade.config.compose import compose
from colonnade.core.errors import ConfigError
from colonnade.tuning.plan import cell_key

DATA = "data=breast_cancer"


def test_a_grid_has_every_combination_once(planned):
    found = planned("model=linear,mlp", "seed=1,2,2", DATA, "optim.weight_decay=0.1")
    assert [cell.key for cell in found.cells] == [
        "model=linear,seed=1",
        "model=linear,seed=2",
        "model=mlp,seed=1",
        "model=mlp,seed=2",
    ]
    assert found.swept == ("model", "seed")
    assert found.fixed == (DATA, "optim.weight_decay=0.1")
    assert found.cells[3].words == (*found.fixed, "model=mlp", "seed=2")
    assert (found.cells[3].cfg.seed, found.cells[3].cfg.choices.model) == (2, "mlp")


def test_a_cell_is_what_the_same_words_compose_to(planned):
    [cell] = planned("optim.lr=0.02", "model=mlp", DATA, "seed=range(3,4)").cells
    assert cell.cfg == compose(cell.words)


def test_the_name_of_a_search_does_not_depend_on_the_values_that_are_swept(planned):
    name = planned("model=linear,mlp", "seed=1,2", DATA).name
    assert planned("seed=1,2,3", DATA, "model=linear,mlp,resnet", "tune.retry_failed=true", "fresh=true").name == name
    assert planned("model=linear,mlp", "seed=1,2", "data=wine").name != name
    assert planned("model=linear,mlp", "seed=1,2", DATA, "optim.lr=0.1").name != name
    assert planned("model=linear", "seed=1,2", DATA).name != name


def test_a_slip_in_any_cell_is_told_before_the_first_job(planned):
    with pytest.raises(ConfigError) as error:
        planned("model=linear,mlp", "optim.lr=0.1,-1", DATA)
    assert str(error.value) == (
        "configuration: optim: lr must be above 0, not -1 (in model=linear,optim.lr=-1; model=mlp,optim.lr=-1)"
    )


def test_every_seed_is_checked(planned):
    with pytest.raises(ConfigError) as error:
        planned("seed=1,2,x,-3", DATA)
    assert "seed: expected a whole number, got the text 'x' (in seed=x)" in str(error.value) or "seed=x" in str(
        error.value
    )
    assert "must be at least 0, got -3" in str(error.value)


def test_nothing_swept_is_one_training(planned):
    [cell] = planned("model=linear", DATA).cells
    assert cell.key == "run"


def test_a_grid_cannot_run_an_interval(planned):
    with pytest.raises(ConfigError, match=r"a grid cannot run an interval; tune=tpe samples it"):
        planned("optim.lr=interval(0.1,1)", DATA)


def test_the_search_itself_has_one_value(planned):
    with pytest.raises(ConfigError, match="a search has one value of it"):
        planned("seed=1,2", "tune=grid,tpe", DATA)


def test_the_space_of_the_model_and_the_intervals_typed_are_sampled(planned):
    found = planned("model=linear,mlp", "tune=tpe", DATA, "optim.lr=interval(0.1,1)", "optim.weight_decay=0.2")
    linear, mlp = found.cells
    assert (linear.key, mlp.key) == ("model=linear", "model=mlp")
    assert "model.backbone.d_hidden" in mlp.space
    assert "model.backbone.d_hidden" not in linear.space
    lr = mlp.space["optim.lr"].distribution
    assert (lr.low, lr.high, lr.log) == (0.1, 1.0, False), "what is typed wins"
    assert "optim.weight_decay" not in mlp.space, "what is fixed is not sampled"
    assert found.swept[0] == "model"


def test_values_typed_are_choices_of_a_study_and_seeds_are_studies(planned):
    found = planned("model=linear", "tune=random", DATA, "optim.name=adam,adamw", "seed=1,2")
    assert [cell.key for cell in found.cells] == ["seed=1", "seed=2"]
    assert found.cells[0].space["optim.name"].distribution.choices == ("adam", "adamw")


def test_the_bounds_of_a_space_are_checked(planned):
    with pytest.raises(ConfigError, match="dropout"):
        planned("model=mlp", "tune=tpe", DATA, "model.backbone.dropout=interval(0.0,1.5)")


def test_a_key_that_only_a_signature_has_is_searched_too(planned):
    found = planned("model=linear", "tune=tpe", DATA, "+search={optim.betas: 'choice([0.9,0.99],[0.9,0.999])'}")
    assert found.cells[0].space["optim.betas"].word("[0.9,0.99]") == "++optim.betas=[0.9,0.99]"


def test_a_key_that_exists_nowhere_is_told(planned):
    with pytest.raises(ConfigError, match=r"'model.backbone.heads' is not part of this configuration"):
        planned("model=mlp", "tune=tpe", DATA, "+search={model.backbone.heads: 'choice(1,2)'}")


@pytest.mark.parametrize(
    ("values", "key"),
    [
        ({"seed": "1", "model": "a"}, "model=a,seed=1"),
        ({"model": "deep/net"}, "model=deep+net"),
    ],
)
def test_plain_keys(values, key):
    assert cell_key(values) == key


def test_odd_and_long_keys_are_told_apart():
    odd = [cell_key({"data.path": text}) for text in ("a b.csv", "a_b.csv", "a*b.csv", "x" * 300, "x" * 301)]
    assert len(set(odd)) == 5
    assert max(map(len, odd)) <= 120
