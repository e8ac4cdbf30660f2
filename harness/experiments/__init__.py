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
    with_ids,
)
from harness.experiments.findings import Curves, Finding
from harness.experiments.ids import distinct_names
from harness.experiments.routing import Route, Routing
from harness.experiments.scenario import (
    Design,
    Evidence,
    Fetch,
    Scenario,
    Setup,
)
from harness.experiments.subjects import Subject

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
    "Route",
    "Routing",
    "Scenario",
    "Setup",
    "Subject",
    "distinct_names",
    "number",
    "with_ids",
]
