"""An installed wheel works away from the checkout, with the user's own ``./conf``."""

from __future__ import annotations

import json
import os
import site
import subprocess
import sys
import sysconfig
import textwrap
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
pytestmark = pytest.mark.slow


def run(*command: str, cwd: Path, ok: bool = True) -> str:
    """What a command prints, standard error included."""
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "COLONNADE_DATA")}
    done = subprocess.run(
        command, cwd=cwd, text=True, check=False, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    assert (done.returncode == 0) is ok, done.stdout
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT), cwd=folder)
    [path] = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory) -> Path:
    """The programs of an environment that holds the wheel and, by reference, our dependencies, but not the checkout."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False, symlinks=True)
    python = folder / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", str(python), "--disable-pip-version-check"]
    run(*pip, "install", "--no-deps", "--no-index", str(wheel), cwd=folder)
    [packages] = (folder / "lib").glob("python*/site-packages")
    # Folders named in a .pth file do not have their own .pth files read, so that ours, which is editable, stays out.
    (packages / "dependencies.pth").write_text("\n".join({sysconfig.get_path("purelib"), *site.getsitepackages()}))
    return python.parent


def test_what_the_wheel_holds(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    shipped = {str(path.relative_to(ROOT)) for path in (ROOT / "conf").rglob("*.yaml")}
    assert {f"colonnade/{name}" for name in shipped} <= set(names)
    assert "hydra_plugins/colonnade_searchpath/__init__.py" in names
    assert "hydra_plugins/__init__.py" not in names, "other distributions share this folder"
    tops = {name.split("/")[0] for name in names if ".dist-info" not in name}
    assert tops == {"colonnade", "hydra_plugins"}
    assert any(name.endswith("licenses/LICENSE") for name in names)


def test_it_comes_from_the_wheel(installed, tmp_path):
    text = run(str(installed / "python"), "-c", "import colonnade; print(colonnade.__file__)", cwd=tmp_path)
    assert str(installed.parent) in text


def test_trains_in_an_empty_folder_with_the_users_own_conf(installed, tmp_path):
    rows = ["x,colour,y"] + [f"{i / 7:.3f},{('red', 'blue')[i % 2]},{('no', 'yes')[(i // 3) % 2]}" for i in range(120)]
    (tmp_path / "mine.csv").write_text("\n".join(rows) + "\n")
    own = tmp_path / "conf" / "data"
    own.mkdir(parents=True)
    (own / "mine.yaml").write_text(
        textwrap.dedent("""
            defaults: [table, _self_]
            path: mine.csv
            target: y
        """)
    )
    command = [str(installed / "colonnade"), "train", "data=mine", "model=mlp", "trainer.max_epochs=1", "seed=1"]
    assert "path: mine.csv" in run(*command, "--cfg", "job", cwd=tmp_path)
    run(*command, "hydra.run.dir=run", cwd=tmp_path)
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    assert result["status"] == "finished"
    again = [str(installed / "python"), "-m", "colonnade.cli", "predict", "run=run", "data.path=mine.csv", "out=p.csv"]
    assert "120 rows: p.csv" in run(*again, cwd=tmp_path)


def test_a_slip_is_told_there_too(installed, tmp_path):
    text = run(str(installed / "colonnade"), "train", "model=tabnett", cwd=tmp_path, ok=False)
    assert "model=tabnett: there is no such model; did you mean 'tabnet'" in text
