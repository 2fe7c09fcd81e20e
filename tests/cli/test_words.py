import pytest

from colonnade.cli.words import parse, usage
from colonnade.core.errors import ConfigError

REQUIRED = {"run": "folder of a run", "data.path": "a file"}
OPTIONAL = {"out": "where to write"}


def test_reads_words():
    assert parse("predict", ["run=a", "data.path=b=c.csv"], REQUIRED, OPTIONAL) == {"run": "a", "data.path": "b=c.csv"}
    assert parse("predict", ["--help"], REQUIRED, OPTIONAL) is None


def test_tells_every_fault_at_once():
    with pytest.raises(ConfigError) as error:
        parse("predict", ["rum=a", "data.path=", "out=x", "out=y", "file.csv"], REQUIRED, OPTIONAL)
    assert str(error.value) == (
        "colonnade predict (5):\n"
        "  - 'rum': there is no such key; did you mean 'run'?\n"
        "  - 'data.path=': expected key=value\n"
        "  - 'out': given twice\n"
        "  - 'file.csv': expected key=value; known: run, data.path, out\n"
        "  - run=... is required: folder of a run"
    )


def test_usage_names_every_key():
    assert usage("predict", "Predicts.", REQUIRED, OPTIONAL).splitlines()[0] == (
        "colonnade predict run=... data.path=... [out=...]"
    )
