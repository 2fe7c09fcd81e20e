"""What the checks of all kinds of networks share."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from typing import TypeVar

import torch
from torch import Tensor, nn

from colonnade.core.batch import Batch
from colonnade.core.optional import optional_import
from colonnade.core.spec import BatchSpec

N = TypeVar("N", bound=nn.Module)


def seeded(build: Callable[[BatchSpec], N], spec: BatchSpec, seed: int = 0) -> N:
    """A network whose first weights depend on the seed alone."""
    torch.manual_seed(seed)
    return build(spec)


def trained_a_little(network: N, batches: Iterable[Batch]) -> N:
    """In evaluation mode, after steps that move running statistics and whatever begins at zero or one."""
    network.train()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.05)
    for batch in batches:
        (network(batch).raw - 1).square().mean().backward()
        optimizer.step()
        optimizer.zero_grad()
    return network.eval()


def near_under_autocast(network: nn.Module, batch: Batch) -> None:
    """Training under bfloat16 autocast runs, and comes near to float32."""
    exact = network(batch).raw
    with torch.autocast("cpu", torch.bfloat16):
        network.train()(batch).raw.float().square().mean().backward()
        rough = network.eval()(batch).raw.float()
    assert (rough - exact).abs().max() < 0.1 * (1 + exact.abs().max()), "bfloat16 is far from float32"


def close(found: Tensor, expected: Tensor, message: str) -> None:
    """Outputs are the same but for rounding."""
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5, msg=lambda text: f"{message}: {text}")


def check_exported(network: nn.Module, seen: Batch, others: Iterable[Batch]) -> None:
    """The network of sequences exports to ONNX, and gives the same numbers there, whatever the number of sequences; and
    of steps, where they are masked.

    Args:
        network: in evaluation mode.
        seen: by the exporter; neither one sequence nor one step.
        others: what is compared.

    Raises:
        MissingExtraError: if onnx, onnxscript or onnxruntime is not installed.
    """
    from colonnade.deploy.networks import for_export

    for package in ("onnx", "onnxscript"):
        optional_import(package, "dev")
    runtime = optional_import("onnxruntime", "dev")
    free = {0: "batch"} if seen.mask is None else {0: "batch", 1: "time"}
    names = ["num", "cat"] if seen.mask is None else ["num", "cat", "mask"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own
        program = torch.onnx.export(
            _Flat(for_export(network)),
            tuple(getattr(seen, name) for name in names),
            dynamo=True,
            opset_version=20,
            external_data=False,
            verbose=False,
            dynamic_shapes=[free] * len(names),
            input_names=names,
        )
    assert program is not None
    session = runtime.InferenceSession(program.model_proto.SerializeToString(), providers=["CPUExecutionProvider"])
    used = [value.name for value in session.get_inputs()]
    for batch in others:
        (found,) = session.run(None, {name: getattr(batch, name).numpy() for name in used})
        with torch.no_grad():
            right = network(batch).raw
        shape = tuple(batch.num.shape[:2])
        close(torch.from_numpy(found), right, f"the exported network differs at {shape} sequences and steps")


class _Flat(nn.Module):
    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, num: Tensor, cat: Tensor, mask: Tensor | None = None) -> Tensor:
        raw: Tensor = self.network(Batch(num=num, cat=cat, mask=mask)).raw
        return raw
