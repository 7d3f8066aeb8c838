"""The command line: parsing, printing, and errors as one sentence and an exit code."""

from tradercast.cli.main import main

__all__ = ["main"]
