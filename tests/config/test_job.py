import subprocess
import sys

import pytest
from hydra.core.utils import setup_globals
from omegaconf import OmegaConf

from colonnade.config.job import load_job, portable


@pytest.fixture
def twice():
    """A resolver of the user's own, which another process does not have."""
    OmegaConf.register_new_resolver("twice", lambda value: f"{value}{value}" if isinstance(value, str) else 2 * value)
    yield
    OmegaConf.clear_resolver("twice")


def carried(path, content):
    """What a configuration is when it has been written down, as it stands and as it is understood."""
    path.write_text(OmegaConf.to_yaml(portable(OmegaConf.create(content))))
    cfg = load_job(path)
    return OmegaConf.to_container(cfg, resolve=False), cfg


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("${seed}", "${seed}"),
        ("${oc.select:seed,5}", "${oc.select:seed,5}"),
        ("${oc.dict.values:node}", "${oc.dict.values:node}"),
        # Only this process may know these.
        ("${twice:4}", 8),
        ("${twice:${seed}}", 6),
        ("${twice:${twice:${seed}}}", 12),
        ("${oc.select:none,${twice:1}}", 2),
        ("a ${twice:b} ${seed}", "a bb ${seed}"),
        ([{"a": "${twice:${node.b}}"}], [{"a": 4}]),
        ("${no.such:1}", "${no.such:1}"),
        (r"\${twice:4}", r"\${twice:4}"),
        # Filled in later.
        ("${run_dir}/${twice:x}.txt", "${run_dir}/xx.txt"),
        ("${twice:${run_dir}}", "${twice:${run_dir}}"),
        ("${twice:${task.monitor}}", "${twice:${task.monitor}}"),
        # Of another node than the probe's.
        ("${twice:${.seed}}", "${twice:${.seed}}"),
        # Not to be written down.
        ("${oc.env:KEY}", "${oc.env:KEY}"),
        ("${twice:${oc.env:KEY}}", "${twice:${oc.env:KEY}}"),
        ("${twice:${key}}", "${twice:${key}}"),
        ("${twice:${oc.select:key}}", "${twice:${oc.select:key}}"),
        ("${twice:1}${oc.env:KEY}", "2${oc.env:KEY}"),
    ],
)
def test_what_another_process_may_not_know_is_resolved_and_nothing_else(tmp_path, monkeypatch, twice, value, written):
    monkeypatch.setenv("KEY", "pa55")
    content = {
        "value": value,
        "seed": 3,
        "node": {"b": 2},
        "key": "${oc.env:KEY}",
        "run_dir": None,
        "task": {"name": "auto", "monitor": "val/loss"},
    }
    plain, _ = carried(tmp_path / "job.yaml", content)
    assert plain == content | {"value": written}
    assert "pa55" not in (tmp_path / "job.yaml").read_text()


def test_a_task_that_is_settled_is_known(tmp_path, twice):
    plain, _ = carried(tmp_path / "job.yaml", {"a": "${twice:${task.n}}", "task": {"name": "binary", "n": 2}})
    assert plain["a"] == 4


def test_a_text_that_looks_like_an_interpolation_stays_text(tmp_path, twice):
    _, cfg = carried(tmp_path / "job.yaml", {"a": r"${twice:'\${x}'}"})
    assert cfg.a == "${x}${x}"


def test_a_process_without_hydra_reads_what_hydra_resolves(tmp_path):
    setup_globals()
    cfg = OmegaConf.create(
        {"day": "${now:%Y-%m}", "run_dir": None, "path": "${run_dir}/${now:%Y}", "n": "${oc.select:x,2}"}
    )
    (tmp_path / "job.yaml").write_text(OmegaConf.to_yaml(portable(cfg)))
    code = (
        "import sys; from pathlib import Path; from colonnade.config.job import load_job\n"
        "cfg = load_job(Path(sys.argv[1])); cfg.run_dir = 'here'; print(cfg.day, cfg.path, cfg.n)\n"
        "assert 'hydra' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "job.yaml")], capture_output=True, text=True)
    assert done.stdout.split() == [cfg.day, f"here/{cfg.day[:4]}", "2"], done.stderr


def test_the_module_of_a_target_may_bring_a_resolver(tmp_path, monkeypatch):
    (tmp_path / "bringer.py").write_text(
        "from omegaconf import OmegaConf\nOmegaConf.register_new_resolver('brought', str.upper)\nclass Thing: ...\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("COLONNADE_TARGETS", "bringer")
    (tmp_path / "job.yaml").write_text(
        "a: {_target_: bringer.Thing}\nb: {_target_: '${a._target_}'}\nc: '${brought:x}'\n"
    )
    try:
        assert load_job(tmp_path / "job.yaml").c == "X"
    finally:
        OmegaConf.clear_resolver("brought")
        sys.modules.pop("bringer", None)
