"""Ray Train: one training over processes on the nodes of a Ray cluster, or on a Ray of this machine."""

from __future__ import annotations

import codecs
import logging
import shutil
import sys
import threading
import time
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from colonnade.core.errors import ColonnadeError, ConfigError, TrainingError
from colonnade.runs import launch
from colonnade.runs.folder import RAY, RunFolder
from colonnade.runs.ray_session import LOCAL, forwarded, import_ray, join, room
from colonnade.runs.ray_worker import POLL, Errand, Stop, attend
from colonnade.training.signals import StopSignals

log = logging.getLogger(__name__)

GRACE = 60.0


class RayTrain:
    """Starts the processes of a training through Ray Train: as many as ``trainer.devices`` times ``trainer.num_nodes``.

    Ray says where each of them runs; for the rest they train as those of ``torchrun`` do. The nodes have the package
    installed, and share the disk that holds the run folder and the working folder, under the same paths. The variables
    ``COLONNADE_*`` of this process are handed on; others that a configuration refers to must be set on the nodes.

    Args:
        address: ``local`` starts a Ray on this machine, which ends with the training; ``auto`` joins the one that runs
            here or that ``RAY_ADDRESS`` names; ``host:port`` joins the cluster that this machine is a node of.
        num_cpus: of a process, above 0; it uses as many threads, one at least.
        num_gpus: of a process, 0 or 1.

    Raises:
        ValueError: an argument is out of range.
        MissingExtraError: Ray is not installed.
    """

    def __init__(self, *, address: str = LOCAL, num_cpus: float = 1, num_gpus: int = 0) -> None:
        if address.startswith("ray://"):
            raise ValueError(f"address must be local, auto or host:port, got {address}: Ray Train takes no Ray client")
        if not num_cpus > 0:
            raise ValueError(f"num_cpus must be above 0, got {num_cpus}")
        if num_gpus not in (0, 1):
            raise ValueError(f"num_gpus must be 0 or 1, got {num_gpus}")
        self._ray = import_ray()
        self.address = address
        self.num_cpus = num_cpus
        self.num_gpus = num_gpus

    def launch(self, cfg: DictConfig, run_dir: Path, n: int) -> None:
        """Train in ``n`` processes and wait for them.

        They save their state and stop when this process is told to. When it is gone, Ray ends them, and the same
        command goes on from the last checkpoint.

        Args:
            cfg: the configuration.
            run_dir: the run folder.
            n: number of processes.

        Raises:
            ColonnadeError: a process failed, or the nodes have no room.
            SystemExit: the processes were told to stop.
        """
        accelerator = cfg.trainer.get("accelerator")
        if accelerator in ("gpu", "cuda") and self.num_gpus == 0:
            raise ConfigError(
                f"trainer.accelerator={accelerator}: cluster.num_gpus=0 gives the processes none; cluster.num_gpus=1"
            )
        folder = RunFolder(run_dir.absolute())
        shutil.rmtree(folder / RAY, ignore_errors=True)
        (folder / launch.ERROR).unlink(missing_ok=True)
        joined = join(self._ray, self.address, "cluster.address", ConfigError)
        try:
            self._see_room(n)
            (folder / RAY).mkdir()
            launch.write_job(folder / launch.JOB, cfg)
            self._train(folder, n)
        finally:
            (folder / launch.JOB).unlink(missing_ok=True)
            if joined:
                self._ray.shutdown()
        shutil.rmtree(folder / RAY, ignore_errors=True)

    def _see_room(self, n: int) -> None:
        """Refuse what will never run, and tell what may have to wait."""
        if room(self._ray, self.num_cpus, self.num_gpus) >= n:
            return
        text = (
            f"Ray has no room for {n} processes with cluster.num_cpus={self.num_cpus:g} and "
            f"cluster.num_gpus={self.num_gpus} each"
        )
        if self.address == LOCAL:
            raise ConfigError(f"{text}; ask for fewer, or for less (cluster.num_cpus=0.5)")
        log.warning("%s: they wait until nodes join", text)

    def _train(self, folder: RunFolder, n: int) -> None:
        stop = self._ray.remote(Stop).options(num_cpus=0).remote()
        environment = forwarded()
        if self.num_gpus == 0:
            # Ray leaves all in sight.
            environment["CUDA_VISIBLE_DEVICES"] = ""
        errand = Errand(
            module=launch.WORKER,
            run_dir=folder.path,
            logs=folder / RAY,
            cwd=Path.cwd(),
            environment=environment,
            stop=stop,
        )
        signals = StopSignals()
        signals.install()
        try:
            training = _Training(self._trainer(errand, n), errand.log(0))
            asked: float | None = None
            while training.runs():
                if signals.received is not None and asked is None:
                    asked = time.monotonic()
                    stop.ask.remote()
                if asked is not None and (not training.begun or time.monotonic() - asked > GRACE):
                    break
        finally:
            signals.remove()
        if training.failure is None and (signals.received is None or folder.finished or folder.pruned):
            return
        if signals.received is not None:
            raise SystemExit(128 + signals.received)
        raise launch.noted_error(folder / launch.ERROR) or _died(training.failure, errand, n)

    def _trainer(self, errand: Errand, n: int) -> Any:
        from ray.train import RunConfig, ScalingConfig
        from ray.train.torch import TorchConfig, TorchTrainer

        return TorchTrainer(
            attend,
            train_loop_config={"errand": errand},
            # Of the workers; the processes that they start choose for themselves.
            torch_config=TorchConfig(backend="gloo"),
            scaling_config=ScalingConfig(
                num_workers=n, use_gpu=self.num_gpus > 0, resources_per_worker={"CPU": self.num_cpus}
            ),
            run_config=RunConfig(name="train", storage_path=str(errand.logs)),
        )


