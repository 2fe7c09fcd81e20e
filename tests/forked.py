"""Commands in processes of their own, forked from one that has imported what they need.

A test that starts ten commands would spend most of its time on importing torch ten times. The process that they are
forked from starts with the first command, and ends with the tests. The server of multiprocessing from which the jobs of
a search are forked starts like that, too, and so do the processes of a training over several.
"""

from __future__ import annotations

import atexit
import json
import os
import runpy
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from multiprocessing import util
from pathlib import Path
from typing import Any

CLI = "colonnade.cli"
_LIMIT = 300.0


class Command:
    """A process that was started by :func:`start`; for the rest like ``subprocess.Popen``."""

    def __init__(self, pid: int, told: socket.socket, out: Path, err: Path) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._told = told
        self._out, self._err = out, err

    def poll(self) -> int | None:
        """The exit status, that of a signal below 0; None while it runs."""
        return self._status(0.0)

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end."""
        status = self._status(timeout)
        if status is None:
            raise subprocess.TimeoutExpired(f"process {self.pid}", timeout or 0.0, self._read(self._out))
        return status

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """Wait for its end; what it wrote to standard output and error."""
        self.wait(timeout)
        return self._read(self._out), self._read(self._err)

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it."""
        self.send_signal(signal.SIGKILL)

    def _status(self, timeout: float | None) -> int | None:
        if self.returncode is None:
            self._told.settimeout(timeout)
            try:
                said = self._told.recv(16)
            except (TimeoutError, BlockingIOError):
                return None
            self.returncode = os.waitstatus_to_exitcode(int(said))
            self._told.close()
        return self.returncode

    def _read(self, path: Path) -> str:
        return path.read_text(encoding="utf-8", errors="replace")


def start(
    words: Sequence[str],
    cwd: Path,
    *,
    program: str = CLI,
    env: Mapping[str, str] | None = None,
    together: bool = False,
    new_session: bool = False,
    rendered: bool = False,
    anew: bool = False,
) -> Command:
    """Start a command.

    Args:
        words: its arguments.
        cwd: where.
        program: a module, or the path of a script.
        env: variables besides those of this process.
        together: standard error goes where standard output goes.
        new_session: it leads a session of its own.
        rendered: figures are made; else those of trainings are left out, which take longer than all the rest of a small
            one, and the others are white.
        anew: modules that it runs in processes of its own import what they need there; else those are forked, too.
    """
    folder = Path(tempfile.mkdtemp(prefix="command-"))
    out, err = folder / "out", folder / "err"
    request = {
        "program": program,
        "words": list(words),
        "cwd": str(cwd),
        "env": {**os.environ, **(env or {})},
        "out": str(out),
        "err": str(out if together else err),
        "new_session": new_session,
        "rendered": rendered,
        "anew": anew,
    }
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        socket.send_fds(_server(), [json.dumps(request).encode()], [theirs.fileno()])
    ours.settimeout(_LIMIT)
    return Command(int(ours.recv(16)), ours, out, out if together else err)


