"""The order of tests, and their distribution over workers of xdist."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from harness.plugin._options import selected_suites
from harness.plugin._session import KEY, HarnessSession, cell_of

_OUTPUT = "harness"
"""What a worker sends beside reports, under this key of its output."""


def check_names(session: HarnessSession, items: Sequence[pytest.Item]) -> None:
    """Raises pytest.UsageError where two scenarios have one name: they would share plots."""
    modules = dict.fromkeys(
        item.module for item in items if cell_of(item) and isinstance(item, pytest.Function)
    )
    seen: dict[str, str] = {}
    for key in dict.fromkeys(map(session.key, modules)):
        first = seen.setdefault(session.scenario(key).name, key)
        if first != key:
            raise pytest.UsageError(
                f"{first} and {key} are scenarios of one name: rename one of them"
            )


def sort_by_cell(session: HarnessSession, items: list[pytest.Item]) -> None:
    """Sort ``items`` by model, then by scenario, then by cell, each in the order of collection.

    A model is loaded once so. Tests without a cell come first.
    """
    order: dict[object, int] = {}

    def place(item: pytest.Item) -> tuple[int, ...]:
        cell = cell_of(item)
        if cell is None or not isinstance(item, pytest.Function):
            return (-1,)
        key = session.key(item.module)
        parts = (
            ("model", cell.subject.model),
            ("scenario", cell.subject.model, key),
            ("cell", key, cell.id),
        )
        return tuple(order.setdefault(part, len(order)) for part in parts)

    places = [place(item) for item in items]
    items[:] = [items[i] for i in sorted(range(len(items)), key=lambda i: places[i])]


def on_worker(config: pytest.Config) -> bool:
    """Whether this process is one of xdist's workers."""
    return hasattr(config, "workerinput")


def tell_controller(config: pytest.Config, **values: Any) -> None:
    """Send ``values`` at the worker's end: a ``mistake``, or the tests that were ``selected``."""
    worker: Any = config
    worker.workeroutput.setdefault(_OUTPUT, {}).update(values)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take what a worker sent. Raises pytest.UsageError on a mistake that it met."""
    # a worker that crashed sent nothing
    output = getattr(node, "workeroutput", {}).get(_OUTPUT, {})
    if mistake := output.get("mistake"):
        raise pytest.UsageError(mistake)
    session = node.config.stash[KEY]
    session.selected |= {test: (key, cell) for test, key, cell in output.get("selected", ())}


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """All tests of a cell go to one worker.

    xdist 3.8 ignores ``--dist loadgroup`` under pytest 9.2, and otherwise splits by file only.
    """
    if not selected_suites(config):
        return None
    from xdist.scheduler import LoadScopeScheduling

    class ByCell(LoadScopeScheduling):  # type: ignore[misc]  # xdist is untyped
        def _split_scope(self, nodeid: str) -> str:
            path, bracket, cell = nodeid.partition("[")
            return f"{path.partition('::')[0].rpartition('/')[0]}[{cell}" if bracket else nodeid

    return ByCell(config, log)
