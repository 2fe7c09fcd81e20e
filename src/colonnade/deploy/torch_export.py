"""TorchExport: what ``export: torch`` in a configuration builds; the Predictor as a program of ``torch.export``."""

from __future__ import annotations

import json
import logging
import os
import shutil
import warnings
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

import torch
from torch import Tensor, nn
from torch.export.passes import move_to_device_pass

from colonnade.baselines.base import OfTrees
from colonnade.core.errors import ConfigError, ExportError
from colonnade.data.encoder import Encoder
from colonnade.deploy.half import check_half, with_half
from colonnade.deploy.kinds import HALVES
from colonnade.deploy.onnx_export import Exportable, facts
from colonnade.deploy.runtime import PLAIN
from colonnade.deploy.scanned import for_program
from colonnade.tasks.forecast_distribution import DistributionDecoder

if TYPE_CHECKING:
    import polars as pl

    from colonnade.deploy.parity import Parity
    from colonnade.deploy.program_parity import Program

FACTS = "facts.json"
"""What a program says of itself, among its extra files."""
DEVICE = "device"
"""What a program says of the one it was compiled for, unless that is the processor."""
OF_TORCH = "AOTI_"
CPU, CUDA = "cpu", "cuda"
ROWS, STEPS = 3, 5
"""Of the example that torch sees; any numbers but 0 and 1."""


class TorchExport:
    """The Predictor alone, codes to decoded predictions, for whoever has torch and nothing of colonnade.

    Args:
        tolerance: largest difference between program and model, above 0, see
            :class:`~colonnade.deploy.onnx_export.OnnxExport`.
        rows: real rows that both are given, from 1.
        compile: whether AOTInductor makes machine code of it, for the kind of processor, or GPU, that it is made on.
        compute: ``fp16`` or ``bf16``: what follows the embeddings up to the raw outputs is computed in 16 bits, which
            GPUs do several times as fast, once the exact program has been compared; None: in float32.
        quantize_tolerance: largest mean difference of an output that this may make, above 0, see
            :class:`~colonnade.deploy.onnx_export.OnnxExport`.
        device: ``cpu`` or ``cuda``, on which it is compared, and for which it is compiled. What is not compiled runs on
            both.

    Raises:
        ValueError: an argument is out of range.
        ConfigError: it is to be compiled, and there is no C++ compiler; or there is no GPU.
    """

    file = "model.pt2"

    def __init__(
        self,
        *,
        tolerance: float = 1e-5,
        rows: int = 1000,
        compile: bool = False,
        compute: str | None = None,
        quantize_tolerance: float = 0.01,
        device: str = CPU,
    ) -> None:
        if not tolerance > 0:
            raise ValueError(f"tolerance must be above 0, got {tolerance}")
        if rows < 1:
            raise ValueError(f"rows must be 1 or more, got {rows}")
        if compute is not None and compute not in HALVES:
            raise ValueError(f"compute must be one of {', '.join(HALVES)}, or null, got {compute}")
        if not quantize_tolerance > 0:
            raise ValueError(f"quantize_tolerance must be above 0, got {quantize_tolerance}")
        if device not in (CPU, CUDA):
            raise ValueError(f"device must be {CPU} or {CUDA}, got {device}")
        if device == CUDA and not torch.cuda.is_available():
            raise ConfigError("export.torch.device=cuda: torch finds no GPU here; what is made for cpu runs on one too")
        if compile and shutil.which(os.environ.get("CXX", "g++")) is None:
            raise ConfigError("export.torch.compile=true needs a C++ compiler, and there is no g++ (CXX names others)")
        self.tolerance = tolerance
        self.rows = rows
        self.compile = compile
        self.compute = compute
        self.quantize_tolerance = quantize_tolerance
        self.device = device

    def check(self, model: nn.Module) -> None:
        """Refuse what cannot be exported, best before it is trained.

        Args:
            model: a network, a baseline, an encoder, or a predictor that holds such.

        Raises:
            ConfigError: trees, which are no operations of torch; steps of a pipeline, or quantiles, that are none. Or
                no network, which alone is computed in 16 bits.
        """
        for part in model.modules():
            if isinstance(part, DistributionDecoder):
                part.check_graph()
            if isinstance(part, Encoder):
                part.check_exportable()
        if self.compute is not None:
            check_half(model, self.compute)
        if any(isinstance(part, OfTrees) for part in model.modules()):
            raise ConfigError("export=torch: trees are no operations of torch; export=onnx takes them")

    def __call__(self, trained: Exportable, frame: pl.DataFrame, out: Path) -> Parity:
        """Export, compare, and write.

        Args:
            trained: what is exported.
            frame: typed rows to compare on; of series that are forecast, windows.
            out: the file; an older one is replaced when the new one is whole.

        Returns:
            What was compared.

        Raises:
            ConfigError: see :meth:`check`.
            ExportError: torch cannot export or compile the model, or program and model differ. Nothing is written.
        """
        from colonnade.deploy.program_parity import check_program, check_rounded
        from colonnade.deploy.rows import spread

        self.check(trained.predictor)
        predictor, lookup, spec = trained.predictor, trained.lookup, trained.spec
        chosen = frame[spread(frame.height, self.rows)]
        out.parent.mkdir(parents=True, exist_ok=True)
        temporary = out.with_name(f".{out.stem}.{os.getpid()}.pt2")
        try:
            self._write(trained, temporary, compile=self.compile and self.compute is None)
            program, _ = load_program(temporary, self.device)
            parity = check_program(
                program, predictor, lookup, spec, chosen, tolerance=self.tolerance, device=self.device
            )
            if self.compute is not None:
                half = with_half(predictor, self.compute)
                self._write(replace(trained, predictor=half), temporary, compile=self.compile)
                program, _ = load_program(temporary, self.device)
                means = check_rounded(
                    program,
                    predictor,
                    lookup,
                    spec,
                    chosen,
                    kind=self.compute,
                    tolerance=self.quantize_tolerance,
                    device=self.device,
                )
                parity = replace(parity, quantized=means)
            os.replace(temporary, out)
        finally:
            temporary.unlink(missing_ok=True)
        return parity

    def _write(self, trained: Exportable, path: Path, *, compile: bool) -> None:
        said = {**facts(trained), "lookup": json.dumps(trained.lookup.to_dict(), ensure_ascii=False)}
        try:
            with torch.no_grad(), warnings.catch_warnings():
                # On weights that are views of others.
                warnings.simplefilter("ignore")
                given = _example(trained)
                predictor = _apart(for_program(trained.predictor))
                # What networks keep of train rows is made by their first run.
                predictor(*given["args"])
                program = torch.export.export(predictor, **given)
                for weight in program.state_dict.values():
                    if not weight.numel():
                        # Read from a file, even an empty one has a place, and torch takes several for parts of one.
                        weight.data = torch.empty_like(weight)
                if compile:
                    from torch._inductor import aoti_compile_and_package

                    if self.device != CPU:
                        program = move_to_device_pass(program, self.device)
                        said[DEVICE] = self.device
                    aoti_compile_and_package(
                        program, package_path=str(path), inductor_configs={"aot_inductor.metadata": said}
                    )
                else:
                    torch.export.save(program, path, extra_files={FACTS: json.dumps(said, ensure_ascii=False)})
        except Exception as error:  # of dozens of classes without a common base
            reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
            raise ExportError(f"export: torch cannot export this model as a program: {reason}") from error


