"""Tests of several scenarios in one session: names that differ, and an order that loads each model once."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from harness.plugin._session import HarnessSession, cell_of


def check_names(own: HarnessSession, items: Sequence[pytest.Item]) -> None:
    """Two folders of one name would share plots and chapters. Raises pytest.UsageError."""
    modules = dict.fromkeys(item.module for item in items if cell_of(item) and isinstance(item, pytest.Function))
    seen: dict[str, str] = {}
    for key in dict.fromkeys(map(own.key, modules)):
        first = seen.setdefault(own.scenario(key).name, key)
        if first != key:
            raise pytest.UsageError(f"{first} and {key} are scenarios of one name: rename one of them")


def sort_by_cell(own: HarnessSession, items: list[pytest.Item]) -> None:
    """Tests of one cell together, cells of one model after each other, scenarios in the order of collection.

    Tests without a cell come first.
    """
    order: dict[object, int] = {}

    def place(item: pytest.Item) -> tuple[int, ...]:
        cell = cell_of(item)
        if cell is None or not isinstance(item, pytest.Function):
            return (-1,)
        key = own.key(item.module)
        parts = (("model", cell.model), ("scenario", cell.model, key), ("cell", key, cell.id))
        return tuple(order.setdefault(part, len(order)) for part in parts)

    places = [place(item) for item in items]
    items[:] = [items[i] for i in sorted(range(len(items)), key=lambda i: places[i])]
