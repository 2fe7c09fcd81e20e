"""Ray: jobs on the nodes of a Ray cluster, or on a Ray of this machine."""

from __future__ import annotations

import logging
import signal
import time
from contextlib import suppress
from dataclasses import replace
from typing import Any

from colonnade.core.errors import ConfigError, SearchError
from colonnade.runs.folder import LOG
from colonnade.runs.ray_session import LOCAL, forwarded, import_ray, join, room
from colonnade.tuning.job import Job
from colonnade.tuning.launchers.base import Handle, Launcher
from colonnade.tuning.launchers.remote import LOST, STOPPED, Slot

log = logging.getLogger(__name__)

GRACE = 60.0
# Seconds that an actor without a job keeps what it holds of the cluster.
IDLE = 30.0
# Seconds between looks at the nodes.
LOOK = 10.0


class Ray(Launcher):
    """Jobs on Ray.

    Each slot is an actor on some node, and each job a process that the actor forks: imports are paid once for a slot.
    The nodes have the package installed and share the disk that holds the run folders. The variables ``COLONNADE_*`` of
    this process are handed on; others that a configuration refers to must be set on the nodes.

    Args:
        address: ``local`` starts a Ray on this machine, which ends with the search; ``auto`` joins the one that
            runs here or that ``RAY_ADDRESS`` names; ``host:port`` and ``ray://host:port`` join a cluster.
        num_cpus: of a job, above 0; a job uses as many threads, one at least, where ``threads`` says nothing.
        num_gpus: of a job; a fraction shares one.
        slots: jobs at once; None: as many as fit on the nodes.

    Raises:
        ValueError: an argument is out of range.
        MissingExtraError: Ray is not installed.
    """

    def __init__(
        self, *, address: str = LOCAL, num_cpus: float = 1, num_gpus: float = 0, slots: int | None = None
    ) -> None:
        if not num_cpus > 0:
            raise ValueError(f"num_cpus must be above 0, got {num_cpus}")
        if not num_gpus >= 0:
            raise ValueError(f"num_gpus must be at least 0, got {num_gpus}")
        if slots is not None and slots < 1:
            raise ValueError(f"slots must be at least 1, got {slots}")
        self._ray = import_ray()
        self.address = address
        self.num_cpus = num_cpus
        self.num_gpus = num_gpus
        self._slots = slots
        self._fitting = 1
        self._looked: float | None = None
        self._connected = False
        self._ours = False
        self._running: list[_Remote] = []
        self._idle: list[tuple[float, Any]] = []

    @property
    def slots(self) -> int:
        """As given, or the number of jobs that the living nodes have room for, other work aside; at least 1."""
        self._connect()
        self._give_back(IDLE)
        if self._slots is not None:
            return self._slots
        if self._looked is None or time.monotonic() - self._looked > LOOK:
            self._looked = time.monotonic()
            self._fitting = max(1, room(self._ray, self.num_cpus, self.num_gpus))
        return self._fitting

    def start(self, job: Job) -> Handle:
        """Hand a job to an idle actor, or to a new one, which waits until a node has room."""
        self._connect()
        environment = forwarded()
        if self.num_gpus == 0:
            # Ray leaves all in sight.
            environment["CUDA_VISIBLE_DEVICES"] = ""
        told = replace(
            job, environment={**environment, **job.environment}, threads=job.threads or max(1, int(self.num_cpus))
        )
        actor = self._idle.pop()[1] if self._idle else self._actor()
        handle = _Remote(self, actor, told)
        self._running.append(handle)
        return handle

    def close(self) -> None:
        """Stop what still runs, end it when it does not stop, and part from Ray; a Ray that was started here ends."""
        if not self._connected:
            return
        running = [handle for handle in self._running if handle.poll() is None]
        for handle in running:
            handle.stop()
        end = time.monotonic() + GRACE
        while any(handle.poll() is None for handle in running) and time.monotonic() < end:
            time.sleep(0.05)
        for handle in running:
            if handle.poll() is None:
                handle.kill()
        self._give_back(0)
        if self._ours:
            self._ray.shutdown()
        self._connected = self._ours = False

    def ended(self, handle: _Remote, *, reusable: bool) -> None:
        """Take note that a job has ended: its actor goes to a job that waits for room, or is kept for the next."""
        self._running.remove(handle)
        waiting = [other for other in self._running if other.waits()]
        if not reusable:
            self.discard(handle.actor)
        elif waiting:
            self.discard(waiting[0].actor)
            waiting[0].place(handle.actor)
        else:
            self._idle.append((time.monotonic(), handle.actor))

    def discard(self, actor: Any) -> None:
        """End an actor."""
        with suppress(self._ray.exceptions.RayError):
            self._ray.kill(actor)

    def _give_back(self, seconds: float) -> None:
        """End actors that have had nothing to do for so long: others may wait for their place."""
        late = [actor for since, actor in self._idle if time.monotonic() - since >= seconds]
        self._idle = [(since, actor) for since, actor in self._idle if actor not in late]
        for actor in late:
            self.discard(actor)

    def _actor(self) -> Any:
        """A new actor; beside the job it answers to what is asked of it."""
        options = {"num_cpus": self.num_cpus, "num_gpus": self.num_gpus, "max_concurrency": 4}
        return self._ray.remote(Slot).options(**options).remote()

    def _connect(self) -> None:
        """Start or join Ray, unless this process has.

        Raises:
            SearchError: there is no Ray at the address, or it does not want us.
            ConfigError: no node has what a job asks for, and none can join.
        """
        if self._connected:
            return
        self._ours = join(self._ray, self.address, "launcher.address", SearchError)
        self._connected = True
        if room(self._ray, self.num_cpus, self.num_gpus):
            return
        text = f"no node of Ray has room for a job with launcher.num_cpus={self.num_cpus} and num_gpus={self.num_gpus}"
        if self.address == LOCAL:
            self.close()
            raise ConfigError(text)
        log.warning("%s: jobs wait until one joins", text)


