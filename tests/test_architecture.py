"""The plan of the house, held by tests: who may import whom, and what a file may look like."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src" / "colonnade"
FILES = sorted(SOURCE.rglob("*.py"))
ROOMS = sorted(folder.name for folder in SOURCE.iterdir() if (folder / "__init__.py").is_file())
# Beside the rooms: suites that run over several of them.
ACROSS = {"contracts", "configs", "golden", "faults"}
LONGEST = 400


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    """Run import-linter on the package in ``folder``."""
    command = [
        str(Path(sys.executable).with_name("lint-imports")),
        "--no-cache",
        "--config",
        str(ROOT / ".importlinter"),
    ]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_imports_keep_to_the_floors():
    done = lint(ROOT / "src")
    assert done.returncode == 0, done.stdout
    assert "5 kept, 0 broken" in done.stdout


@pytest.mark.parametrize(
    ("file", "line", "contract"),
    [
        ("core/batch.py", "import colonnade.data.schema_guess", "Imports go down only"),
        ("nn/network.py", "from colonnade.tasks import base", "Imports go down only"),
        ("config/check.py", "from colonnade.runs import fit", "Imports go down only"),
        ("training/module.py", "from colonnade.baselines import base", "Imports go down only"),
        ("baselines/base.py", "from colonnade.deploy import parity", "Imports go down only"),
        ("runs/fit.py", "from colonnade.tuning import claims", "Imports go down only"),
        ("tasks/base.py", "import lightning.pytorch", "core, nn and tasks work with neither"),
        ("nn/head.py", "import polars", "core, nn and tasks work with neither"),
        ("core/spec.py", "import numpy", "core imports torch alone"),
        ("training/module.py", "import hydra", "Hydra is seen by config, tuning and cli alone"),
        ("report/__init__.py", "import lightning", "Lightning is seen by"),
        ("attic/__init__.py", '"""A room that no floor knows."""', "colonnade.attic"),
    ],
)
def test_a_planted_violation_is_found(tmp_path, file, line, contract):
    copy = Path(shutil.copytree(SOURCE, tmp_path / "colonnade", ignore=shutil.ignore_patterns("__pycache__")))
    (copy / "data" / "schema_guess.py").write_text('"""Planted."""\n')
    planted = copy / file
    planted.parent.mkdir(exist_ok=True)
    with planted.open("a") as stream:
        stream.write(f"\n{line}\n")
    done = lint(tmp_path)
    assert done.returncode != 0, done.stdout
    assert contract in done.stdout


def test_there_are_rooms_to_look_at():
    assert len(FILES) > 80
    named = "baselines cli config core data deploy explain nn report runs tasks training tuning"
    assert set(named.split()) <= set(ROOMS)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_a_file_is_one_thing_and_says_which(path):
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= LONGEST, f"more than {LONGEST} lines: it wants to be two"
    assert ast.get_docstring(ast.parse(text)), "a module begins by saying what it is"


def test_tests_mirror_the_rooms():
    folders = {path.name for path in (ROOT / "tests").iterdir() if path.is_dir() and not path.name.startswith("__")}
    assert folders <= {*ROOMS, *ACROSS}, "a folder of tests is named after a room"
    for room in set(ROOMS) - {"testing"}:
        assert list((ROOT / "tests" / room).rglob("test_*.py")), f"no tests of {room}"


def test_tests_are_no_longer_than_sources_and_skip_no_package():
    """A package that the dev extra installs and that is not there is an error, not a silent skip."""
    wrong = []
    for path in (ROOT / "tests").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        if len(text.splitlines()) > LONGEST:
            wrong.append(f"{path.relative_to(ROOT)}: more than {LONGEST} lines")
        if "importorskip(" in text and path != Path(__file__).resolve():
            wrong.append(f"{path.relative_to(ROOT)}: import it plainly")
    assert not wrong


def test_importing_the_package_imports_nothing_heavy():
    code = "import sys, colonnade.cli; sys.exit(' '.join({'torch', 'lightning', 'hydra'} & set(sys.modules)) or 0)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_nothing_names_this_machine():
    """No path of a developer's machine and no package host in what is published."""
    wrong = [
        f"{path.relative_to(ROOT)}: {word}"
        for folder in ("src", "conf", "docs", "scripts", "tests")
        for path in (ROOT / folder).rglob("*")
        if path.suffix in {".py", ".yaml", ".md", ".txt", ".json"} and path != Path(__file__).resolve()
        for word in ("/work/", "/home/", "/root/", "index-url", "--extra-index")
        if word in path.read_text(encoding="utf-8")
    ]
    assert not wrong
