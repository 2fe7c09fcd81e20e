"""Small tables with a fault each, and the command line as a user meets it, within this process."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from colonnade.cli.commands import main

QUICK = ("trainer=cpu", "trainer.max_epochs=1", "threads=1", "logger=none")

NETWORK = ("model=mlp", "model.backbone.d_hidden=[8]")


def table(row: Callable[[int], str], n: int = 120, head: str = "x,c,y") -> str:
    """A CSV of ``n`` rows."""
    return "\n".join([head, *map(row, range(n))]) + "\n"


def noise(i: int) -> str:
    """A number of three digits that has nothing to do with ``i``."""
    return f"{(i * 7919 + 13) % 1009 / 1009:.3f}"


def label(i: int) -> str:
    """``yes`` or ``no``, by no rule that a column could give away."""
    return "yes" if (i * 7919 + 13) % 1009 % 7 > 3 or i < 1 else "no"


def plain(i: int) -> str:
    """A row without fault."""
    return f"{noise(3 * i + 1)},{'ab'[i * i % 7 % 2]},{label(i)}"


@dataclass
class Told:
    """What a command left behind: exit status, standard error with the log, standard output, and the run folder."""

    status: int
    text: str
    out: str
    run: Path


class Commands:
    """Runs verbs in this process; a traceback would come out as the exception that it is."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> None:
        self.folder = folder
        self.capsys = capsys
        self.caplog = caplog

    def __call__(self, verb: str, *words: str) -> Told:
        """A verb with its words; training is quick and goes to ``run`` below the folder."""
        if verb == "train":
            network = () if any(word.startswith("model=") for word in words) else NETWORK
            words = (*QUICK, *network, *words, f"hydra.run.dir={self.folder / 'run'}")
        self.capsys.readouterr()
        self.caplog.clear()
        with self.caplog.at_level(logging.INFO):
            status = main([verb, *words])
        read = self.capsys.readouterr()
        return Told(status, read.err + "\n" + self.caplog.text, read.out, self.folder / "run")

    def file(self, content: str | bytes, name: str = "t.csv") -> Path:
        """Write a file."""
        path = self.folder / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def train(self, content: str | bytes | None, *words: str) -> Told:
        """Train on a table whose target is ``y``, unless the words say otherwise."""
        if content is not None:
            words = (f"data.path={self.file(content)}", *words)
        if not any(word.startswith("data.target") for word in words):
            words = (*words, "data.target=y")
        return self("train", *words)


def refused(told: Told, *texts: str, status: int = 1) -> None:
    """Assert the exit status and that each text, a regular expression, is told, without a traceback."""
    assert told.status == status, told.text
    for text in texts:
        assert re.search(text, told.text), f"{text!r} is not in:\n{told.text}"
    assert "Traceback" not in told.text


def accepted(told: Told, texts: Sequence[str] = ()) -> None:
    """Assert success and that each text is told."""
    refused(told, *texts, status=0)
