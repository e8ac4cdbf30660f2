"""An engine by itself, with two adapters to put on it, for timings."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest

from harness.builds import GradedLine, opened
from harness.data.awards import dataset
from harness.data.knowledge import replay
from harness.engines import Engine, EngineSpec
from harness.errors import HarnessError
from harness.experiments.cells import Cell
from harness.grading import JUDGE
from harness.plugin._baseline import COMPARED, compared, items_compared, properties
from harness.plugin._session import KEY, HarnessSession
from harness.recipes import Adapter, Training
from harness.report import Result
from harness.report.baselines import Comparison
from harness.report.gates import Gate, broken, gates, model_of

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
        raise pytest.fail.Exception(
            str(error), pytrace=False
        ) from None  # its line says it all, and no cause of it


@pytest.fixture
def lines(cell: Cell, outcome: Result, request: pytest.FixtureRequest) -> list[GradedLine]:
    """Every probe of ``cell`` with its answers and verdicts."""
    return request.config.stash[KEY].lines(cell)


class Bounds:
    """Asks a result about the bounds that are declared for its cell."""

    def __init__(self, found: list[Gate]) -> None:
        self._found = found

    def broken(self, result: Result, *measures: str) -> list[str]:
        """A line for each bound (on one of ``measures``, if any are named) that is not kept; skips
        where none is."""
        asked = [gate for gate in self._found if not measures or gate.measure in measures]
        if not asked:
            pytest.skip("no gate is declared for this cell")
        return list(broken(asked, result))


@pytest.fixture
def gate(cell: Cell, request: pytest.FixtureRequest) -> Bounds:
    """The gates that ``gates.toml`` beside the suite declares for ``cell``.

    They hold for the ``model`` that the file names, or for any.
    """
    own = request.config.stash[KEY]
    path = request.path.parent / "gates.toml"
    model = _gated_model(path)
    if model and cell.subject.base.name != model:
        pytest.skip(f"these gates are declared for {model} only")
    if request.config.stash[KEY].settings.grader == JUDGE:
        pytest.skip(
            "gates are declared for the fuzzy grader: --grader both holds them, with a judge beside"
        )
    if idle := own.idle_gates(own.key(request.module), path):
        advice = "mend the pattern, or take the gate out"
        pytest.fail(f"{path}: cells = {idle[0]!r} matches no cell: {advice}", pytrace=False)
    return Bounds(_read(path, cell))


def _read(path: Path, cell: Cell) -> list[Gate]:
    try:
        return gates(path, cell.id)
    except HarnessError as error:
        raise pytest.fail.Exception(str(error), pytrace=False) from None


def _gated_model(path: Path) -> str:
    try:
        return model_of(path)
    except HarnessError as error:
        raise pytest.fail.Exception(str(error), pytrace=False) from None


@pytest.fixture
def may_diverge(cell: Cell, request: pytest.FixtureRequest) -> bool:
    """Whether ``gates.toml`` says that the cell's loss may run away (``converged`` at least 0), on
    any model."""
    declared = _read(request.path.parent / "gates.toml", cell)
    return any(gate.measure == "converged" and gate.least == 0 for gate in declared)


@pytest.fixture
def baseline(request: pytest.FixtureRequest, cell: Cell, outcome: Result) -> Comparison:
    """``cell`` against the same cell in ``--baseline``; skips without one, or where it does not
    hold the cell.

    It skips, too, where nothing is worse, and nothing could be: that is no proof that nothing was
    lost.
    """
    own = request.config.stash[KEY]
    if not own.settings.baseline:
        pytest.skip("no --baseline is given")
    key = own.key(request.module)
    if not own.keeps_baseline(key):
        pytest.skip(f"baseline {own.settings.baseline} is not kept for {own.scenario(key).name}")
    if cell.name not in own.baseline(key).cells:
        pytest.skip(f"baseline {own.settings.baseline} does not hold {cell.name}")
    count = items_compared(own, request.session.items)
    found = compared(own, key, cell, count)
    request.node.user_properties.append((COMPARED, [key, cell.id, count]))
    request.node.user_properties.extend(properties(found))
    if not found.conclusive:
        pytest.skip(
            f"not worse than baseline {found.baseline}, as far as can be told: {found.blind}"
        )
    return found


_TRAINING = Training(epochs=1, rank=8, alpha=16)
"""Little, as what an adapter holds does not change how long it takes."""


class Ready(NamedTuple):
    """A loaded engine, and files of two adapters for it."""

    engine: Engine
    adapters: tuple[Path, ...]


def parametrise_engines(metafunc: pytest.Metafunc, own: HarnessSession) -> None:
    """``engine_spec`` becomes every engine of ``--engine``."""
    missing = own.settings.missing
    marks = {
        spec: [pytest.mark.skip(reason=missing[spec])] if spec in missing else []
        for spec in own.settings.engines
    }
    params = [pytest.param(spec, id=spec.name, marks=marks[spec]) for spec in own.settings.engines]
    metafunc.parametrize("engine_spec", params, scope="module")


@pytest.fixture(scope="module")
def ready(engine_spec: EngineSpec, request: pytest.FixtureRequest) -> Ready:
    """The engine ``engine_spec`` with the session's first model, and two small adapters trained as
    it wants them."""
    own, spec = request.config.stash[KEY], engine_spec
    try:
        base, known = own.bases[0], replay()
        trained_on = spec.training(base, known)
        adapters = [
            Adapter(trained_on, dataset("oscarstxt"), replace(_TRAINING, seed=seed))
            for seed in (0, 1)
        ]
        return Ready(
            *opened(
                spec.answering(base, known), adapters, own.fetch, spec.dtype, own.settings.device
            )
        )
    except HarnessError as error:
        pytest.fail(str(error), pytrace=False)


@pytest.fixture
def ready_cell(cell: Cell, request: pytest.FixtureRequest) -> Ready:
    """The engine of ``cell``, and the files of its adapters."""
    session, subject = request.config.stash[KEY], cell.subject
    device = session.settings.device
    try:
        return Ready(
            *opened(subject.model, subject.loras, session.fetch, subject.engine.dtype, device)
        )
    except HarnessError as error:
        pytest.fail(str(error), pytrace=False)
