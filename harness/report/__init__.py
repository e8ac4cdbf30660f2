"""What came out, to look at and to read by other tools: markdown, plots, JSON, SQLite, MLflow."""

from harness.report._comparison import Compared, comparison_markdown, comparisons, noise
from harness.report._database import SCHEMA_VERSION
from harness.report._judging import (
    Judging,
    corrected,
    escaped,
    judging,
    quality_text,
    summary,
    warning,
)
from harness.report._markdown import fitted, table
from harness.report._mlflow import Exported, MlflowStore
from harness.report._parts import (
    Entry,
    Missing,
    ScenarioReport,
    against,
    first_manifest,
    scenario_report,
)
from harness.report._readme import rewrite_card, rewrite_readmes
from harness.report._results import Result, Wrong, bare_result, result
from harness.report._write import DATABASE, write

__all__ = [
    "DATABASE",
    "SCHEMA_VERSION",
    "Compared",
    "Entry",
    "Exported",
    "Judging",
    "Missing",
    "MlflowStore",
    "Result",
    "ScenarioReport",
    "Wrong",
    "against",
    "bare_result",
    "comparison_markdown",
    "comparisons",
    "corrected",
    "escaped",
    "first_manifest",
    "fitted",
    "judging",
    "noise",
    "quality_text",
    "result",
    "rewrite_card",
    "rewrite_readmes",
    "scenario_report",
    "summary",
    "table",
    "warning",
    "write",
]
