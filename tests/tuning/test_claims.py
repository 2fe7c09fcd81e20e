import json
import os
import subprocess
import sys
import time

import pytest

from colonnade.tuning.claims import Claims, identity


@pytest.fixture
def claims(tmp_path):
    return Claims(tmp_path, lease=30)


def as_if(claims, key, **holder):
    """The claim of somebody else."""
    path = claims._path(key)
    path.write_text(json.dumps({"key": key, **identity(), **holder}))
    return path


def test_a_key_is_taken_once(claims, tmp_path):
    with claims.locked():
        assert claims.take("a")
        assert not claims.take("a")
        assert not Claims(tmp_path).take("a"), "another worker sees it too"
        assert claims.take("b")
    claims.release("a")
    with claims.locked():
        assert Claims(tmp_path).take("a")


def test_the_claim_of_a_process_that_is_gone_has_ended(claims):
    gone = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True)
    as_if(claims, "a", pid=int(gone.stdout))
    assert not claims.held("a")
    with claims.locked():
        assert claims.take("a")


def test_a_later_process_with_the_same_number_is_another(claims):
    as_if(claims, "a", started=identity()["started"] - 100)
    assert not claims.held("a")


def test_a_claim_of_another_machine_ends_when_it_is_not_renewed(claims):
    path = as_if(claims, "a", host="elsewhere", pid=1)
    assert claims.held("a")
    os.utime(path, (time.time() - 31, time.time() - 31))
    assert not claims.held("a")


def test_renewing_shows_life_and_brings_nothing_back(claims):
    with claims.locked():
        assert claims.take("a")
        assert claims.take("b")
    old = time.time() - 100
    os.utime(claims._path("a"), (old, old))
    claims._path("b").unlink()
    claims.renew()
    assert time.time() - claims._path("a").stat().st_mtime < 10
    assert not claims._path("b").exists()


def test_keys_with_folders_are_one_file(claims):
    with claims.locked():
        assert claims.take("model=mlp/trial-0001")
    assert [path.name for path in claims.folder.glob("*.json")] == ["model=mlp%2Ftrial-0001.json"]


def test_a_torn_claim_counts_for_nothing(claims):
    claims._path("a").write_text("{")
    assert not claims.held("a")
