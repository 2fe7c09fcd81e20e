import hashlib
import json
import math

import pytest

from colonnade.core.files import finite, sha256, write_atomic, write_json


def test_write_atomic_replaces_the_whole_content(tmp_path):
    path = tmp_path / "result.json"
    write_atomic(path, "old and long")
    write_atomic(path, "new")
    assert path.read_text() == "new"
    assert [p.name for p in tmp_path.iterdir()] == ["result.json"]


def test_a_failed_write_keeps_the_old_file_and_leaves_nothing_behind(tmp_path, monkeypatch):
    path = tmp_path / "result.json"
    write_atomic(path, "old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("colonnade.core.files.os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_atomic(path, "new")
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["result.json"]


def test_json_holds_no_nan(tmp_path):
    write_json(tmp_path / "a.json", {"auroc": math.nan, "ends": (math.inf, 1.5), "n": 3})
    assert json.loads((tmp_path / "a.json").read_text()) == {"auroc": None, "ends": [None, 1.5], "n": 3}
    assert finite({"x": {"y": [-math.inf]}}) == {"x": {"y": [None]}}


def test_sha256_is_that_of_the_content(tmp_path):
    (tmp_path / "x").write_bytes(b"colonnade" * 100_000)
    assert sha256(tmp_path / "x") == hashlib.sha256(b"colonnade" * 100_000).hexdigest()