class _Remote(Handle):
    """A job with an actor."""

    def __init__(self, launcher: Ray, actor: Any, job: Job) -> None:
        self._launcher = launcher
        self._ray = launcher._ray
        self._job = job
        self._told = False
        self._code: int | None = None
        self.place(actor)

    def place(self, actor: Any) -> None:
        """Hand the job to an actor."""
        self.actor = actor
        self._ready = actor.ready.remote()
        self._end = actor.run.remote(self._job)

    def waits(self) -> bool:
        """Whether the cluster has no room for the actor as yet."""
        return not self._told and not self._ray.wait([self._ready], timeout=0)[0]

    def poll(self) -> int | None:
        if self._code is None and self._ray.wait([self._end], timeout=0)[0]:
            code, lost = LOST, False
            try:
                code = self._ray.get(self._end)
            except self._ray.exceptions.RayError as error:
                lost = True
                if not self._told:
                    self._note(error)
            if self._told and (lost or code == -signal.SIGTERM):
                # Before there was anything to save.
                code = STOPPED
            self._conclude(code, reusable=not lost)
        return self._code

    def stop(self) -> None:
        if self._code is not None or self._told:
            return
        waits, self._told = self.waits(), True
        if waits:
            self._launcher.discard(self.actor)
        else:
            self.actor.stop.remote(self._job.key)

    def kill(self) -> None:
        if self.poll() is not None:
            return
        if not self.waits():
            with suppress(self._ray.exceptions.RayError):
                self._ray.get(self.actor.kill.remote(), timeout=10)
        # Where it did not answer, the process of the job saves its state and ends when it misses the actor.
        self._conclude(-signal.SIGKILL, reusable=False)

    def _conclude(self, code: int, *, reusable: bool) -> None:
        self._code = code
        self._launcher.ended(self, reusable=reusable)

    def _note(self, error: Exception) -> None:
        """Tell in the log of the job what became of its actor."""
        self._job.folder.mkdir(parents=True, exist_ok=True)
        with (self._job.folder / LOG).open("a", encoding="utf-8") as file:
            file.write(f"the process of Ray that ran this job is lost: {error}\n")
