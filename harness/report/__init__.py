"""What came out, to look at: markdown, plots, JSON."""

from harness.report._markdown import Part, table
from harness.report._results import Result, Wrong, bare_result, result
from harness.report._write import write

__all__ = ["Part", "Result", "Wrong", "bare_result", "result", "table", "write"]
