"""Overhead of a search: a hundred jobs of a second on two slots; ours, Hydra's joblib launcher, and Ray Tune."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

import machine

ROOT = Path(__file__).parents[2]
JOBS, SLOTS = 100, 2
# Trains for about a second on one thread; whatever is not training is left out.
WORDS = (
    "data=breast_cancer",
    "model=mlp",
    "trainer=cpu",
    "threads=1",
    "trainer.max_epochs=10",
    "trainer.enable_progress_bar=false",
    "callbacks=minimal",
    "logger=none",
)
SEEDS = f"seed=range(0,{JOBS})"
TOOK = re.compile(r"took ([\d.]+) s")


def ours(folder: Path) -> tuple[float, list[float]]:
    """Wall seconds of the whole command from the first job on, and the seconds of each job."""
    command = [sys.executable, "-m", "colonnade.cli", "train", "-m", *WORDS, SEEDS, f"hydra.sweep.dir={folder}"]
    subprocess.run([*command, f"launcher.trials_per_device={SLOTS}"], check=True, cwd=ROOT, capture_output=True)
    logs = [path.read_text() for path in folder.rglob("train.log")]
    begun = min(path.stat().st_mtime for path in folder.rglob("config.yaml"))
    ended = max(path.stat().st_mtime for path in folder.rglob("result.json"))
    jobs = [float(found) for log in logs for found in TOOK.findall(log)]
    return ended - begun + min(jobs), jobs


def joblib(folder: Path) -> tuple[float, list[float]]:
    """The same jobs through Hydra's basic sweeper and its joblib launcher."""
    script = folder / "job.py"
    folder.mkdir()
    script.write_text(
        "import time\nimport hydra\nfrom colonnade.config.compose import of_training, with_record\n"
        "from hydra.core.hydra_config import HydraConfig\n\n"
        "def job(cfg):\n"
        "    start = time.time()\n"
        "    from colonnade.runs.fit import fit\n"
        "    settings = HydraConfig.get()\n"
        "    fit(of_training(with_record(cfg, settings)), settings.runtime.output_dir)\n"
        "    open(settings.runtime.output_dir + '/took.json', 'w').write(f'[{start}, {time.time()}]')\n\n"
        "if __name__ == '__main__':\n"
        f"    hydra.main(version_base='1.3', config_path={str(ROOT / 'conf')!r}, config_name='train')(job)()\n"
    )
    words = [*WORDS, SEEDS, "hydra/sweeper=basic", "hydra/launcher=joblib", f"hydra.launcher.n_jobs={SLOTS}"]
    command = [sys.executable, str(script), "-m", *words, f"hydra.sweep.dir={folder / 'runs'}"]
    subprocess.run(command, check=True, cwd=ROOT, capture_output=True)
    return told(folder)


def ray_tune(folder: Path) -> tuple[float, list[float]]:
    """The same jobs as trials of Ray Tune."""
    folder.mkdir()
    script = folder / "tune.py"
    script.write_text(
        "import time\nimport ray\nfrom ray import tune\n\n"
        "def job(config):\n"
        "    start = time.time()\n"
        "    from colonnade.config.compose import compose\n"
        "    from colonnade.runs.fit import fit\n"
        f"    folder = {str(folder)!r} + f'/runs/{{config[\"seed\"]}}'\n"
        f"    fit(compose([*{list(WORDS)!r}, f'seed={{config[\"seed\"]}}']), folder)\n"
        "    open(folder + '/took.json', 'w').write(f'[{start}, {time.time()}]')\n"
        "    return {'done': 1}\n\n"
        "if __name__ == '__main__':\n"
        f"    ray.init(address='local', num_cpus={SLOTS}, include_dashboard=False, log_to_driver=False)\n"
        f"    space = {{'seed': tune.grid_search(list(range({JOBS})))}}\n"
        "    trainable = tune.with_resources(job, {'cpu': 1})\n"
        f"    run = tune.RunConfig(storage_path={str(folder / 'ray')!r}, verbose=0)\n"
        "    results = tune.Tuner(trainable, param_space=space, run_config=run).fit()\n"
        "    assert not results.errors, results.errors\n"
    )
    subprocess.run([sys.executable, str(script)], check=True, cwd=ROOT, capture_output=True)
    return told(folder)


def told(folder: Path) -> tuple[float, list[float]]:
    """Wall seconds from the first job on, and the seconds of each."""
    spans = [json.loads(path.read_text()) for path in folder.rglob("took.json")]
    return max(end for _, end in spans) - min(begin for begin, _ in spans), [end - begin for begin, end in spans]


TOOLS = (
    ("ours", "colonnade", ours),
    ("Ray Tune", "ray", ray_tune),
    ("Hydra's joblib launcher", "hydra_plugins.hydra_joblib_launcher", joblib),
)


def main() -> None:
    """Measure in turn, and write ``docs/benchmarks/search.md``."""
    os.environ.update(OMP_NUM_THREADS="1", RAY_USAGE_STATS_ENABLED="0")
    rows = []
    with tempfile.TemporaryDirectory() as name:
        for tool, package, run in TOOLS:
            if find_spec(package) is None:
                rows.append([tool, *[f"{package} is not installed"] * 4])
                continue
            start = time.perf_counter()
            wall, jobs = run(Path(name) / run.__name__)
            whole = time.perf_counter() - start
            assert len(jobs) == JOBS, f"{tool}: {len(jobs)} jobs"
            busy = sum(jobs) / (SLOTS * wall)
            rows.append([tool, f"{sum(jobs) / JOBS:.2f}", f"{wall:.1f}", f"{100 * busy:.0f} %", f"{whole:.1f}"])
    text = machine.header(
        "Overhead of a search",
        "make bench BENCH=search",
        f"{JOBS} trainings (mlp on breast cancer, {WORDS[4]}, one thread, the whole run folder) on {SLOTS} slots, in "
        "one run, one tool after the other. A job is what it takes from the moment its process has its configuration, "
        "or composes it, to the end of `fit`; busy is the share of the slots' time, from the first job to the end of "
        "the last, that was spent in jobs (target: 90 %). `whole` is the command, imports and table included. A tool "
        "that imports anew for each job has longer jobs: what counts in the end is `whole`.",
    )
    columns = ["tool", "seconds a job", "wall s", "busy", "whole s"]
    machine.write("search", text + "\n" + machine.table(columns, rows))


if __name__ == "__main__":
    main()
