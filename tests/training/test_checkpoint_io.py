import errno
import logging
import pickle

import pytest
import torch

from colonnade.core.errors import RunFolderError, TrainingError
from colonnade.core.files import sweep
from colonnade.training import manifest
from colonnade.training.checkpoint_io import AtomicCheckpointIO, best_checkpoint, latest_recovery, preflight

STATE = {"epoch": 1, "global_step": 7, "state_dict": {"w": torch.arange(1000.0)}}


def save(folder, name, kind=manifest.RECOVERY, state=STATE):
    AtomicCheckpointIO().save_checkpoint(state, folder / name, storage_options={"kind": kind})
    return folder / name


def test_round_trip_and_listing(tmp_path):
    path = save(tmp_path / "new", "a.ckpt")
    assert torch.equal(AtomicCheckpointIO().load_checkpoint(path)["state_dict"]["w"], torch.arange(1000.0))
    (entry,) = manifest.read(path.parent)
    assert (entry.file, entry.kind, entry.epoch, entry.step) == ("a.ckpt", "recovery", 1, 7)
    assert entry.size == path.stat().st_size
    assert manifest.damage(path, entry) is None
    assert sorted(p.name for p in path.parent.iterdir()) == ["a.ckpt", "manifest.json"]


def test_newest_of_a_kind_by_the_manifest(tmp_path):
    assert latest_recovery(tmp_path) is None
    assert best_checkpoint(tmp_path) is None
    save(tmp_path, "z.ckpt")
    newest = save(tmp_path, "a.ckpt")
    best = save(tmp_path, "best.ckpt", manifest.BEST)
    (tmp_path / "stray.ckpt").write_bytes(b"newer, but not listed")
    assert latest_recovery(tmp_path) == newest
    assert best_checkpoint(tmp_path) == best


def test_damaged_newest_is_passed_over_and_said(tmp_path, caplog):
    older, newest = save(tmp_path, "a.ckpt"), save(tmp_path, "b.ckpt")
    data = bytearray(newest.read_bytes())
    data[len(data) // 2] ^= 1
    newest.write_bytes(data)
    with caplog.at_level(logging.WARNING):
        assert latest_recovery(tmp_path) == older
    assert "checkpoint 'b.ckpt' is damaged: its SHA-256 is" in caplog.text
    assert "the one before it is used" in caplog.text
    with pytest.raises(RunFolderError, match="'b.ckpt' is damaged"):
        AtomicCheckpointIO().load_checkpoint(newest)
    older.unlink()
    assert latest_recovery(tmp_path) is None


def test_saving_again_replaces_the_entry(tmp_path):
    save(tmp_path, "a.ckpt")
    path = save(tmp_path, "a.ckpt", state={**STATE, "global_step": 9})
    assert [e.step for e in manifest.read(tmp_path)] == [9]
    assert latest_recovery(tmp_path) == path


def test_removing(tmp_path):
    path = save(tmp_path, "a.ckpt")
    AtomicCheckpointIO().remove_checkpoint(path)
    assert not path.exists()
    assert manifest.read(tmp_path) == []


def test_failed_write_keeps_what_was_there(tmp_path, monkeypatch):
    path = save(tmp_path, "a.ckpt")
    before = path.read_bytes()

    def full(*args):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("colonnade.core.files.os.fsync", full)
    with pytest.raises(TrainingError, match=r"cannot write checkpoint '.*b.ckpt': the disk is full \(.* MB free\)"):
        save(tmp_path, "b.ckpt")
    monkeypatch.undo()
    assert path.read_bytes() == before
    assert latest_recovery(tmp_path) == path
    assert not list(tmp_path.glob(".*.tmp"))


def test_disk_full_within_torch_is_named(tmp_path, monkeypatch):
    def full(self, data):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(manifest.HashingFile, "write", full)
    with pytest.raises(TrainingError, match="the disk is full"):
        save(tmp_path, "b.ckpt")


def test_half_written_files_are_swept(tmp_path, caplog):
    (tmp_path / ".a.ckpt.123.tmp").write_bytes(b"half")
    path = save(tmp_path, "a.ckpt")
    with caplog.at_level(logging.WARNING):
        sweep(tmp_path)
    assert not list(tmp_path.glob(".*"))
    assert path.exists()
    assert "left by a process that was killed" in caplog.text


@pytest.mark.parametrize("url", ["https://example.com/a.ckpt", "s3://bucket/a.ckpt", "file:///tmp/a.ckpt"])
def test_urls_are_refused(url):
    with pytest.raises(RunFolderError, match="is a URL: checkpoints are loaded from local files only"):
        AtomicCheckpointIO().load_checkpoint(url)


def test_code_is_never_loaded(tmp_path):
    class Evil:
        def __reduce__(self):
            return (print, ("code ran",))

    path = tmp_path / "evil.ckpt"
    torch.save({"state_dict": Evil()}, path)
    with pytest.raises(RunFolderError, match="no checkpoint of plain data"):
        AtomicCheckpointIO().load_checkpoint(path, weights_only=False)
    path.write_bytes(pickle.dumps({}))
    with pytest.raises(RunFolderError, match="no checkpoint of plain data"):
        AtomicCheckpointIO().load_checkpoint(path)


def test_missing_file(tmp_path):
    with pytest.raises(RunFolderError, match=r"checkpoint '.*a.ckpt' does not exist"):
        AtomicCheckpointIO().load_checkpoint(tmp_path / "a.ckpt")


def test_damaged_manifest(tmp_path):
    (tmp_path / manifest.MANIFEST).write_text("{")
    with pytest.raises(RunFolderError, match=r"manifest.json' is damaged .*: restore it, or remove the folder"):
        latest_recovery(tmp_path)


def test_preflight(tmp_path, monkeypatch):
    preflight(tmp_path / "new", 1000)
    assert list((tmp_path / "new").iterdir()) == []
    with pytest.raises(TrainingError, match=r"checkpoints need about .* MB in .*, where .* MB are free: make room"):
        preflight(tmp_path, 10**18)
    (tmp_path / "file").write_text("")
    with pytest.raises(TrainingError, match="cannot write checkpoint"):
        preflight(tmp_path / "file" / "folder", 1)


def test_a_view_is_written_without_what_it_is_a_view_of(tmp_path):
    large = torch.arange(100_000.0)
    AtomicCheckpointIO().save_checkpoint({"a": [large[5:7]], "b": {"c": large[8]}}, tmp_path / "x.ckpt")
    assert (tmp_path / "x.ckpt").stat().st_size < 10_000
    found = AtomicCheckpointIO().load_checkpoint(tmp_path / "x.ckpt")
    assert found["a"][0].tolist() == [5.0, 6.0]
    assert found["b"]["c"].item() == 8.0