def run(
    words: Sequence[str], cwd: Path, *, program: str = CLI, timeout: float = _LIMIT, rendered: bool = False
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, as ``subprocess.run`` does."""
    command = start(words, cwd, program=program, rendered=rendered)
    try:
        out, err = command.communicate(timeout)
    finally:
        command.kill()
    assert command.returncode is not None
    return subprocess.CompletedProcess(list(words), command.returncode, out, err)


def run_ranks(n: int, words: Sequence[str], cwd: Path, *, program: str, timeout: float = _LIMIT) -> None:
    """Run a program in ``n`` processes that hear of each other what ``torchrun`` tells its own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    common = {
        "CUDA_VISIBLE_DEVICES": "",
        "LOCAL_WORLD_SIZE": f"{n}",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": f"{port}",
        "TORCHELASTIC_RUN_ID": "tests",
        "WORLD_SIZE": f"{n}",
    }
    environments = [{**common, "RANK": f"{rank}", "LOCAL_RANK": f"{rank}"} for rank in range(n)]
    commands = [start(words, cwd, program=program, env=one, together=True) for one in environments]
    try:
        for command in commands:
            said, _ = command.communicate(timeout)
            assert command.returncode == 0, said[-3000:]
    finally:
        for command in commands:
            command.kill()


_servers: dict[int, socket.socket] = {}


def _server() -> socket.socket:
    """The way to the process that commands are forked from."""
    if os.getpid() not in _servers:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        # Sequences of a megabyte: the variables of an environment may be long.
        for end in (ours, theirs):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        with theirs:
            process = subprocess.Popen([sys.executable, __file__, str(theirs.fileno())], pass_fds=[theirs.fileno()])
        _servers[os.getpid()] = ours
        atexit.register(lambda: (ours.close(), process.wait(10)))
    return _servers[os.getpid()]


def _serve(requests: socket.socket) -> dict[str, Any] | None:
    """Fork a process for each request, and tell how it ends.

    Comes back in each forked process, with what is asked of it, and when nothing more will be asked.
    """
    watch = selectors.DefaultSelector()
    watch.register(requests, selectors.EVENT_READ)
    while True:
        for key, _ in watch.select():
            if key.fileobj is requests:
                message, fds, _, _ = socket.recv_fds(requests, 1 << 20, 1)
                if not message:
                    return None
                told = socket.socket(fileno=fds[0])
                pid = os.fork()
                if pid == 0:
                    for end in (watch, requests, told):
                        end.close()
                    return json.loads(message)
                told.send(str(pid).encode())
                watch.register(os.pidfd_open(pid), selectors.EVENT_READ, (pid, told))
            else:
                pid, told = key.data
                watch.unregister(key.fileobj)
                os.close(key.fd)
                # Whoever started it may be gone.
                with suppress(OSError):
                    told.send(str(os.waitpid(pid, 0)[1]).encode())
                told.close()


def _become(request: dict[str, Any]) -> None:
    """Do in this process what ``python -m <program> <words>`` does."""
    if request["new_session"]:
        os.setsid()
    if not request["rendered"]:
        from matplotlib.figure import Figure

        from colonnade.report import figures, learning

        Figure.draw = lambda figure, renderer: None
        figures.draw, learning.learning_curve = (lambda *of, **how: {}), (lambda *of, **how: None)
    for number, name in ((1, "out"), (2, "err")):
        handle = os.open(request[name], os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
        os.dup2(handle, number)
        os.close(handle)
    sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", buffering=1, closefd=False)  # noqa: SIM115
    os.environ.clear()
    os.environ.update(request["env"])
    os.chdir(request["cwd"])
    util.spawnv_passfds = _spawn
    if not request["anew"]:
        subprocess.Popen.__init__ = _begin
    program = request["program"]
    sys.argv = [program, *request["words"]]
    script = program.endswith(".py")
    sys.path[0] = str(Path(program).parent) if script else request["cwd"]
    (runpy.run_path if script else partial(runpy.run_module, alter_sys=True))(program, run_name="__main__")


def _begin(
    process: subprocess.Popen[Any], args: Any, *given: Any, begin: Any = subprocess.Popen.__init__, **options: Any
) -> None:
    """Start ``python [-u] -m <module> <words>`` by a fork, which has the imports; other programs as usual."""
    words = [word for word in args if word != "-u"] if isinstance(args, (list, tuple)) else []
    if words[:2] == [sys.executable, "-m"]:
        # Called where the program would be: with the files and the session that it has been given.
        options["preexec_fn"] = partial(_instead, words[2:], options.get("env"), options.get("pass_fds", ()))
    begin(process, args, *given, **options)


def _instead(words: Sequence[str], env: Mapping[str, str] | None, kept: Sequence[int]) -> None:
    """Run a module in this process, which a fork has made, and end it."""
    status = 1
    with suppress(BaseException):
        _as_new(kept)
        if env is not None:
            os.environ.clear()
            os.environ.update(env)
        sys.stdout, sys.stderr = (open(number, "w", buffering=1, closefd=False) for number in (1, 2))  # noqa: SIM115
        sys.argv = list(words)
        try:
            runpy.run_module(words[0], run_name="__main__", alter_sys=True)
            status = 0
        except SystemExit as ends:
            status = ends.code if isinstance(ends.code, int) else int(ends.code is not None)
        except BaseException:
            traceback.print_exc()
        threading._shutdown()
        atexit._run_exitfuncs()
    os._exit(status)


def _as_new(kept: Sequence[int]) -> None:
    """Like a new program, this process has the files that it is given and no handlers of signals."""
    for number in signal.valid_signals():
        if callable(signal.getsignal(number)):
            signal.signal(number, signal.SIG_DFL)
    opened = {int(name) for name in os.listdir("/proc/self/fd")}
    for handle in opened - {0, 1, 2, *kept}:
        with suppress(OSError):
            os.close(handle)


def _spawn(path: str, args: Sequence[str], kept: Sequence[int], anew: Any = util.spawnv_passfds) -> int:
    """Start a server of multiprocessing, which would import what is here already; other programs as usual."""
    if not args[-1].startswith("from multiprocessing.forkserver"):
        return anew(path, args, kept)
    pid = os.fork()
    if pid:
        return pid
    with suppress(BaseException):
        _as_new(kept)
        exec(args[-1], {})
    os._exit(0)


if __name__ == "__main__":
    import colonnade.tuning.launchers.preload  # noqa: F401

    asked = _serve(socket.socket(fileno=int(sys.argv[1])))
    if asked is not None:
        _become(asked)
