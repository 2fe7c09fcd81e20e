"""Typed errors. Every message says where (file, column, line or YAML key), what was expected, and the fix."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

# What torch says in a plain RuntimeError when the memory of the processor, or of a library of the GPU, is full.
_FULL = ("can't allocate memory", "out of memory", "_ALLOC_FAILED")


class ColonnadeError(Exception):
    """Base of every error that a user can act upon; the command line prints it without a traceback."""

    exit_code = 1


class ConfigError(ColonnadeError):
    """A configuration that cannot be built: typo, wrong type, out of range, unknown target."""

    exit_code = 2


class DataError(ColonnadeError):
    """Input data that cannot be used as it stands."""


class SchemaError(DataError):
    """Columns missing, mistyped or different from those a model was trained on."""


class LeakageError(DataError):
    """A column gives the target away, or rows are shared between the splits."""


class TrainingError(ColonnadeError):
    """Training that must not go on, such as a non-finite loss."""


class RunFolderError(ColonnadeError):
    """A run folder that is locked, damaged, or occupied by another configuration."""


class FolderBusyError(RunFolderError):
    """A run folder that another process is training in."""


class SearchError(ColonnadeError):
    """A search that ended with failed trainings, or cannot go on."""


class ExportError(ColonnadeError):
    """A model that cannot leave as a file, or whose file does not give what the model gives."""


class MissingExtraError(ColonnadeError):
    """An optional dependency is absent.

    Args:
        package: what could not be imported.
        extra: the extra of ``colonnade`` that installs it.
    """

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(f"{package} is not installed: pip install 'colonnade[{extra}]'")


def closest(name: str, known: Iterable[str], n: int = 3) -> str:
    """Phrase that names the nearest known names, or lists them when few; empty when nothing is near.

    >>> closest("incmoe", ["income", "workclass"])
    "; did you mean 'income'?"
    """
    known = [str(k) for k in known]
    near = difflib.get_close_matches(str(name), known, n=n, cutoff=0.6)
    if near:
        return "; did you mean " + " or ".join(f"'{k}'" for k in near) + "?"
    if known and len(known) <= 12:
        return "; known: " + ", ".join(known)
    return ""


def out_of_memory(error: BaseException) -> TrainingError | None:
    """What a training says whose memory is full, that of the processor or of a GPU; None: the error is another."""
    import torch

    text = str(error).partition("\n")[0] or "no memory is left"
    if isinstance(error, torch.OutOfMemoryError | MemoryError) or any(said in text for said in _FULL):
        return TrainingError(f"out of memory: {text}; a smaller loader.batch_size or model needs less")
    return None


class Faults:
    """Collects every fault of one stage, to be reported together.

    >>> faults = Faults()
    >>> faults.add("column 'a' is empty")
    >>> len(faults)
    1
    """

    def __init__(self) -> None:
        self._messages: list[str] = []

    def add(self, message: str) -> None:
        """Remember one fault; the same text is kept once."""
        if message not in self._messages:
            self._messages.append(message)

    def __len__(self) -> int:
        return len(self._messages)

    def __iter__(self) -> Iterator[str]:
        return iter(self._messages)

    def raise_if_any(self, error: type[ColonnadeError], heading: str = "") -> None:
        """Raise ``error`` with all messages, a line each, if there are any."""
        if not self._messages:
            return
        if len(self._messages) == 1:
            raise error(f"{heading}: {self._messages[0]}" if heading else self._messages[0])
        lines = "\n".join(f"  - {m}" for m in self._messages)
        raise error(f"{heading or 'faults'} ({len(self._messages)}):\n{lines}")


@contextmanager
def collect(error: type[ColonnadeError], heading: str = "") -> Iterator[Faults]:
    """Context that hands out a :class:`Faults` and raises at its end if any were added."""
    faults = Faults()
    yield faults
    faults.raise_if_any(error, heading)
