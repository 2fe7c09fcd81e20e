"""Commands: the verbs, and the one place where their errors become text and an exit status."""

from __future__ import annotations

import atexit
import gc
import os
import sys
from collections.abc import Callable, Sequence

from colonnade import __version__
from colonnade.cli.signals import TERMINATED, Termination
from colonnade.core.errors import ColonnadeError, ConfigError, closest
from colonnade.core.garbage import seldom_collected

INTERRUPTED = 130
COMPLETION = ("-sc", "--shell-completion", "--shell_completion")


def train(words: Sequence[str]) -> None:
    """Train a configuration into a run folder (-m: several)."""
    from colonnade.cli.train import train as verb

    verb(words)


def check(words: Sequence[str]) -> None:
    """Check a configuration as train would, without reading data."""
    from colonnade.cli.check import check as verb

    verb(words)


def predict(words: Sequence[str]) -> None:
    """Predict the rows of a file with a finished run."""
    from colonnade.cli.apply import predict as verb

    verb(words)


def export(words: Sequence[str]) -> None:
    """Write one ONNX file, from raw columns to predictions."""
    from colonnade.cli.export import export as verb

    verb(words)


def evaluate(words: Sequence[str]) -> None:
    """Measure a finished run on new labelled data."""
    from colonnade.cli.apply import evaluate as verb

    verb(words)


def anomalies(words: Sequence[str]) -> None:
    """Say which steps of series are unlike what a run forecasts."""
    from colonnade.cli.anomalies import anomalies as verb

    verb(words)


def explain(words: Sequence[str]) -> None:
    """Say what each column contributes to the predictions of a run."""
    from colonnade.cli.explain import explain as verb

    verb(words)


def calibrate(words: Sequence[str]) -> None:
    """Make a run of a finished one with calibrated probabilities, intervals or sets."""
    from colonnade.cli.calibrate import calibrate as verb

    verb(words)


def refit(words: Sequence[str]) -> None:
    """Train the best run of a search on all rows but the test rows."""
    from colonnade.cli.refit import refit as verb

    verb(words)


def compare(words: Sequence[str]) -> None:
    """Rank runs in one table, and test them against the best."""
    from colonnade.cli.compare import compare as verb

    verb(words)


def ensemble(words: Sequence[str]) -> None:
    """Make one run folder of several runs, which predicts by all of them."""
    from colonnade.cli.ensemble import ensemble as verb

    verb(words)


def inspect(words: Sequence[str]) -> None:
    """Infer the schema of a file, with doubts, and the YAML to use."""
    from colonnade.cli.inspect import inspect as verb

    verb(list(words))


def version(words: Sequence[str]) -> None:
    """Print the version."""
    sys.stdout.write(f"{__version__}\n")


VERBS: dict[str, Callable[[Sequence[str]], None]] = {
    verb.__name__: verb
    for verb in (
        train,
        check,
        predict,
        evaluate,
        anomalies,
        explain,
        export,
        calibrate,
        refit,
        compare,
        ensemble,
        inspect,
        version,
    )
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb.

    Args:
        argv: the verb and its words; None: those of this process.

    Returns:
        The exit status: 0, that of the error, 143 after SIGTERM, 130 after Ctrl-C.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    if words and words[0] in COMPLETION:
        # The shell's completion calls the program without its verb.
        os.environ["COMP_LINE"] = os.environ.get("COMP_LINE", "").replace(" train ", " ", 1)
        words.insert(0, "train")
    if not words or words[0] in ("-h", "--help", "help"):
        sys.stdout.write(usage())
        return 0
    if words[0] == "--version":
        words[0] = "version"
    atexit.unregister(_leave)
    atexit.register(_leave)
    with seldom_collected(), Termination() as termination:
        try:
            if words[0] not in VERBS:
                raise ConfigError(f"there is no verb '{words[0]}'{closest(words[0], VERBS)}")
            VERBS[words[0]](words[1:])
        except ColonnadeError as error:
            return told(error, words)
        except KeyboardInterrupt:
            sys.stderr.write("interrupted\n")
            return INTERRUPTED
        except SystemExit as stop:
            return TERMINATED if termination.received else status(stop)
    return 0


def _leave() -> None:
    """Spare the last collection; DuckDB's bindings would take what it leaves for a leak, and say so at length."""
    if "duckdb" not in sys.modules:
        gc.freeze()


def told(error: ColonnadeError, words: Sequence[str]) -> int:
    """Print an error as text, or raise it where a traceback is asked for; gives its exit status."""
    if os.environ.get("HYDRA_FULL_ERROR") == "1" or "debug=true" in (word.lower() for word in words):
        raise error
    sys.stderr.write(f"{type(error).__name__}: {error}\n")
    return error.exit_code


def status(stop: SystemExit) -> int:
    """The exit status of a SystemExit; a text is printed and counts as 1, as Python does."""
    if stop.code is None or isinstance(stop.code, int):
        return stop.code or 0
    sys.stderr.write(f"{stop.code}\n")
    return 1


def usage() -> str:
    """The verbs, a line each."""
    lines = "\n".join(f"  {name:<10}{verb.__doc__}" for name, verb in VERBS.items())
    return (
        f"colonnade {__version__}: deep learning for tables\n\n{lines}\n\n"
        "  colonnade train model=tabnet data=adult\n"
        "  colonnade train model=mlp data.path=table.csv data.target=y\n"
        "  colonnade predict run=outputs/... data.path=new.csv out=predictions.csv\n\n"
        "colonnade <verb> --help says more; an error's traceback: HYDRA_FULL_ERROR=1.\n"
    )
