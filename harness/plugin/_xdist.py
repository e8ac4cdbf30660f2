"""Distribution over workers: all tests of a cell go to one worker."""

from __future__ import annotations

from typing import Any

import pytest

from harness.plugin._keys import keys_asked


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """xdist 3.8 ignores ``--dist loadgroup`` under pytest 9.2, and knows scopes of files only."""
    if not keys_asked(config):
        return None
    from xdist.scheduler import LoadScopeScheduling

    class ByCell(LoadScopeScheduling):  # type: ignore[misc]  # xdist is untyped
        def _split_scope(self, nodeid: str) -> str:
            path, bracket, cell = nodeid.partition("[")
            return f"{path.partition('::')[0].rpartition('/')[0]}[{cell}" if bracket else nodeid

    return ByCell(config, log)
