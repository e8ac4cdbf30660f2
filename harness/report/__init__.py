"""What came out, to look at: markdown, plots, JSON."""

from harness.report._markdown import table
from harness.report._results import Result, Wrong, bare_result, result
from harness.report._write import write

__all__ = ["Result", "Wrong", "bare_result", "result", "table", "write"]