def load_program(path: Path | str, device: str = CPU) -> tuple[Program, dict[str, Any]]:
    """A program that was written, compiled or not, and what it says of itself.

    Args:
        path: the ``.pt2`` file.
        device: ``cpu`` or ``cuda``, on which it is to run.

    Returns:
        It, and its facts: those of a graph (see :class:`~colonnade.deploy.runtime.OnnxModel`) but ``inputs``, and
        ``lookup``, from which :meth:`~colonnade.data.lookup.Lookup.from_dict` makes what texts become codes by.

    Raises:
        ExportError: torch cannot load the file, it was not exported by colonnade, or was compiled for another device.
    """
    from torch._inductor import aoti_load_package

    extra = {FACTS: ""}
    level = logging.getLogger("torch.export").level
    logging.getLogger("torch.export").setLevel(logging.ERROR)
    program: Program
    try:
        loaded = torch.export.load(path, extra_files=extra)
        said = json.loads(extra[FACTS] or "{}")
    except (RuntimeError, AssertionError, KeyError, ValueError, BadZipFile):
        try:
            compiled: Any = aoti_load_package(str(path))
        except RuntimeError as error:
            raise ExportError("it is no program that torch can load") from error
        # Beside ours there is what torch notes of itself.
        told = compiled.get_metadata().items()
        program, said = compiled, {name: text for name, text in told if not name.startswith(OF_TORCH)}
        if (made := said.get(DEVICE, CPU)) != device:
            raise ExportError(f"the program was compiled for {made}, and is to run on {device}") from None
    else:
        program = (loaded if device == CPU else move_to_device_pass(loaded, device)).module()
    finally:
        logging.getLogger("torch.export").setLevel(level)
    if "lookup" not in said:
        raise ExportError("the program was not exported by colonnade: it does not say which columns it takes")
    return program, {name: text if name in (*PLAIN, DEVICE) else json.loads(text) for name, text in said.items()}


def _apart(predictor: nn.Module) -> nn.Module:
    """A copy whose tensors each lie in memory of their own: torch does not save all kinds of views."""
    copied = deepcopy(predictor)
    for tensor in (*copied.parameters(), *copied.buffers()):
        tensor.data = tensor.detach().clone(memory_format=torch.contiguous_format)
    return copied


def _example(trained: Exportable) -> dict[str, Any]:
    """Some rows as torch is to see them, and which of their dimensions are free."""
    lookup, spec = trained.lookup, trained.spec
    shape: tuple[int, ...] = (ROWS,)
    free: dict[int, Any] = {0: torch.export.Dim.DYNAMIC}
    if spec.n_steps is not None:
        shape = (ROWS, STEPS if spec.horizon is None else spec.n_steps)
        free |= {1: torch.export.Dim.DYNAMIC} if spec.horizon is None else {}
    blocks: tuple[Tensor, ...] = (
        torch.zeros((*shape, len(lookup.num)), dtype=torch.float64),
        torch.zeros((*shape, len(lookup.cat)), dtype=torch.int64),
        torch.zeros((*shape, len(lookup.time)), dtype=torch.int64),
    )
    if spec.n_steps is not None:
        blocks += (torch.ones(shape, dtype=torch.bool),)
    return {"args": blocks, "dynamic_shapes": (free,) * len(blocks)}
