"""README.md: its commands run, and what it names exists."""

from __future__ import annotations

import re
import shlex
import sqlite3
from pathlib import Path

import polars as pl
import pytest

import forked

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
# Fenced blocks without a language hold commands; others hold output.
BLOCKS = [body for kind, body in re.findall(r"^```(\w*)\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL) if not kind]
COMMANDS = [line.split("  #")[0].strip() for block in BLOCKS for line in block.splitlines() if line.strip()]
# `make` would set up a virtual environment or run these tests; TensorBoard serves until it is stopped.
NOT_RUN = ("make", "tensorboard")
REAL = "data=adult"
GROUP = re.compile(r"^\| `(\w+)=` \| (.*?) \|", re.MULTILINE)


def section(title: str) -> str:
    return TEXT.split(f"\n## {title}\n")[1].split("\n## ")[0]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the README supposes: a table of customers, new rows, labelled rows, a database."""
    here = tmp_path_factory.mktemp("newcomer")
    n = 120
    frame = pl.DataFrame(
        {
            "customer": [f"C{i:05d}" for i in range(n)],
            "since": [f"2024-{1 + i % 12:02d}-{1 + i % 28:02d}" for i in range(n)],
            "city": [["Berlin", "Roma", None, "Ålborg"][i * 7 % 4] for i in range(n)],
            "age": [18 + i * 37 % 61 for i in range(n)],
            "income": [None if i % 9 == 0 else 1000 + i * 7919 % 5003 for i in range(n)],
            "newsletter": [i % 3 == 0 for i in range(n)],
            "churned": [["no", "yes"][i * 37 % 61 > 40] for i in range(n)],
        }
    )
    frame.write_csv(here / "customers.csv")
    frame.write_csv(here / "labelled.csv")
    frame.drop("churned").head(5).write_csv(here / "new.csv")
    with sqlite3.connect(here / "shop.db") as shop:
        shop.execute(f"create table customers ({', '.join(frame.columns)})")
        shop.executemany(f"insert into customers values ({', '.join('?' * frame.width)})", frame.rows())
    (here / "train.py").write_text((ROOT / "train.py").read_text(encoding="utf-8"))
    return here


def test_the_readme_has_commands() -> None:
    assert {line.split()[0] for line in COMMANDS} == {"python", "colonnade", "make", "tensorboard"}
    assert len(COMMANDS) >= 10


def run(line: str, folder: Path) -> list[str]:
    """Run a command of the README for one epoch; its words."""
    program, *words = shlex.split(line)
    if words[0] in ("train", "train.py"):
        words += ["trainer.max_epochs=1"]
    if program == "python":
        done = forked.run(words[1:], folder, program=str(folder / words[0]), rendered=True)
    else:
        done = forked.run(words, folder, rendered=True)
    assert done.returncode == 0, f"{line}\n{done.stderr}"
    assert "Traceback" not in done.stderr, line
    assert "Warning" not in done.stderr, line
    return words


def test_the_first_command(folder: Path, real_data: Path) -> None:
    (line,) = [line for line in COMMANDS if REAL in line]
    run(line, folder)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_commands_in_their_order(folder: Path) -> None:
    """One test: later commands use what earlier ones made."""
    for line in COMMANDS:
        if line.split()[0] in NOT_RUN or REAL in line:
            continue
        for word in run(line, folder):
            if word.startswith("out=") and word.endswith(".csv"):
                assert pl.read_csv(folder / word.removeprefix("out=")).height == 5
    made = folder / "outputs" / "first"
    first_cells = re.findall(r"^\| (`.*?) \|", section("What the run folder holds"), re.MULTILINE)
    named = re.findall(r"`([^`]+)`", " ".join(first_cells))
    assert len(named) > 12
    assert [name for name in named if not (made / name).exists()] == []
    unnamed = {path.name for path in made.iterdir()} - {name.strip("/") for name in named} - {".lock"}
    assert unnamed == set(), "in the run folder, but not in the README"


@pytest.mark.slow
def test_the_python_block(folder: Path) -> None:
    (body,) = re.findall(r"^```python\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
    (folder / "block.py").write_text(body, encoding="utf-8")
    done = forked.run([], folder, program=str(folder / "block.py"), rendered=True)
    assert done.returncode == 0, done.stderr
    assert "probability/yes" in done.stdout
    assert "Warning" not in done.stderr


def test_every_choice_has_a_file() -> None:
    groups = dict(GROUP.findall(section("What to type")))
    shipped = {path.name for path in (ROOT / "conf").iterdir() if path.is_dir() and path.name != "hydra"}
    assert groups.keys() == shipped
    for group, cell in groups.items():
        named = set(re.findall(r"`(\w+)`", cell))
        there = {path.stem for path in (ROOT / "conf" / group).glob("*.yaml")}
        assert named <= there, group
        if "..." not in cell:
            assert named == there, f"{group}: the README lists all of them"


def test_every_path_exists() -> None:
    named = re.findall(r"^\| `([\w./]+)` \|", section("File map"), re.MULTILINE)
    assert len(named) > 12
    linked = [target for target in re.findall(r"\]\(([^)]+)\)", TEXT) if "://" not in target]
    missing = [name for name in {*named, *linked} if not (ROOT / name).exists()]
    assert missing == []
