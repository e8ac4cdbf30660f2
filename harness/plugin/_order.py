"""Distribution over workers: all tests of a cell go to one worker, which tells the controller what
reports do not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from harness.plugin._options import suites_asked
from harness.plugin._session import KEY, HarnessSession, cell_of


def check_names(own: HarnessSession, items: Sequence[pytest.Item]) -> None:
    """Two folders of one name would share plots and chapters. Raises pytest.UsageError."""
    modules = dict.fromkeys(
        item.module for item in items if cell_of(item) and isinstance(item, pytest.Function)
    )
    seen: dict[str, str] = {}
    for key in dict.fromkeys(map(own.key, modules)):
        first = seen.setdefault(own.scenario(key).name, key)
        if first != key:
            raise pytest.UsageError(
                f"{first} and {key} are scenarios of one name: rename one of them"
            )


def sort_by_cell(own: HarnessSession, items: list[pytest.Item]) -> None:
    """Tests of one cell together, cells of one model after each other, scenarios in the order of
    collection.

    Tests without a cell come first.
    """
    order: dict[object, int] = {}

    def place(item: pytest.Item) -> tuple[int, ...]:
        cell = cell_of(item)
        if cell is None or not isinstance(item, pytest.Function):
            return (-1,)
        key = own.key(item.module)
        parts = (
            ("model", cell.subject.model),
            ("scenario", cell.subject.model, key),
            ("cell", key, cell.id),
        )
        return tuple(order.setdefault(part, len(order)) for part in parts)

    places = [place(item) for item in items]
    items[:] = [items[i] for i in sorted(range(len(items)), key=lambda i: places[i])]


_TOLD = "harness"


def on_worker(config: pytest.Config) -> bool:
    """Whether this process is one of xdist's workers."""
    return hasattr(config, "workerinput")


def tell_controller(config: pytest.Config, **told: Any) -> None:
    """Hands over, at the worker's end, what ``pytest_testnodedown`` takes: a ``mistake``, or the
    tests ``selected``."""
    output: Any = config
    output.workeroutput.setdefault(_TOLD, {}).update(told)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Takes what a worker tells. Raises pytest.UsageError on a mistake that its
    collection found."""
    told = getattr(node, "workeroutput", {}).get(_TOLD, {})  # one that crashed tells nothing
    if mistake := told.get("mistake"):
        raise pytest.UsageError(mistake)
    own = node.config.stash[KEY]
    own.selected |= {test: (key, cell) for test, key, cell in told.get("selected", ())}


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """xdist 3.8 ignores ``--dist loadgroup`` under pytest 9.2, and knows scopes of files only."""
    if not suites_asked(config):
        return None
    from xdist.scheduler import LoadScopeScheduling

    class ByCell(LoadScopeScheduling):  # type: ignore[misc]  # xdist is untyped
        def _split_scope(self, nodeid: str) -> str:
            path, bracket, cell = nodeid.partition("[")
            return f"{path.partition('::')[0].rpartition('/')[0]}[{cell}" if bracket else nodeid

    return ByCell(config, log)
