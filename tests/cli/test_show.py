"""What ``colonnade train --cfg`` and ``--help`` print."""

import sys

import pytest
import yaml
from hydra._internal.hydra import Hydra

from colonnade.cli.commands import main


@pytest.fixture
def printed(mini, tmp_path, monkeypatch, capsys, caplog):
    """Calls the verb on the small tree, in an empty folder; gives what it printed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DB_PASSWORD", "pa55")
    monkeypatch.setitem(sys.modules, "colonnade.runs.fit", None)

    def call(*words):
        before = Hydra.get_sanitized_cfg, Hydra.compose_config
        assert main(["train", "--config-dir", str(mini), "--config-name", "mini", *words]) == 0
        assert (Hydra.get_sanitized_cfg, Hydra.compose_config) == before
        # What `--info` tells goes through the log.
        return capsys.readouterr().out + caplog.text

    return call


SECRETS = (
    "data.password=hush",
    "data.path=x://me:hush@host/${data.target}?token=hush",
    "+hydra.job.env_set.TOKEN=hush",
)


@pytest.mark.parametrize(
    "flags",
    [
        ("--info", "config"),
        ("--info", "all"),
        ("--cfg", "job"),
        ("--cfg", "all"),
        ("--cfg", "hydra"),
        ("--cfg", "all", "--resolve"),
        ("--help",),
    ],
)
def test_no_secret_is_printed(printed, flags):
    out = printed(*flags, *SECRETS)
    assert "hush" not in out, out
    assert "***" in out


def test_what_is_printed_is_what_was_composed_but_for_the_secrets(printed):
    job = yaml.safe_load(printed("--cfg", "job", *SECRETS))
    assert job["data"]["password"] == "***"
    assert job["data"]["path"] == "x://me:***@host/${data.target}?token=***"
    assert job["callbacks"]["watch"]["monitor"] == "${task.monitor}"
    assert "hydra" not in job
    every = yaml.safe_load(printed("--cfg", "all", "seed=4", *SECRETS))
    assert every["seed"] == 4
    assert every["hydra"]["overrides"]["task"][:2] == ["seed=4", "++data.password=***"]
    assert every["hydra"]["job"]["override_dirname"] == "***"
    assert yaml.safe_load(printed("--cfg", "all", "seed=4"))["hydra"]["job"]["override_dirname"] == "seed=4"


def test_resolved_but_for_the_environment(printed):
    words = ("data.password=${oc.env:DB_PASSWORD}", "data.path=${oc.decode:${oc.env:DB_PASSWORD}}/${data.target}")
    resolved = yaml.safe_load(printed("--cfg", "job", "--resolve", *words))
    assert resolved["callbacks"]["watch"]["monitor"] == "val/log_loss"
    assert resolved["data"]["password"] == "${oc.env:DB_PASSWORD}"
    assert resolved["data"]["path"] == "${oc.decode:${oc.env:DB_PASSWORD}}/y"
    assert yaml.safe_load(printed("--cfg", "job", *words))["data"]["path"] == words[1].partition("=")[2]


def test_a_part_of_it(printed):
    assert printed("--cfg", "job", "--package", "data.password", "data.password=hush") == "***\n"
    words = ("data.password=${oc.env:DB_PASSWORD}",)
    assert printed("--cfg", "job", "--package", "data.password", *words) == "${oc.env:DB_PASSWORD}\n"
    assert "\npassword: ${oc.env:DB_PASSWORD}\n" in printed("--cfg", "job", "--package", "data", *words)
    assert "\n  password: ${oc.env:DB_PASSWORD}\n" in printed("--cfg", "job", "--package", "_global_", *words)


def test_a_slip_is_mended_before_it_is_shown(printed):
    assert "password: '***'\n" in printed("--cfg", "job", "optim.betas=[0.8,0.9]", "data.password=hush")
