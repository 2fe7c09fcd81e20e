"""Denoising: what is spoiled, what it costs, and how it is measured, against formulas written out."""

import pytest
import torch
from torch.nn import functional as F

from colonnade.core.batch import Batch
from colonnade.core.spec import BatchSpec
from colonnade.tasks.denoising import Denoising

SPEC = BatchSpec(
    num_names=("a", "b"),
    cat_names=("c", "d"),
    cardinalities=(5, 3),
    target_kind="real",
    target_names=("a", "b", "c", "d"),
)


def rows(n=400):
    generator = torch.Generator().manual_seed(1)
    cat = torch.stack(
        [torch.randint(2, 5, (n,), generator=generator), torch.randint(0, 3, (n,), generator=generator)], 1
    )
    return Batch(num=torch.randn(n, 2, generator=generator), cat=cat, row_id=torch.arange(n))


def ready(**options):
    task = Denoising(**options)
    task.setup(SPEC)
    return task


def test_swapped_entries_are_those_of_other_rows_and_the_others_stay():
    batch, task = rows(), ready(rate=0.25)
    torch.manual_seed(3)
    posed = task.posed(batch, training=True)
    values, differs = posed.target[:, :4], posed.target[:, 4:]
    truth, shown = torch.cat([batch.num, batch.cat.float()], 1), torch.cat([posed.num, posed.cat.float()], 1)
    asked = ~values.isnan()
    assert 0.2 < asked.double().mean() < 0.3
    assert torch.equal(values[asked], truth[asked])
    assert torch.equal(shown[~asked], truth[~asked])
    assert torch.equal(differs.bool(), shown != truth)
    for column in range(4):
        assert torch.isin(shown[:, column], truth[:, column]).all()
    assert posed.cat.dtype == batch.cat.dtype
    # The numbers of the next step are others, those of the same seed the same.
    assert not torch.equal(task.posed(batch, training=True).num, posed.num)
    torch.manual_seed(3)
    assert torch.equal(task.posed(batch, training=True).num, posed.num)


def test_masked_entries_are_missing_and_zero():
    posed = ready(corruption="mask", rate=0.5).posed(rows(), training=True)
    asked = ~posed.target[:, :4].isnan()
    assert (posed.num[asked[:, :2]] == 0).all()
    assert (posed.cat[asked[:, 2:]] == 0).all()


def test_evaluation_always_sees_the_same_noise():
    task, batch = ready(), rows()
    first = task.posed(batch, training=False)
    torch.manual_seed(9)
    state = torch.get_rng_state()
    assert torch.equal(task.posed(batch, training=False).num, first.num)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("everything", [False, True])
def test_the_loss_is_that_of_its_formula(everything):
    task, batch = ready(objective="both", rate=0.4, everything=everything), rows(50)
    target = task.posed(batch, training=False).target
    raw = torch.randn(50, 3, *task.out_shape(SPEC), generator=torch.Generator().manual_seed(2))
    assert raw.shape[-1] == 2 + 5 + 3 + 4
    expected = []
    for i in range(50):
        of_members = []
        for m in range(3):
            out, losses = raw[i, m], []
            for j in range(2):
                losses.append((out[j] - batch.num[i, j]) ** 2)
            losses.append(F.cross_entropy(out[2:7][None], batch.cat[i, :1]))
            losses.append(F.cross_entropy(out[7:10][None], batch.cat[i, 1:]))
            counts = torch.ones(4) if everything else (~target[i, :4].isnan()).float()
            reconstruction = (torch.stack([each.reshape(()) for each in losses]) * counts).sum() / (
                4 if everything else 1.6
            )
            of_members.append(reconstruction + F.binary_cross_entropy_with_logits(out[10:], target[i, 4:]))
        expected.append(torch.stack(of_members).mean())
    torch.testing.assert_close(task.row_loss(raw, target), torch.stack(expected))


def test_measures_count_what_was_asked_for():
    task, batch = ready(objective="both"), rows()
    target = task.posed(batch, training=False).target
    raw = torch.zeros(400, 1, 14)
    raw[:, 0, :2] = 0.5
    raw[:, 0, 2 + 3] = raw[:, 0, 7 + 1] = 1.0
    weight = torch.arange(400) % 2 + 0.0
    found = task.metrics(task.decode(raw), target, weight)
    counted = target[1::2]
    mse = [(counted[:, j][~counted[:, j].isnan()].double() - 0.5).square().mean() for j in range(2)]
    hit = [(counted[:, j][~counted[:, j].isnan()] == code).double().mean() for j, code in ((2, 3), (3, 1))]
    assert found["mse"] == pytest.approx(float(sum(mse)) / 2)
    assert found["accuracy"] == pytest.approx(float(sum(hit)) / 2)
    assert found["mask_accuracy"] == pytest.approx(float((counted[:, 4:] == 0).double().mean()))
    assert found["r2"] < 0
    perfect = raw.clone()
    perfect[:, 0, :2] = batch.num
    perfect[:, 0, 2:10] = torch.cat([F.one_hot(batch.cat[:, 0], 5), F.one_hot(batch.cat[:, 1], 3)], 1).float()
    best = task.metrics(task.decode(perfect), target, None)
    assert (best["mse"], best["r2"], best["accuracy"]) == (0, 1, 1)


def test_what_there_is_nothing_to_measure_of_is_left_out():
    task = Denoising(objective="mask")
    task.setup(SPEC)
    assert list(task.measures) == ["mask_accuracy"]
    assert task.out_shape(SPEC) == (4,)
    with pytest.raises(ValueError, match="corruption='noise' must be swap or mask"):
        Denoising(corruption="noise")
    with pytest.raises(ValueError, match=r"rate=1.0 must be in \(0, 1\)"):
        Denoising(rate=1.0)
