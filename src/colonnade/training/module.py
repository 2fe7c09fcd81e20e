"""SupervisedModule: the one LightningModule, which takes several optimizer steps in each ``training_step``."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, Protocol, cast

import torch
from lightning.pytorch import LightningModule
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.core.optimizer import LightningOptimizer
from lightning.pytorch.plugins import MixedPrecision
from lightning.pytorch.strategies import SingleDeviceStrategy
from lightning.pytorch.utilities.model_helpers import is_overridden
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel
from torch.optim import Optimizer

from colonnade.core.batch import Batch
from colonnade.core.chunk import Chunk
from colonnade.core.errors import TrainingError
from colonnade.core.spec import BatchSpec
from colonnade.nn.network import Network
from colonnade.nn.progress import Progressive
from colonnade.tasks.base import Task
from colonnade.training.average import averaged
from colonnade.training.callbacks.auto_compile import AutoCompile, compile_in_place
from colonnade.training.checkpoint_io import AtomicCheckpointIO
from colonnade.training.collect import Collected, Collector, forward_raw, gather
from colonnade.training.epoch_log import log_epoch
from colonnade.training.groups import base_rate
from colonnade.training.losses import StepLosses
from colonnade.training.optim import OptimizerBuilder, Rate
from colonnade.training.seeding import reseed, step_seed

log = logging.getLogger(__name__)

STATE = "colonnade"
STEP_HOOKS = ("on_before_backward", "on_after_backward", "on_before_optimizer_step", "on_before_zero_grad")


class StepLoader(Protocol):
    """What the module asks of the training loader, besides chunks."""

    @property
    def n_steps(self) -> int:
        """Optimizer steps of an epoch."""
        ...


class SupervisedModule(LightningModule):
    """Trains a network on a task.

    Lightning's loop costs 600-1500 us a turn; a chunk of optimizer steps shares one turn. The random numbers of a step
    follow from (seed, epoch, step, rank) alone, so a resumed training repeats an uninterrupted one bit for bit, and the
    size of the chunks changes nothing.

    Args:
        network: the network.
        task: loss, decoding and metrics, set up.
        optim: optimizer and schedule.
        spec: of the data, with ``out_shape``.
        seed: of the random numbers within the network.
        eval_rows: rows of a forward pass in evaluation on a processor, so that the work stays in its cache; None: whole
            batches, as always on a GPU.
        micro_batch: largest number of rows of a forward and backward pass in training; the gradients of a step are
            summed over its pieces. None: whole batches.
        max_tokens: of sequences, largest number of steps, padding included, of a forward and backward pass, in training
            (as ``micro_batch``) and in evaluation, but one sequence at least; None: any.
        ema: decay of the moving average of the weights, by which the network is then evaluated and kept; None: no
            average.
        swa: share of the training after which the plain mean of the weights begins, in place of ``ema``; None: none.
        compile: backend of ``torch.compile``, such as ``"inductor"`` (True); False: not compiled; ``"auto"``: as
            :class:`~colonnade.training.callbacks.auto_compile.AutoCompile` decides, of the precision too.

    Raises:
        ValueError: an argument is out of range; the text names it and the range.
    """

    def __init__(
        self,
        *,
        network: Network,
        task: Task,
        optim: OptimizerBuilder,
        spec: BatchSpec,
        seed: int = 0,
        eval_rows: int | None = None,
        micro_batch: int | None = None,
        max_tokens: int | None = None,
        ema: float | None = None,
        swa: float | None = None,
        compile: bool | str = False,
    ) -> None:
        super().__init__()
        for name, value in (("eval_rows", eval_rows), ("micro_batch", micro_batch), ("max_tokens", max_tokens)):
            if value is not None and value < 1:
                raise ValueError(f"{name} must be 1 or more, or null, not {value!r}")
        self.automatic_optimization = False
        self.allow_zero_length_dataloader_with_multiple_devices = True
        self.network = network
        self.task = task
        self.optim = optim
        self.spec = spec
        self.seed = seed
        self.eval_rows = eval_rows
        self.micro_batch = micro_batch
        self.max_tokens = max_tokens
        self.average = averaged(network, ema=ema, swa=swa)
        self._decides = compile == "auto"
        if compile is not False and not self._decides:
            compile_in_place({network, self.evaluated}, "inductor" if compile is True else compile)
        self.seconds_before = 0.0
        """How long the trainings took that this one goes on with."""
        self._begun = time.monotonic()
        self._losses = StepLosses()
        self._collector = Collector(spec.out_shape)
        self._undefined: set[str] = set()
        self._validated = False
        self._plain = False
        self._parameters_trained: list[Tensor] = []
        self._progressive: list[Progressive] = []
        self._rate: Rate | None = None

    @property
    def evaluated(self) -> Network:
        """The network that is evaluated and kept: the average if there is one."""
        return self.network if self.average is None else self.average.module  # type: ignore[return-value]

    @property
    def losses(self) -> StepLosses:
        """Losses of the running epoch."""
        return self._losses

    def forward(self, batch: Batch) -> Tensor:
        """Raw outputs ``(B, members, *out_shape)`` of the evaluated network."""
        return forward_raw(self.evaluated, batch, self._cached_rows(batch, batch.num.device))

    def configure_callbacks(self) -> list[Callback]:
        """What decides whether to compile, where that is asked for."""
        return [AutoCompile({self.network, self.evaluated})] if self._decides else []

    # Training

    def configure_optimizers(self) -> Optimizer | OptimizerLRSchedulerConfig:
        """The optimizer, and torch's scheduler if the schedule follows the monitored metric."""
        # A fused optimizer undoes the scaling of float16 gradients itself, which is too late for clipping.
        optimizer = self.optim.build(self.network, may_fuse=not (self._scales() and self.optim.grad_clip is not None))
        plateau = self.optim.plateau(optimizer, self.task.mode)
        return optimizer if plateau is None else {"optimizer": optimizer, "lr_scheduler": plateau}

    def on_train_start(self) -> None:
        """Look at the trainer once, so that no step has to."""
        optimizer = self._optimizer()
        self._parameters_trained = [p for group in optimizer.param_groups for p in group["params"]]
        self._progressive = [part for part in self.network.modules() if isinstance(part, Progressive)]
        self._rate = self.optim.rate(
            max_epochs=self.trainer.max_epochs,
            steps_per_epoch=cast(StepLoader, self.trainer.train_dataloader).n_steps,
            progressive=bool(self._progressive),
        )
        # Lightning's way round every backward and every step costs as much as a small network. It is taken where it
        # does something: with processes, a gradient scaler, or callbacks that look at single steps.
        callbacks: list[Callback] = self.trainer.callbacks  # type: ignore[attr-defined]
        self._plain = (
            isinstance(self.trainer.strategy, SingleDeviceStrategy)
            and not self._scales()
            and not any(is_overridden(hook, c, Callback) for c in callbacks for hook in STEP_HOOKS)
        )
        if self.average is not None:
            self.average.begin(self._rate.total)

    def training_step(self, chunk: Chunk, batch_idx: int) -> None:
        """Take the optimizer steps of a chunk.

        Raises:
            TrainingError: a loss is not finite; the rows are named.
        """
        assert self._rate is not None
        device, rank, first = self.device, self.global_rank, self.trainer.global_step
        optimizer, average, parameters = self._optimizer(), self.average, self._parameters_trained
        shares = chunk.shares()
        for i, (step, batch, _) in enumerate(chunk.steps()):
            reseed(device, step_seed(self.seed, chunk.epoch, step, rank))
            for parameter in parameters:
                parameter.grad = None
            for part in self._progressive:
                part.at(self._rate.progress(first + i))
            loss = self._gradients(batch, shares[i])
            self._losses.add(loss, step, batch, chunk.epoch)
            self._rate.apply(optimizer.param_groups, first + i)
            self._optimizer_step(optimizer)
            if average is not None:
                average.update(self.network, first + i)
        self._losses.end_chunk(chunk)
        if self._plain:
            # What LightningOptimizer would have counted: the trainer's ``global_step``.
            progress = self.trainer.fit_loop.epoch_loop.manual_optimization.optim_step_progress
            for tracker in (progress.total, progress.current):
                tracker.ready += len(chunk)
                tracker.completed += len(chunk)

    def on_before_optimizer_step(self, optimizer: Optimizer) -> None:
        """Clip the gradients, which are unscaled by now."""
        if self.optim.grad_clip is not None:
            torch.nn.utils.clip_grad_norm_(self._parameters_trained, self.optim.grad_clip)

    def on_train_epoch_end(self) -> None:
        """Log the mean loss of the epoch, and let a plateau scheduler see the monitored metric."""
        total, norm = self._summed_over_processes()
        self._losses.reset()
        self._log({"train/loss": total / norm if norm else math.nan, "lr": base_rate(self._optimizer())})
        validated, self._validated = self._validated, False
        plateau = self.lr_schedulers()
        monitored = self.trainer.callback_metrics.get(self.task.monitor)
        # An epoch without validation has nothing to say, though the last metric still stands there.
        if isinstance(plateau, torch.optim.lr_scheduler.ReduceLROnPlateau) and validated and monitored is not None:
            plateau.step(monitored.item())

    def _gradients(self, batch: Batch, shares: Tensor) -> Tensor:
        """Gradients of one step, piece by piece; returns its loss."""
        rows, most = len(batch), self._within_tokens(batch, self.micro_batch)
        if most is None or rows <= most:
            loss = self._loss(batch, shares, 1.0)
            self._backward(loss)
            return loss.detach()
        pieces = batch.split(most)
        total = torch.zeros((), device=batch.num.device)
        for i, (piece, share) in enumerate(zip(pieces, shares.split(most))):
            # Processes exchange gradients once, with the last piece.
            with nullcontext() if i == len(pieces) - 1 else self._unsynchronised():
                loss = self._loss(piece, share, len(piece) / rows)
                self._backward(loss)
            total = total + loss.detach()
        return total

    def _loss(self, batch: Batch, shares: Tensor, part: float) -> Tensor:
        """Row losses times their shares, and the penalty times the part of the step's rows that these are."""
        batch = self.task.posed(batch, training=True)
        assert batch.target is not None
        output = self.network(batch)
        loss = torch.dot(self.task.row_loss(*output.beside(batch.target)), shares)
        return loss if output.penalty is None else loss + part * output.penalty

    def _backward(self, loss: Tensor) -> None:
        # Lightning holds autocast over the whole training step; backward passes are not meant to run under it.
        if torch.is_autocast_enabled(loss.device.type):
            with torch.autocast(loss.device.type, enabled=False):
                self._backward(loss)
        elif self._plain:
            loss.backward()
        else:
            self.manual_backward(loss)

    def _optimizer_step(self, optimizer: Optimizer) -> None:
        if self._plain:
            self.on_before_optimizer_step(optimizer)
            optimizer.step()
        else:
            cast(LightningOptimizer, self.optimizers()).step()

    def _optimizer(self) -> Optimizer:
        optimizer: Optimizer = self.trainer.optimizers[0]
        return optimizer

    def _unsynchronised(self) -> AbstractContextManager[Any]:
        model = self.trainer.model
        return model.no_sync() if isinstance(model, DistributedDataParallel) else nullcontext()

    def _scales(self) -> bool:
        plugin = self.trainer.precision_plugin
        return isinstance(plugin, MixedPrecision) and plugin.scaler is not None

    def _summed_over_processes(self) -> list[float]:
        sums = torch.tensor(self._losses.sums(), dtype=torch.float64)
        if self.trainer.world_size == 1:
            return sums.tolist()
        return self.trainer.strategy.reduce(sums.to(self.device), reduce_op="sum").tolist()

    # Evaluation

    def on_validation_start(self) -> None:
        """No metric of weights whose losses have not been looked at."""
        self._losses.flush()
        self._refresh_average()

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Collect the raw outputs of a batch."""
        batch = self.task.posed(batch, training=False)
        self.take_outputs(self(batch), batch)

    def take_outputs(self, raw: Tensor, batch: Batch) -> None:
        """Collect raw outputs ``(B, members, *out_shape)`` of a batch of validation rows, wherever they came from."""
        self._collector.add(raw, batch)

    def on_validation_epoch_end(self) -> None:
        """Decode and measure all rows at once; an undefined metric, such as the AUC of one class, is left out."""
        collected = self._collector.finish()
        if self.trainer.world_size > 1:
            collected = gather(collected)
        if len(collected) == 0:
            return
        collected.refuse_non_finite("val")
        values = {"loss": collected.mean(self.task.row_loss(collected.raw, collected.target))}
        values |= self.task.epoch_metrics(self.task.decode(collected.raw), collected.target, collected.weight)
        self._validated = True
        self._log({f"val/{name}": value for name, value in values.items()})

    def collect(self, loader: Iterable[Batch]) -> Collected:
        """Raw outputs of the evaluated network for all rows of ``loader``, outside of a trainer too, on the processor.

        Args:
            loader: batches with targets and row ids, on the processor; with several processes the rows of this one.
        """
        self._refresh_average()
        network = self.evaluated
        training = network.training
        network.eval()
        device = next(network.parameters()).device
        collector = Collector(self.spec.out_shape)
        with torch.inference_mode():
            for batch in (self.task.posed(batch, training=False) for batch in loader):
                collector.add(forward_raw(network, batch.to(device), self._cached_rows(batch, device)).cpu(), batch)
        network.train(training)
        return collector.finish()

    def _cached_rows(self, batch: Batch, device: torch.device) -> int | None:
        return self._within_tokens(batch, self.eval_rows if device.type == "cpu" else None)

    def _within_tokens(self, batch: Batch, rows: int | None) -> int | None:
        """``rows``, or as many as ``max_tokens`` allows sequences of this length, if that is fewer."""
        if self.max_tokens is None or batch.num.dim() < 3:
            return rows
        most = max(1, self.max_tokens // max(1, batch.num.shape[1]))
        return most if rows is None else min(rows, most)

    def _log(self, values: Mapping[str, float]) -> None:
        """Log the values of an epoch; the undefined are named once and left out."""
        undefined = log_epoch(self.trainer, values)
        for name in sorted(undefined - self._undefined):
            log.warning("%s is undefined (for example: one class alone in the rows); it is left out", name)
        self._undefined |= undefined

    # Weights

    def assert_finite(self) -> None:
        """Refuse to keep weights that no one can use.

        Raises:
            TrainingError: a weight is NaN or infinite although all losses were finite.
        """
        self._losses.flush()
        norms = torch._foreach_norm([p.detach() for p in self.network.parameters()])
        if not math.isfinite(torch.stack([n.float() for n in norms]).sum().item()):
            names = [name for name, p in self.network.named_parameters() if not p.isfinite().all()]
            raise TrainingError(
                f"weights are not finite after step {self.trainer.global_step}: {', '.join(names[:5])}; training "
                "stopped, and the last finite checkpoint is kept. Lower optim.lr, or set optim.grad_clip=1.0"
            )

    def network_state(self) -> dict[str, Tensor]:
        """Weights and buffers of the evaluated network, on the processor, sharing no memory."""
        self._refresh_average()
        return {key: value.detach().cpu().clone() for key, value in self.evaluated.state_dict().items()}

    def take(self, state: Mapping[str, Tensor]) -> None:
        """Put weights and buffers of an evaluated network, as :meth:`network_state` gives them, in the place of all."""
        self.network.load_state_dict(state)
        self.evaluated.load_state_dict(state)

    def load_best(self, path: Path) -> None:
        """Load the weights of a checkpoint; where there is an average, the network gets it too.

        Raises:
            RunFolderError: the file is damaged or of another network.
        """
        self.load_state_dict(AtomicCheckpointIO().load_checkpoint(path)["state_dict"])
        if self.average is not None:
            self.network.load_state_dict(self.average.module.state_dict())

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the running sums of the epoch, with several processes those of all together, and the time it took."""
        seconds = self.seconds_before + time.monotonic() - self._begun
        checkpoint[STATE] = {"losses": self._summed_over_processes(), "seconds": seconds}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Continue the sums of the epoch, in the first process, and the clock."""
        self.seconds_before = checkpoint[STATE]["seconds"]
        self._losses.restore(checkpoint[STATE]["losses"] if self.global_rank == 0 else [0.0, 0.0])

    def _refresh_average(self) -> None:
        if self.average is not None:
            self.average.sync_buffers(self.network)
