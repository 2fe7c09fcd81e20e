import os
import signal
import subprocess
import sys

import pytest

from colonnade import __version__
from colonnade.cli import commands
from colonnade.cli.commands import main
from colonnade.core.errors import ColonnadeError, DataError


def verb(monkeypatch, function):
    monkeypatch.setitem(commands.VERBS, "train", function)


def test_no_verb_shows_the_verbs(capsys):
    assert main([]) == 0
    text = capsys.readouterr().out
    for name in ("train", "check", "predict", "evaluate", "inspect", "version"):
        assert f"\n  {name} " in text


def test_an_unknown_verb(capsys):
    assert main(["trian"]) == 2
    assert capsys.readouterr().err == "ConfigError: there is no verb 'trian'; did you mean 'train'?\n"


@pytest.mark.parametrize("word", ["version", "--version"])
def test_version(capsys, word):
    assert main([word]) == 0
    assert capsys.readouterr().out == f"{__version__}\n"


def test_errors_become_text_and_a_status(monkeypatch, capsys):
    def fail(words):
        raise DataError("a.csv, line 3: two columns too many")

    verb(monkeypatch, fail)
    assert main(["train"]) == 1
    assert capsys.readouterr().err == "DataError: a.csv, line 3: two columns too many\n"
    with pytest.raises(ColonnadeError):
        main(["train", "debug=true"])
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    with pytest.raises(ColonnadeError):
        main(["train"])


def test_programming_errors_keep_their_traceback(monkeypatch):
    def fail(words):
        raise RuntimeError("ours")

    verb(monkeypatch, fail)
    with pytest.raises(RuntimeError):
        main(["train"])


def test_statuses(monkeypatch, capsys):
    def leave(code):
        def run(words):
            raise code

        return run

    for code, expected in (
        (SystemExit(143), 143),
        (SystemExit(), 0),
        (SystemExit("why"), 1),
        (KeyboardInterrupt(), 130),
    ):
        verb(monkeypatch, leave(code))
        assert main(["train"]) == expected
    assert capsys.readouterr().err == "why\ninterrupted\n"


def test_sigterm_ends_a_verb_at_once(monkeypatch):
    def run(words):
        os.kill(os.getpid(), signal.SIGTERM)
        raise AssertionError("went on")

    before = signal.getsignal(signal.SIGTERM)
    verb(monkeypatch, run)
    assert main(["train"]) == 143
    assert signal.getsignal(signal.SIGTERM) == before


def test_sigterm_waits_for_who_took_the_signal_over(monkeypatch):
    """Lightning's handler calls ours beside its own, then stops by a SystemExit without a status."""
    went_on = []

    def run(words):
        ours = signal.getsignal(signal.SIGTERM)
        signal.signal(signal.SIGTERM, lambda number, frame: ours(number, frame))
        os.kill(os.getpid(), signal.SIGTERM)
        went_on.append(True)
        raise SystemExit

    verb(monkeypatch, run)
    assert main(["train"]) == 143
    assert went_on


def cpu_seconds(code, **environment):
    """CPU time of a fresh interpreter that runs ``code``, and what it printed."""
    before = os.times()
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env={**os.environ, **environment}
    )
    after = os.times()
    assert done.returncode == 0, done.stderr
    spent = after.children_user - before.children_user + after.children_system - before.children_system
    return spent, done.stdout


# Takes a quarter of a second where nothing else runs; longer on a slow machine, or beside another test on one core.
YARDSTICK = "x = 0\nfor i in range(3_300_000): x += i % 7"


def is_quick(spend):
    """Whether the CPU seconds that ``spend()`` gives are fewer than one, by the pace of the machine at that moment."""
    for _ in range(3):
        pace = max(1, cpu_seconds(YARDSTICK)[0] / 0.25)
        if spend() < pace:
            return True
    return False


CALL = """
import sys
from colonnade.cli import main
sys.argv = ["colonnade"]
status = main({argv})
heavy = {{"torch", "lightning", "polars", "pandas", "sklearn"}} & set(sys.modules)
sys.exit(status or " ".join(heavy) or 0)
"""


@pytest.mark.parametrize("argv", [["--help"], ["train", "--help"], ["predict", "--help"], ["train", "--cfg", "job"]])
def test_help_is_quick_and_imports_nothing_heavy(argv):
    assert cpu_seconds(CALL.format(argv=argv))[1]
    assert is_quick(lambda: cpu_seconds(CALL.format(argv=argv))[0])


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("colonnade train task=bin", "task=binary"),
        ("colonnade train optim.weight", "optim.weight_decay="),
        ("python train.py task=multil", "task=multilabel"),
    ],
)
def test_tab_completion_is_quick_and_imports_nothing_heavy(line, expected):
    def complete():
        return cpu_seconds(CALL.format(argv=["-sc", "query=bash"]), COMP_LINE=line, COMP_POINT=str(len(line)))

    assert expected in complete()[1].split()
    assert is_quick(lambda: complete()[0])


def test_python_m(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "colonnade.cli", "version"], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert done.stdout.strip() == __version__
