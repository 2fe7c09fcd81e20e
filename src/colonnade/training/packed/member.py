"""Member: one training of a pack, with the trainer, callbacks and loggers that it would have by itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningDataModule, Trainer
from lightning.pytorch.callbacks import Checkpoint, EarlyStopping
from lightning.pytorch.trainer.states import TrainerFn, TrainerStatus
from lightning.pytorch.utilities.model_helpers import is_overridden
from lightning.pytorch.utilities.types import LRSchedulerConfig
from torch import Tensor

from colonnade.core.batch import Batch
from colonnade.core.errors import ColonnadeError, ConfigError
from colonnade.nn.progress import Progressive
from colonnade.training.callbacks.batch_size_finder import BatchSizeFinder
from colonnade.training.callbacks.lr_finder import LearningRateFinder
from colonnade.training.checkpoint_io import AtomicCheckpointIO
from colonnade.training.module import SupervisedModule
from colonnade.training.packed.stack import Part, settings_of
from colonnade.training.seeding import reseed, step_seed

# Hooks of callbacks that would see single steps, of which a pack has one for all its members.
UNSEEN = (
    "on_train_batch_start",
    "on_before_backward",
    "on_after_backward",
    "on_before_optimizer_step",
    "on_before_zero_grad",
    "on_validation_batch_start",
    "on_validation_batch_end",
)


@dataclass
class Turn:
    """What a member brings to one step.

    Args:
        batch: its rows.
        shares: what the loss of each row is multiplied by.
        epoch, step: place of the step.
        index: optimizer steps before it.
    """

    batch: Batch
    shares: Tensor
    epoch: int
    step: int
    index: int


class Member:
    """A member of a pack.

    Its trainer's loop is never run: the pack has one for all. What the loop would do at the beginning and the end of
    an epoch is done here, in the same order, so that callbacks, loggers and checkpoints are those of a training by
    itself, and each can go on with what the other has saved.

    Args:
        trainer: with callbacks and loggers.
        module: what is trained.
        datamodule: set up.

    Attributes:
        error: why it was given up; None: it was not.
        told: that the process was told to stop, and its state is saved.
        seconds: its share of the time of the pack.

    Raises:
        ConfigError: a callback wants to see single steps.
    """

    def __init__(self, trainer: Trainer, module: SupervisedModule, datamodule: LightningDataModule) -> None:
        self.trainer = trainer
        self.module = module
        self.datamodule = datamodule
        self.callbacks: list[Callback] = trainer.callbacks  # type: ignore[attr-defined]
        self.error: ColonnadeError | None = None
        self.told: SystemExit | None = None
        self.seconds = 0.0
        self._within = False
        self._setting: tuple[Any, ...] | None = None
        for callback in self.callbacks:
            unseen = [hook for hook in UNSEEN if is_overridden(hook, callback, Callback)]
            if isinstance(callback, BatchSizeFinder | LearningRateFinder):
                raise ConfigError(
                    f"packed: {type(callback).__name__} of `callbacks` looks into one training; callbacks=default, or "
                    "train by itself"
                )
            if unseen:
                raise ConfigError(
                    f"packed: {type(callback).__name__} of `callbacks` uses {unseen[0]}, and a pack has no single "
                    "steps; leave it out, or train by itself"
                )

    @property
    def done(self) -> bool:
        """Whether it trains no further epoch."""
        most = self.trainer.max_epochs
        return (
            self.error is not None
            or self.trainer.should_stop
            or (most is not None and 0 <= most <= self.trainer.current_epoch)
        )

    def begin(self, recovery: Path | None) -> None:
        """Put everything in its place, as it was saved if there is a checkpoint.

        Args:
            recovery: a checkpoint of it, of a pack or of a training by itself.
        """
        trainer, module = self.trainer, self.module
        module.trainer = self.datamodule.trainer = trainer
        trainer.strategy.connect(module)
        trainer.state.fn, trainer.state.status = TrainerFn.FITTING, TrainerStatus.RUNNING
        trainer.training = True
        self.device = trainer.strategy.root_device
        module.to(self.device)
        self._call("setup", stage="fit")
        found = module.configure_optimizers()
        if isinstance(found, dict):
            trainer.strategy.lr_scheduler_configs = [LRSchedulerConfig(found["lr_scheduler"])]  # type: ignore[arg-type]
            found = found["optimizer"]
        self.optimizer = found
        trainer.strategy.optimizers = [found]
        self._call("on_fit_start")
        if recovery is not None:
            self._restore(recovery)
        self.loader = self.datamodule.train_dataloader()
        self.validation = self.datamodule.val_dataloader()
        self._progressive = [part for part in module.network.modules() if isinstance(part, Progressive)]
        self.rate = module.optim.rate(
            max_epochs=trainer.max_epochs,
            steps_per_epoch=self.loader.n_steps,
            progressive=bool(self._progressive),
        )
        module.train()
        if module.average is not None:
            module.average.begin(self.rate.total)
            # What is only measured need not change its mode twice an epoch, which takes as long as measuring it.
            module.average.eval()
        self._call("on_train_start")

    def part(self) -> Part:
        """What is stacked."""
        return Part(self.module.network, self.optimizer, self.module.average)

    def embed(self) -> None:
        """Keep train and validation rows as its network embeds them, once for all epochs, in the place of numbers."""
        for loader in (self.loader, self.validation):
            if not loader:
                continue
            store = loader.store
            with torch.no_grad():
                rows = self.module.network.embed(store.rows(0, len(store)).to(self.device))
            loader.store = replace(store, num=rows.to(store.device), cat=store.cat[:, :0])

    def setting(self, index: int) -> tuple[Any, ...]:
        """What decides the update of optimizer step ``index``, its learning rate by now in the optimizer."""
        writes = self.rate.writes(index)
        if writes:
            self.rate.apply(self.optimizer.param_groups, index)
        if writes or self._setting is None:
            self._setting = settings_of(self.part())
        return self._setting

    def begin_epoch(self) -> Iterator[Turn]:
        """Begin an epoch, or go on with one, and give its steps."""
        loop = self.trainer.fit_loop
        # A callback may have changed it.
        self._setting = None
        if self._within:
            self._within = False
            return self._turns()
        loop.epoch_progress.increment_ready()
        loop.epoch_loop.batch_progress.reset_on_run()
        self._call("on_train_epoch_start")
        loop.epoch_progress.increment_started()
        return self._turns()

    def _turns(self) -> Iterator[Turn]:
        """The steps of an epoch; what follows a chunk is done when its last step has been taken."""
        progress = self.trainer.fit_loop.epoch_loop
        taken = progress.manual_optimization.optim_step_progress
        for number, chunk in enumerate(self.loader):
            chunk = chunk.to(self.device)
            progress.batch_progress.increment_ready()
            progress.batch_progress.increment_started()
            shares = chunk.shares()
            first = self.trainer.global_step
            for i, (step, batch, _) in enumerate(chunk.steps()):
                yield Turn(batch, shares[i], chunk.epoch, step, first + i)
            self.module.losses.end_chunk(chunk)
            for tracker in (taken.total, taken.current):
                tracker.ready += len(chunk)
                tracker.completed += len(chunk)
            progress.batch_progress.increment_processed()
            done = progress.batch_progress.current.processed  # type: ignore[attr-defined]
            progress.batch_progress.is_last_batch = done == len(self.loader)
            self._call("on_train_batch_end", outputs=None, batch=chunk, batch_idx=number)
            progress.batch_progress.increment_completed()

    def seed(self, turn: Turn) -> torch.device:
        """Seed torch as its own training would before this step, and tell its modules how far it is; the device."""
        for part in self._progressive:
            part.at(self.rate.progress(turn.index))
        reseed(self.device, step_seed(self.module.seed, turn.epoch, turn.step, 0))
        return self.device

    def end_epoch(self, outputs: Sequence[Tensor] | None = None) -> None:
        """Measure, and let callbacks see it.

        Args:
            outputs: raw outputs of each batch of the validation; None: they are computed.

        Raises:
            TrainingError: outputs are not finite.
            SystemExit: the process was told to stop, and the state is saved.
        """
        self._validate(outputs)
        self.trainer.fit_loop.epoch_progress.increment_processed()
        watching = [c for c in self.callbacks if isinstance(c, EarlyStopping | Checkpoint)]
        self._call("on_train_epoch_end", among=[c for c in self.callbacks if c not in watching])
        self.module.on_train_epoch_end()
        self._call("on_train_epoch_end", among=watching)
        self.trainer.fit_loop.epoch_progress.increment_completed()

    def end(self) -> None:
        """The training has ended, well or with :attr:`error`."""
        if self.error is not None:
            self.abandon(self.error)
            return
        self._call("on_train_end")
        self._call("on_fit_end")
        for logger in self.trainer.loggers:
            logger.finalize("success")
        self._call("teardown", stage="fit")

    def abandon(self, error: BaseException) -> None:
        """The training ends here, because of an error or a signal."""
        self._call("on_exception", exception=error)
        for logger in self.trainer.loggers:
            logger.finalize("failed")
        self._call("teardown", stage="fit")

    def leave(self) -> None:
        """Hold weights of its own again: those of a stack would keep all of it in memory."""
        with torch.no_grad():
            for tensor in (*self.module.parameters(), *self.module.buffers()):
                tensor.data = tensor.data.clone()
        self.optimizer.state.clear()

    def _validate(self, outputs: Sequence[Tensor] | None) -> None:
        if not self.validation:
            return
        module = self.module
        if module.average is None:
            module.network.eval()
        with torch.inference_mode():
            self._call("on_validation_start")
            module.on_validation_start()
            self._call("on_validation_epoch_start")
            for i, batch in enumerate(self.validation):
                if outputs is None:
                    module.validation_step(batch.to(self.device), i)
                else:
                    module.take_outputs(outputs[i], batch.to(self.device))
            self._call("on_validation_epoch_end")
            module.on_validation_epoch_end()
            self._call("on_validation_end")
        if module.average is None:
            module.network.train()

    def _restore(self, path: Path) -> None:
        """What Lightning does with a checkpoint."""
        checkpoint = AtomicCheckpointIO().load_checkpoint(path)
        self.module.on_load_checkpoint(checkpoint)
        self.module.load_state_dict(checkpoint["state_dict"])
        loop = self.trainer.fit_loop
        loop.load_state_dict(checkpoint["loops"]["fit_loop"])
        self._within = not loop.epoch_loop.batch_progress.is_last_batch
        # What was saved at the end of a chunk or an epoch was saved before that was counted.
        for progress in (loop.epoch_progress, loop.epoch_loop.batch_progress):
            progress.current.completed = progress.current.processed  # type: ignore[attr-defined]
        for callback in self.callbacks:
            callback.on_load_checkpoint(self.trainer, self.module, checkpoint)
            state = checkpoint["callbacks"].get(callback.state_key)
            if state:
                callback.load_state_dict(state)
        self.optimizer.load_state_dict(checkpoint["optimizer_states"][0])
        for config, state in zip(self.trainer.lr_scheduler_configs, checkpoint["lr_schedulers"]):
            config.scheduler.load_state_dict(state)

    def _call(self, hook: str, *, among: Sequence[Callback] | None = None, **arguments: Any) -> None:
        """Call a hook of the callbacks."""
        for callback in self.callbacks if among is None else among:
            getattr(callback, hook)(self.trainer, self.module, **arguments)
