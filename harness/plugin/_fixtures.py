"""What a suite's tests ask for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.baselines import Comparison
from harness.cells import Cell
from harness.errors import HarnessError
from harness.gates import Gate, broken, gates
from harness.grading import JUDGE
from harness.plugin._baseline import COMPARED, compared, items_compared, properties
from harness.plugin._session import KEY
from harness.report import Result
from harness.scenarios import SCENARIOS

RAN = "harness_cell"


@pytest.fixture
def outcome(cell: Cell, request: pytest.FixtureRequest) -> Result:
    """The figures of ``cell``, from the cache or built now."""
    own = request.config.stash[KEY]
    key = own.key(request.module)
    request.node.user_properties.append((RAN, [key, cell.id]))
    try:
        return own.result(key, cell)
    except HarnessError as error:
        raise pytest.fail.Exception(str(error), pytrace=False) from None  # its line says it all, and no cause of it


@pytest.fixture
def lines(cell: Cell, outcome: Result, request: pytest.FixtureRequest) -> list[dict[str, Any]]:
    """Every probe of ``cell`` with its answers and verdicts."""
    return request.config.stash[KEY].lines(cell)


class Bounds:
    """Asks a result about the bounds that are declared for its cell."""

    def __init__(self, found: list[Gate]) -> None:
        self._found = found

    def broken(self, result: Result, *measures: str) -> list[str]:
        """A line for each bound (on one of ``measures``, if any are named) that is not kept; skips where none is."""
        asked = [gate for gate in self._found if not measures or gate.measure in measures]
        if not asked:
            pytest.skip("no gate is declared for this cell")
        return list(broken(asked, result))


@pytest.fixture
def gate(cell: Cell, request: pytest.FixtureRequest) -> Bounds:
    """The gates that ``gates.toml`` beside the suite declares for ``cell``.

    Those of the harness's own suites hold for the shipped model, those of a user's folder for whatever is asked.
    """
    own = request.config.stash[KEY]
    if own.key(request.module) in SCENARIOS and cell.base.content != own.shipped:
        pytest.skip("gates are declared for the shipped model only")
    if request.config.stash[KEY].settings.grader == JUDGE:
        pytest.skip("gates are declared for the fuzzy grader: --grader both holds them, with a judge beside")
    path = request.path.parent / "gates.toml"
    if idle := own.idle_gates(own.key(request.module), path):
        advice = "mend the pattern, or take the gate out"
        pytest.fail(f"{path}: cells = {idle[0]!r} matches no cell: {advice}", pytrace=False)
    return Bounds(_read(path, cell))


def _read(path: Path, cell: Cell) -> list[Gate]:
    try:
        return gates(path, cell.id)
    except HarnessError as error:
        raise pytest.fail.Exception(str(error), pytrace=False) from None


@pytest.fixture
def may_diverge(cell: Cell, request: pytest.FixtureRequest) -> bool:
    """Whether ``gates.toml`` says that the cell's loss may run away (``converged`` at least 0), on any model."""
    declared = _read(request.path.parent / "gates.toml", cell)
    return any(gate.measure == "converged" and gate.least == 0 for gate in declared)


@pytest.fixture
def baseline(request: pytest.FixtureRequest, cell: Cell, outcome: Result) -> Comparison:
    """``cell`` against the same cell in ``--baseline``; skips without one, or where it does not hold the cell.

    It skips, too, where nothing is worse, and nothing could be: that is no proof that nothing was lost.
    """
    own = request.config.stash[KEY]
    if not own.settings.baseline:
        pytest.skip("no --baseline is given")
    key = own.key(request.module)
    if not own.keeps_baseline(key):
        pytest.skip(f"baseline {own.settings.baseline} is not kept for {own.scenario(key).name}")
    if cell.unnamed not in own.baseline(key).cells:
        pytest.skip(f"baseline {own.settings.baseline} does not hold {cell.unnamed}")
    count = items_compared(own, request.session.items)
    found = compared(own, key, cell, count)
    request.node.user_properties.append((COMPARED, [key, cell.id, count]))
    request.node.user_properties.extend(properties(found))
    if not found.conclusive:
        pytest.skip(f"not worse than baseline {found.baseline}, as far as can be told: {found.blind}")
    return found
