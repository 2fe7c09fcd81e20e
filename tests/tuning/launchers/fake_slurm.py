"""A stand-in for the programs of Slurm, called by the name of one of them; jobs are processes of this machine.

``$FAKE_SLURM`` names a folder that holds, for each job, its script, the process that runs it, and its state once it has
ended. A job waits for as long as there is a file ``full``.
"""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil

FOLDER = Path(os.environ["FAKE_SLURM"])


def sbatch(script):
    number = len(list(FOLDER.glob("*.sh"))) + 1
    (FOLDER / f"{number}.sh").write_text(Path(script).read_text())
    subprocess.Popen(
        [sys.executable, __file__, "job", str(number)],
        start_new_session=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while not (FOLDER / f"{number}.pid").exists():
        time.sleep(0.01)
    print(f"Submitted batch job {number}")


def job(number):
    """What slurmd does: run the script of a job, and note how it ended."""
    pid = FOLDER / f"{number}.pid"
    pid.write_text(str(os.getpid()))
    while (FOLDER / "full").exists():
        time.sleep(0.05)
    pid.with_suffix(".runs").touch()
    one = dict.fromkeys(("SLURM_NTASKS", "SLURM_JOB_NUM_NODES"), "1")
    zero = dict.fromkeys(("SLURM_NODEID", "SLURM_PROCID", "SLURM_LOCALID"), "0")
    environment = {**os.environ, **one, **zero, "SLURM_JOB_ID": number, "SLURM_JOB_NAME": "colonnade"}
    code = subprocess.run(["bash", pid.with_suffix(".sh")], env=environment).returncode
    pid.with_suffix(".state").write_text("FAILED" if code else "COMPLETED")


def srun(*words):
    words = list(words)
    while words[0].startswith("--"):
        if words.pop(0) == "--output":
            output = words.pop(0).replace("%j", os.environ["SLURM_JOB_ID"]).replace("%t", "0")
    with open(output, "a") as file:
        code = subprocess.run(words, stdout=file, stderr=file).returncode
        if code:
            file.write(f"srun: error: task 0: ended with {code}\n")
    sys.exit(abs(code))


def squeue(*words):
    for script in FOLDER.glob("*.sh"):
        name = re.search("--job-name=(.*)", script.read_text())[1]
        ended, runs = script.with_suffix(".state"), script.with_suffix(".runs")
        state = ended.read_text() if ended.exists() else "RUNNING" if runs.exists() else "PENDING"
        print(script.stem, state, name)


def scancel(*words):
    options = dict(word.removeprefix("--").partition("=")[::2] for word in words if word.startswith("--"))
    for number in (word.partition(".")[0] for word in words if not word.startswith("--")):
        pid = FOLDER / f"{number}.pid"
        waits = not pid.with_suffix(".runs").exists()
        if pid.with_suffix(".state").exists() or waits and "signal" in options or not waits and "state" in options:
            continue
        first = psutil.Process(int(pid.read_text()))
        for process in [*first.children(recursive=True), first]:
            words = process.cmdline()
            if "signal" not in options:
                process.kill()
            elif "submitit.core._submit" in words and __file__ not in words:
                # As Slurm does: the task gets it, not the shell and what calls srun.
                process.send_signal(getattr(signal, f"SIG{options['signal']}"))
        if "signal" not in options:
            pid.with_suffix(".state").write_text("CANCELLED")


if __name__ == "__main__":
    name, *words = [Path(sys.argv[0]).name, *sys.argv[1:]]
    if name == Path(__file__).name:
        name, *words = words
    globals()[name](*words)
