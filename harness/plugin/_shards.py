"""``--shard I/N``: the tests of one share of the cells, chosen alike by every session."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from harness.builds import BALANCED, Division, Shard, divided
from harness.errors import RecipeError
from harness.experiments.cells import Cell
from harness.plugin._session import HarnessSession, cell_of


def add_shard(parser: pytest.Parser) -> None:
    parser.getgroup("harness").addoption(
        "--shard",
        metavar="I/N",
        help="only the I-th of N shares of the selected cells, of about equal work, e.g. 2/8",
    )


def shard_of(config: pytest.Config) -> Shard | None:
    """What the user wants. Raises pytest.UsageError."""
    text = config.getoption("shard")
    if not text:
        return None
    if config.getoption("save_baseline"):
        raise pytest.UsageError(
            f"--shard {text} with --save-baseline: a baseline holds all cells: save it in a session"
            " without --shard, which finds everything in the store"
        )
    try:
        return Shard.of(text)
    except RecipeError as error:
        raise pytest.UsageError(str(error)) from None


@dataclass(frozen=True)
class Share:
    """The cells of one shard among all that are selected."""

    shard: Shard
    division: Division
    names: tuple[str, ...]
    """Scenario and id of every selected cell, in the order of the division's places."""

    @property
    def chosen(self) -> frozenset[str]:
        """Names of the cells of this shard."""
        return frozenset(self.names[place] for place in self.division.parts[self.shard.number - 1])

    def __str__(self) -> str:
        """Such as ``shard 2/8: 15 of 120 cells (division 3fa9c1d2)``."""
        print_ = self.division.fingerprint(self.names)
        line = f"shard {self.shard}: {len(self.chosen)} of {len(self.names)} cells"
        line += f" (division {print_}, the same in every shard of this selection)"
        if self.division.imbalance > BALANCED:
            line += (
                f"; the heaviest shard has {self.division.imbalance:.2f} times the mean work, as"
                " cells cannot be divided further"
            )
        return line


def share_of(session: HarnessSession, items: Sequence[pytest.Item], shard: Shard) -> Share:
    """The share of ``shard`` in the cells of ``items``; cells that cannot run here are no work."""
    cells: dict[str, Cell] = {}
    for item in items:
        cell = cell_of(item)
        if cell is not None:
            cells.setdefault(_name(session, item, cell), cell)
    jobs = [[] if session.missing(cell) else list(cell.jobs()) for cell in cells.values()]
    return Share(shard, divided(jobs, shard.total), tuple(cells))


def keep_share(
    session: HarnessSession, items: list[pytest.Item], shard: Shard, config: pytest.Config
) -> Share:
    """Deselect the tests of other shards; tests without a cell belong to the first shard."""
    share = share_of(session, items, shard)
    chosen = share.chosen
    kept: list[pytest.Item] = []
    other: list[pytest.Item] = []
    for item in items:
        cell = cell_of(item)
        mine = shard.number == 1 if cell is None else _name(session, item, cell) in chosen
        (kept if mine else other).append(item)
    if other:
        config.hook.pytest_deselected(items=other)
        items[:] = kept
    return share


def _name(session: HarnessSession, item: pytest.Item, cell: Cell) -> str:
    assert isinstance(item, pytest.Function)
    return f"{session.scenario(session.key(item.module)).name} {cell.id}"
