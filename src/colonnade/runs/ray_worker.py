"""Beside each process of a training over Ray Train: the worker that starts it where Ray wants it."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

POLL = 0.2


class Stop:
    """An actor: tells the workers when they are to stop."""

    def __init__(self) -> None:
        self._asked = asyncio.Event()

    async def ask(self) -> None:
        """Ask them to."""
        self._asked.set()

    async def asked(self) -> None:
        """Come back when they are asked to."""
        await self._asked.wait()


@dataclass(frozen=True)
class Errand:
    """What a worker is to start.

    Args:
        module: run as ``python -m <module> <run folder>``.
        run_dir: the run folder, absolute.
        logs: folder for what the processes write.
        cwd: folder that relative paths of the configuration begin in.
        environment: variables to set.
        stop: handle of a :class:`Stop`.
    """

    module: str
    run_dir: Path
    logs: Path
    cwd: Path
    environment: dict[str, str]
    stop: Any

    def log(self, rank: int) -> Path:
        """What the process of that rank writes."""
        return self.logs / f"rank{rank}.log"


def attend(job: dict[str, Errand]) -> None:
    """Start one process of a training and stay with it: what Ray Train runs in each of its workers.

    The process hears that Ray has ended this one by the end of its standard input.

    Args:
        job: holds the ``errand``.

    Raises:
        RuntimeError: the process failed.
    """
    import ray

    errand = job["errand"]
    ranks, store = _ranks()
    with errand.log(int(ranks["RANK"])).open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", errand.module, str(errand.run_dir)],
            cwd=errand.cwd,
            env={**os.environ, **errand.environment, **ranks},
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    asked = errand.stop.asked.remote()
    told = False
    while process.poll() is None:
        told = told or bool(ray.wait([asked], timeout=POLL)[0])
        if told:
            process.terminate()
            process.wait()
    del store
    if process.returncode != 0 and not told:
        raise RuntimeError(f"ended with status {process.returncode}")


def _ranks() -> tuple[dict[str, str], Any]:
    """The variables that ``torchrun`` would set, and what must live as long as the process does.

    Processes meet in a store that the first worker keeps, as torchrun's agent does: no port is picked beforehand, which
    another could take.
    """
    import ray
    from ray.train import get_context
    from torch import distributed

    context = get_context()
    rank, n = context.get_world_rank(), context.get_world_size()
    address = ray.util.get_node_ip_address()
    store = distributed.TCPStore(address, 0, is_master=True, wait_for_workers=False) if rank == 0 else None
    place = [(address, store.port) if store is not None else None]
    if n > 1:
        # The group of the workers, which Ray Train has made.
        distributed.broadcast_object_list(place, src=0)
    assert place[0] is not None
    host, port = place[0]
    ranks = {
        "RANK": rank,
        "LOCAL_RANK": context.get_local_rank(),
        "GROUP_RANK": context.get_node_rank(),
        "WORLD_SIZE": n,
        "LOCAL_WORLD_SIZE": context.get_local_world_size(),
        "MASTER_ADDR": host,
        "MASTER_PORT": port,
        "TORCHELASTIC_RUN_ID": "ray",
        "TORCHELASTIC_RESTART_COUNT": 0,
        "TORCHELASTIC_USE_AGENT_STORE": True,
    }
    return {name: str(value) for name, value in ranks.items()}, store
