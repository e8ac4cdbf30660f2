"""The command line for what is not a test: thin faces on functions that live elsewhere."""

from harness.cli._main import main, parser

__all__ = ["main", "parser"]