class _Training:
    """A training that Ray Train watches over in a thread, while the signals and the screen are looked after here."""

    def __init__(self, trainer: Any, shown: Path) -> None:
        self.failure: BaseException | None = None
        self.begun = False
        self._trainer = trainer
        self._shown = shown
        self._position = 0
        # A letter of several bytes may be half written.
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        # Outside of the main thread Ray Train leaves the signals alone.
        self._thread = threading.Thread(target=self._fit, daemon=True)
        self._thread.start()

    def runs(self) -> bool:
        """Wait a moment, print what the first process has written, and tell whether the training goes on."""
        self._thread.join(POLL)
        goes_on = self._thread.is_alive()
        if self._shown.exists():
            self.begun = True
            with self._shown.open("rb") as file:
                file.seek(self._position)
                new = file.read()
            self._position += len(new)
            sys.stdout.write(self._decoder.decode(new))
            sys.stdout.flush()
        return goes_on

    def _fit(self) -> None:
        try:
            self._trainer.fit()
        except BaseException as error:
            self.failure = error


def _died(failure: BaseException | None, errand: Errand, n: int) -> ColonnadeError:
    """What is known of processes that left no message of their own."""
    from ray.train import WorkerGroupError

    known = f"Ray Train: {failure}"
    if isinstance(failure, WorkerGroupError):
        failures = sorted(failure.worker_failures.items())
        known = "; ".join(f"process {rank} {_end(error, errand.log(rank))}" for rank, error in failures)
    return TrainingError(
        f"one of {n} processes died without a message of its own ({known}); the same command goes on from the last "
        "checkpoint"
    )


def _end(error: Exception, log: Path) -> str:
    """How a process ended, and the last that it wrote."""
    end = _last_line(str(error)).removeprefix("RuntimeError: ")
    said = _last_line(log.read_text("utf-8", "replace")) if log.exists() else ""
    return f"{end}, the last line of '{log}' is: {said}" if said else end


def _last_line(text: str) -> str:
    return text.strip().rpartition("\n")[2].strip()
