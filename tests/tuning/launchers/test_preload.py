"""What the process that jobs are forked from has imported: all that an ordinary training needs."""

import subprocess
import sys

TRAIN = """
import sys
import colonnade.tuning.launchers.preload
from colonnade.config.compose import compose
from colonnade.runs.fit import fit

cfg = compose(["data=breast_cancer", "model=mlp", "trainer.max_epochs=1", "threads=1", "trainer=cpu"])
before = set(sys.modules)
fit(cfg, sys.argv[1])
print("imported", *sorted({name for name in set(sys.modules) - before if not name.startswith("torch.")}))
"""
# Of a millisecond each, and nobody's to import by name.
SMALL = {
    "fsspec.implementations.chained",
    "omegaconf._impl",
    "polars._utils.parquet",
    "sklearn.datasets.data",
    "sklearn.datasets.descr",
}


def test_a_job_imports_nothing_more(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", TRAIN, str(tmp_path / "run")], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    imported = done.stdout.strip().splitlines()[-1].split()
    assert imported[0] == "imported"
    assert set(imported[1:]) <= SMALL
