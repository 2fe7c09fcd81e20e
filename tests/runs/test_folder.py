import json
import subprocess
import sys

import pytest

from colonnade.core.errors import RunFolderError
from colonnade.runs.folder import RunFolder


@pytest.fixture
def folder(tmp_path):
    folder = RunFolder(tmp_path / "run")
    with folder.locked():
        folder.claim("hash-a", overwrite=False)
        folder.record("hash-a", "model: mlp\n", {"python": "3.11"})
    return folder


def test_a_new_folder_is_neither_finished_nor_failed(folder):
    assert folder.result is None
    assert not folder.finished
    assert folder.checkpoints.is_dir()


def test_the_same_configuration_may_claim_the_folder_again(folder):
    folder.claim("hash-a", overwrite=False)
    assert (folder / "config.yaml").read_text() == "model: mlp\n"


def test_another_configuration_is_refused(folder):
    with pytest.raises(RunFolderError, match=r"holds a run of another configuration .* overwrite=true to discard"):
        folder.claim("hash-b", overwrite=False)


@pytest.mark.parametrize("orphan", ["config.yaml", "checkpoints/manifest.json"])
def test_what_nobody_knows_the_configuration_of_is_not_trained_on(folder, orphan):
    (folder / orphan).write_text("{}")
    (folder / "environment.json").unlink()
    with pytest.raises(RunFolderError, match=r"but no environment.json; give overwrite=true"):
        folder.claim("hash-a", overwrite=False)
    folder.claim("hash-a", overwrite=True)


def test_overwrite_empties_the_folder_but_for_the_lock(folder):
    (folder.checkpoints / "best.ckpt").write_text("weights")
    with folder.locked():
        folder.claim("hash-b", overwrite=True)
        assert (folder / ".lock").exists()
    assert not (folder.checkpoints / "best.ckpt").exists()
    assert not (folder / "config.yaml").exists()


def test_overwrite_empties_no_folder_but_that_of_a_run(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(RunFolderError, match=r"is no run folder \(it holds thesis.tex\)"):
        RunFolder(tmp_path).claim("hash", overwrite=True)
    assert (tmp_path / "thesis.tex").exists()
    # Ended before there was a record: nothing but what a run makes first.
    (tmp_path / "begun" / "checkpoints").mkdir(parents=True)
    RunFolder(tmp_path / "begun").claim("hash", overwrite=True)


def test_two_processes_cannot_hold_one_folder(folder):
    code = (
        "import sys; from colonnade.runs.folder import RunFolder\n"
        "from colonnade.core.errors import RunFolderError\n"
        "try:\n"
        "    with RunFolder(sys.argv[1]).locked(): print('held')\n"
        "except RunFolderError as error: print(error)\n"
    )
    command = [sys.executable, "-c", code, str(folder.path)]
    with folder.locked():
        assert "another process is training in" in subprocess.run(command, capture_output=True, text=True).stdout
    assert subprocess.run(command, capture_output=True, text=True).stdout == "held\n"


def test_finish_lists_every_file_and_verify_finds_a_flipped_bit(folder):
    (folder / "network.safetensors").write_bytes(b"\x00\x01")
    (folder.checkpoints / "manifest.json").write_text("{}")
    folder.finish({"status": "finished", "metrics": {"test": {"auroc": float("nan")}}})
    assert set(json.loads((folder / "manifest.json").read_text())) == {
        "checkpoints/manifest.json",
        "config.yaml",
        "environment.json",
        "network.safetensors",
    }
    assert folder.finished
    assert folder.result["metrics"]["test"]["auroc"] is None
    folder.verify("network.safetensors", "config.yaml")
    (folder / "network.safetensors").write_bytes(b"\x00\x03")
    with pytest.raises(RunFolderError, match=r"network.safetensors' differs from its SHA-256 .* damaged"):
        folder.verify("network.safetensors")
    with pytest.raises(RunFolderError, match="pipeline.json' is missing from the run folder"):
        folder.verify("pipeline.json")


def test_a_failed_run_is_not_finished(folder):
    folder.finish({"status": "failed", "error": "DataError: no rows"})
    assert not folder.finished
    with pytest.raises(RunFolderError, match="is not a finished run"):
        folder.verify("config.yaml")
