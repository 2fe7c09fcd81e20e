"""What the process that jobs are forked from has imported: all that an ordinary training needs.

The commands of the tests are forked from one that has imported the same.
"""

import forked

TRAIN = """
import sys
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
    script = tmp_path / "trains.py"
    script.write_text(TRAIN)
    done = forked.run([str(tmp_path / "run")], tmp_path, program=str(script), rendered=True)
    assert done.returncode == 0, done.stderr
    imported = done.stdout.strip().splitlines()[-1].split()
    assert imported[0] == "imported"
    assert set(imported[1:]) <= SMALL
