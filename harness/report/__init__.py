"""Reports on cells: figures and comparisons, as Markdown, plots, a page, JSON, SQLite, MLflow."""

from harness.report._comparison import (
    ReportPair,
    WrittenReport,
    comparison_markdown,
    report_changes,
    report_pairs,
    report_table,
)
from harness.report._database import SCHEMA_VERSION
from harness.report._judging import (
    Judging,
    corrected,
    judging,
    quality_text,
    summary,
    warning,
)
from harness.report._markdown import fitted, table
from harness.report._mlflow import Exported, MlflowStore
from harness.report._paired import Compared, comparisons, noise
from harness.report._readme import rewrite_card, rewrite_page, rewrite_readmes
from harness.report._results import DATABASE, Result, Wrong, bare_result, result
from harness.report._scenario_report import (
    Entry,
    Missing,
    ScenarioReport,
    against,
    first_manifest,
    scenario_report,
)
from harness.report._tables import escaped, markdown_table
from harness.report._write import write

__all__ = [
    "DATABASE",
    "SCHEMA_VERSION",
    "Compared",
    "Entry",
    "Exported",
    "Judging",
    "Missing",
    "MlflowStore",
    "ReportPair",
    "Result",
    "ScenarioReport",
    "WrittenReport",
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
    "markdown_table",
    "noise",
    "quality_text",
    "report_changes",
    "report_pairs",
    "report_table",
    "result",
    "rewrite_card",
    "rewrite_page",
    "rewrite_readmes",
    "scenario_report",
    "summary",
    "table",
    "warning",
    "write",
]
