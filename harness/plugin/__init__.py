"""The pytest plugin: options, cells as parameters, the plan, builds, and the report."""

from harness.plugin._fixtures import (
    Bounds,
    Ready,
    baseline,
    gate,
    lines,
    may_diverge,
    outcome,
    ready,
    ready_cell,
)
from harness.plugin._hooks import (
    pytest_addoption,
    pytest_collection_modifyitems,
    pytest_configure,
    pytest_generate_tests,
    pytest_report_header,
    pytest_runtest_setup,
    pytest_runtestloop,
    pytest_sessionfinish,
    pytest_terminal_summary,
)
from harness.plugin._options import Settings, settings
from harness.plugin._order import pytest_testnodedown, pytest_xdist_make_scheduler

__all__ = [
    "Bounds",
    "Ready",
    "Settings",
    "baseline",
    "gate",
    "lines",
    "may_diverge",
    "outcome",
    "pytest_addoption",
    "pytest_collection_modifyitems",
    "pytest_configure",
    "pytest_generate_tests",
    "pytest_report_header",
    "pytest_runtest_setup",
    "pytest_runtestloop",
    "pytest_sessionfinish",
    "pytest_terminal_summary",
    "pytest_testnodedown",
    "pytest_xdist_make_scheduler",
    "ready",
    "ready_cell",
    "settings",
]
