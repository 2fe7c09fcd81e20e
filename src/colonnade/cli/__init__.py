"""One command, a verb each: ``colonnade <verb>``. Importing it imports neither torch nor Lightning."""

from colonnade.cli.commands import main

__all__ = ["main"]
