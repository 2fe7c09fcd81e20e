"""Ray's session: this process starts a Ray on this machine, or joins one that runs."""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from colonnade.core.errors import ColonnadeError
from colonnade.core.optional import optional_import

LOCAL = "local"
# What a configuration may refer to, on whichever machine it is built.
FORWARDED = "COLONNADE_"


def import_ray() -> Any:
    """Ray, told not to report its use, nor to stand back behind other processes when it is started here.

    Raises:
        MissingExtraError: it is not installed.
    """
    # Read when Ray is imported.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    # Read where it is started: a training is no less urgent than what else runs on a machine.
    os.environ.setdefault("RAY_worker_niceness", "0")
    return optional_import("ray", "ray")


def join(ray: Any, address: str, key: str, refusal: type[ColonnadeError]) -> bool:
    """Start or join Ray, unless this process has.

    Args:
        ray: the package.
        address: ``local``, ``auto``, ``host:port`` or ``ray://host:port``.
        key: the YAML key that the address stands under.
        refusal: the error to raise.

    Returns:
        Whether it was done here, and so is to be undone.

    Raises:
        ColonnadeError: there is no Ray at the address, or it does not want us.
    """
    if ray.is_initialized():
        return False
    local = {"include_dashboard": False} if address == LOCAL else {}
    try:
        _probe(address)
        with _own_signals():
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, **local)
    except (OSError, RuntimeError, ValueError) as error:
        reason = str(error).strip().rpartition("\n")[2]
        raise refusal(
            f"{key}={address}: Ray cannot be reached ({reason}); a cluster that asks for a token wants "
            f"RAY_AUTH_MODE=token to be set; {key}=local needs no cluster"
        ) from error
    return True


def room(ray: Any, num_cpus: float, num_gpus: float) -> int:
    """Number of processes of that size that the living nodes have room for, other work aside."""
    wanted = {"CPU": num_cpus, "GPU": num_gpus}
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    return sum(int(min(node.get(name, 0) // size for name, size in wanted.items() if size)) for node in nodes)


def forwarded() -> dict[str, str]:
    """The variables of this process that its processes on other nodes are given."""
    return {name: value for name, value in os.environ.items() if name.startswith(FORWARDED)}


def _probe(address: str) -> None:
    """Raise an OSError where nobody answers: Ray itself would try for many minutes."""
    host, _, port = address.rpartition("://")[2].rpartition(":")
    if port.isdecimal():
        socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()


@contextmanager
def _own_signals() -> Iterator[None]:
    """Keep our handler of SIGTERM: Ray's ends the process with another status."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
