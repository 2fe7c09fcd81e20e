"""What every backbone of sequences must do inside a network. Each check raises AssertionError and says what went wrong.

Example: the whole suite over one's own backbone::

    def build(spec):
        return SequenceNetwork(spec=spec, backbone=partial(MyBackbone, d_block=8))

    for check in CHECKS:
        check(build)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from colonnade.core.batch import Batch
from colonnade.core.spec import BatchSpec
from colonnade.nn.blocks.attention import SelfAttention
from colonnade.nn.blocks.dropout import Dropout
from colonnade.nn.embed.categorical import CategoricalEmbedding
from colonnade.nn.sequence import SequenceNetwork
from colonnade.testing.networks import check_exported, close, near_under_autocast, seeded, trained_a_little

Build = Callable[[BatchSpec], SequenceNetwork]

LENGTHS = (5, 1, 9, 12, 3, 12, 2, 7)


def toy_spec(*, n_num: int = 3, cardinalities: tuple[int, ...] = (4,), out_shape: tuple[int, ...] = (2,)) -> BatchSpec:
    """A specification of sequences of at most 12 steps."""
    return BatchSpec(
        num_names=tuple(f"num{i}" for i in range(n_num)),
        cat_names=tuple(f"cat{i}" for i in range(len(cardinalities))),
        cardinalities=cardinalities,
        target_kind="real",
        target_names=tuple(f"y{i}" for i in range(out_shape[0])),
        n_train=100,
        out_shape=out_shape,
        n_steps=max(LENGTHS),
    )


def toy_batch(spec: BatchSpec, lengths: tuple[int, ...] = LENGTHS, *, steps: int | None = None, seed: int = 0) -> Batch:
    """Random sequences of the given lengths, padded with random numbers to the longest, or to ``steps``."""
    generator = torch.Generator().manual_seed(seed)
    n, t = len(lengths), max(lengths) if steps is None else steps
    codes = [torch.randint(0, c, (n, t, 1), generator=generator) for c in spec.cardinalities]
    return Batch(
        num=torch.randn((n, t, spec.n_num), generator=generator),
        cat=torch.cat(codes, -1) if codes else torch.zeros((n, t, 0), dtype=torch.int64),
        mask=torch.arange(t) < torch.tensor(lengths).unsqueeze(1),
    )


def check_shapes(build: Build) -> None:
    """``raw`` is ``(B, members, *out_shape)`` for every task, for one sequence, and for one of a single step."""
    for out_shape in ((1,), (3,), (1, 3)):
        spec = toy_spec(out_shape=out_shape)
        network = seeded(build, spec)
        for lengths in (LENGTHS, (4,), (1,)):
            network.train(len(lengths) > 1)
            raw = network(toy_batch(spec, lengths)).raw
            expected = (len(lengths), network.backbone.n_members, *out_shape)
            assert raw.shape == expected, f"raw has the shape {tuple(raw.shape)}: expected {expected}"
            assert raw.isfinite().all(), f"not finite at lengths {lengths}"


def check_channels(build: Build) -> None:
    """Sequences of numbers alone, of categories alone, and of a single channel work."""
    for n_num, cardinalities in ((3, ()), (0, (4, 9)), (1, ()), (0, (3,))):
        spec = toy_spec(n_num=n_num, cardinalities=cardinalities)
        raw = seeded(build, spec)(toy_batch(spec)).raw
        assert raw.isfinite().all(), f"not finite with {n_num=}, {cardinalities=}"


def check_padding(build: Build) -> None:
    """Neither the length of the padding nor what stands in it changes an output, nor a gradient in training."""
    spec = toy_spec()
    network = _trained_a_little(build, spec)
    short = toy_batch(spec)
    long = toy_batch(spec, steps=20, seed=5)
    assert short.mask is not None
    assert long.mask is not None
    long.num[long.mask], long.cat[long.mask] = short.num[short.mask], short.cat[short.mask]
    long.num[~long.mask] = 1e4
    with torch.no_grad():
        close(network(long).raw, network(short).raw, "a longer padding gives other outputs")
        for i, length in enumerate(LENGTHS):
            alone = network(short.rows(i, i + 1).until(length)).raw
            close(alone, network(short).raw[i : i + 1], f"a sequence of {length} steps alone gives another output")
    network = _without_dropout(network.train())
    found = [_gradients(network, batch) for batch in (short, long)]
    for (name, one), other in zip(found[0].items(), found[1].values()):
        close(other, one, f"a longer padding gives {name} another gradient")


def check_mask(build: Build) -> None:
    """No mask means that all steps are valid, and every valid step counts."""
    spec = toy_spec()
    network = _trained_a_little(build, spec)
    batch = toy_batch(spec, (6,) * 4)
    with torch.no_grad():
        whole = network(replace(batch, mask=None)).raw
        close(network(batch).raw, whole, "a mask of valid steps alone gives other outputs")
        for step in range(6):
            changed = batch.num.clone()
            changed[:, step] += 3.0
            assert not network(replace(batch, num=changed)).raw.allclose(whole), f"step {step} has no effect"


def check_order(build: Build) -> None:
    """The order of the steps matters."""
    spec = toy_spec()
    network = _trained_a_little(build, spec)
    batch = toy_batch(spec, (8,) * 4)
    with torch.no_grad():
        turned = replace(batch, num=batch.num.flip(1), cat=batch.cat.flip(1))
        assert not network(turned).raw.allclose(network(batch).raw), "a sequence turned round gives the same output"


def check_rows_independent(build: Build) -> None:
    """In evaluation the output of a sequence does not depend on the others of the batch, nor on its place."""
    spec = toy_spec()
    network = _trained_a_little(build, spec)
    batch = toy_batch(spec)
    order = torch.randperm(len(batch), generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        close(network(batch.take(order)).raw, network(batch).raw[order], "sequences in another order differ")


def check_gradients(build: Build) -> None:
    """Every parameter gets a finite gradient that is not zero throughout."""
    spec = toy_spec()
    for name, gradient in _gradients(seeded(build, spec).train(), toy_batch(spec, LENGTHS * 4)).items():
        assert gradient.isfinite().all(), f"the gradient of {name} is not finite"
        assert gradient.any(), f"the gradient of {name} is zero"


def check_state_round_trip(build: Build) -> None:
    """A network rebuilt from the stored specification takes the state and gives the same outputs."""
    spec = toy_spec()
    network = _trained_a_little(build, spec)
    rebuilt = seeded(build, BatchSpec.from_dict(spec.to_dict()), seed=9)
    rebuilt.load_state_dict(network.state_dict())
    batch = toy_batch(spec)
    assert torch.equal(rebuilt.eval()(batch).raw, network(batch).raw), "a reloaded network gives other outputs"


def check_seeded(build: Build) -> None:
    """The same seed gives the same weights and, dropout included, the same training outputs; another seed others."""
    spec = toy_spec()
    batch = toy_batch(spec)
    first, same, other = (seeded(build, spec, seed=seed).train()(batch).raw for seed in (5, 5, 6))
    assert torch.equal(first, same), "the same seed gives other outputs"
    assert not torch.equal(first, other), "the seed has no effect"


def check_autocast(build: Build) -> None:
    """Training under bfloat16 autocast runs, and comes near to float32."""
    spec = toy_spec()
    near_under_autocast(_trained_a_little(build, spec), toy_batch(spec))


def check_export(build: Build) -> None:
    """The network exports to ONNX, with free numbers of sequences and steps.

    It takes seconds, and is not among :data:`CHECKS`.
    """
    spec = toy_spec()
    network = _trained_a_little(build, spec)
    lengths = ((4,), (1,), (1, 2), (12, 3, 7, 9, 17, 5, 6))
    check_exported(network, toy_batch(spec, (5, 3, 4)), [toy_batch(spec, some, seed=1) for some in lengths])


CHECKS = (
    check_shapes,
    check_channels,
    check_padding,
    check_mask,
    check_order,
    check_rows_independent,
    check_gradients,
    check_state_round_trip,
    check_seeded,
    check_autocast,
)


def _gradients(network: SequenceNetwork, batch: Batch) -> dict[str, Tensor]:
    network.zero_grad()
    network(batch).raw.square().mean().backward()
    found = {name: parameter.grad for name, parameter in network.named_parameters()}
    for name, gradient in found.items():
        assert gradient is not None, f"no gradient reaches {name}"
    return {name: gradient.clone() for name, gradient in found.items() if gradient is not None}


def _without_dropout(network: SequenceNetwork) -> SequenceNetwork:
    """Nothing random is left: a longer padding moves the random numbers of other steps."""
    for part in network.modules():
        if isinstance(part, (Dropout, SelfAttention, CategoricalEmbedding)):
            part.eval()
    return network


def _trained_a_little(build: Build, spec: BatchSpec) -> SequenceNetwork:
    return trained_a_little(seeded(build, spec), (toy_batch(spec, LENGTHS * 2, seed=seed) for seed in range(3)))
