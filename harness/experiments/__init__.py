"""What is run: scenarios, their grids and designs, cells, and what a user selects.

This is the interface that suites are written against: see docs/how-to/scenario-in-python.md.
"""

from harness.experiments.adapter_specs import AdapterSpec, ExternalSpec, MergedSpec, number
from harness.experiments.cells import (
    ALL,
    EACH,
    GENERATE,
    GRADE,
    GREEDY,
    NONE,
    PER_ADAPTER,
    QUESTIONS,
    SCORE,
    SCORED,
    TIME,
    Ask,
    Cell,
    Grading,
    Subject,
    distinct_names,
    with_ids,
)
from harness.experiments.findings import Curves, Finding
from harness.experiments.scenario import (
    Design,
    Evidence,
    Fetch,
    Scenario,
    Setup,
)

__all__ = [
    "ALL",
    "EACH",
    "GENERATE",
    "GRADE",
    "GREEDY",
    "NONE",
    "PER_ADAPTER",
    "QUESTIONS",
    "SCORE",
    "SCORED",
    "TIME",
    "AdapterSpec",
    "Ask",
    "Cell",
    "Curves",
    "Design",
    "Evidence",
    "ExternalSpec",
    "Fetch",
    "Finding",
    "Grading",
    "MergedSpec",
    "Scenario",
    "Setup",
    "Subject",
    "distinct_names",
    "number",
    "with_ids",
]
