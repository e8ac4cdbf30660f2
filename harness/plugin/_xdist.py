"""Distribution over workers: all tests of a cell go to one worker."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """xdist 3.8 ignores ``--dist loadgroup`` under pytest 9.2, and knows scopes of files only."""
    from xdist.scheduler import LoadScopeScheduling

    class ByCell(LoadScopeScheduling):  # type: ignore[misc]  # xdist is untyped
        def _split_scope(self, nodeid: str) -> str:
            _, bracket, cell = nodeid.partition("[")
            return cell if bracket else nodeid

    return ByCell(config, log) if "suites" in str(config.invocation_params.args) else None
