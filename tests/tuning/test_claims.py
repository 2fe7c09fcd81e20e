import json
import os
import socket
import subprocess
import sys
import threading
import time

import psutil
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
    claims.renew(now=True)
    assert time.time() - claims._path("a").stat().st_mtime < 10
    assert not claims._path("b").exists()


def test_keys_with_folders_are_one_file(claims):
    with claims.locked():
        assert claims.take("model=mlp/trial-0001")
    assert [path.name for path in claims.folder.glob("*.json")] == ["model=mlp%2Ftrial-0001.json"]


def test_a_torn_claim_counts_for_nothing(claims):
    claims._path("a").write_text("{")
    assert not claims.held("a")
    claims._path("a").write_text("[]")
    assert not claims.held("a")


def test_a_claim_that_was_taken_over_is_forgotten_and_stays_with_its_holder(claims):
    with claims.locked():
        assert claims.take("a")
        assert claims.take("b")
    path = as_if(claims, "a", host="elsewhere")
    old = time.time() - 20
    os.utime(path, (old, old))
    assert claims.mine("a"), "not noticed yet"
    claims.renew(now=True)
    assert not claims.mine("a")
    assert claims.mine("b")
    assert path.stat().st_mtime == pytest.approx(old), "its holder is to renew it"
    with claims.locked():
        claims.release("a")
    assert path.exists()
    assert claims.living() == ["a", "b"]


def test_another_machine_of_the_same_name_is_another(claims):
    name = identity()["host"].partition(" ")[0]
    assert name == socket.gethostname()
    as_if(claims, "a", host=f"{name} 0b57-another-boot pid:[7]", pid=os.getpid())
    assert claims.held("a"), "until its lease ends"


def test_a_clock_that_is_set_changes_nothing(claims, monkeypatch):
    with claims.locked():
        assert claims.take("a")
    other = Claims(claims.folder.parent)
    boot = psutil.boot_time()
    monkeypatch.setattr(psutil, "boot_time", lambda: boot + 1000)
    monkeypatch.setattr(time, "time", lambda: boot + 10**9)
    assert other.held("a")


def test_claims_are_renewed_while_the_lock_is_waited_for_and_before_it_is_given_on(tmp_path):
    mine, holder = Claims(tmp_path, lease=0.4), Claims(tmp_path, lease=0.4)
    with mine.locked():
        assert mine.take("a")
        assert holder.take("b")
    old = time.time() - 100
    for claims, key in ((mine, "a"), (holder, "b")):
        os.utime(claims._path(key), (old, old))
    inside, leave = threading.Event(), threading.Event()

    def hold():
        with holder.locked():
            inside.set()
            leave.wait(10)

    thread = threading.Thread(target=hold)
    thread.start()
    assert inside.wait(10)
    threading.Timer(0.5, leave.set).start()
    with mine.locked():
        assert all(mine._path(key).stat().st_mtime > old + 50 for key in "ab")
    thread.join()


def test_the_lock_is_given_back_whatever_happens(claims, tmp_path):
    with pytest.raises(KeyboardInterrupt), claims.locked():
        raise KeyboardInterrupt
    with Claims(tmp_path).locked():
        pass
