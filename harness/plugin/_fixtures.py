"""Fixtures of suites: a cell's figures, its bounds, its baseline, and engines for timings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple, TypeVar

import pytest

from harness.builds import GradedLine, opened
from harness.data.awards import dataset
from harness.data.knowledge import replay
from harness.engines import Engine, EngineSpec
from harness.errors import HarnessError
from harness.experiments.cells import Cell
from harness.grading import JUDGE
from harness.plugin._baseline import COMPARED, compare_cell, count_comparisons, properties
from harness.plugin._session import KEY, HarnessSession
from harness.recipes import Adapter, Training
from harness.report import Result
from harness.report.baselines import Comparison
from harness.report.gates import Gate, broken, gates, model_of

RAN = "harness_cell"
"""The property of a test's report that names the cell it measured."""
_GATES = "gates.toml"
_TRAINING = Training(epochs=1, rank=8, alpha=16)
"""A short one: what an adapter has learnt does not change how long it takes to answer."""

_Value = TypeVar("_Value")


@pytest.fixture
def outcome(cell: Cell, request: pytest.FixtureRequest) -> Result:
    """The figures of ``cell``, from the cache or built now."""
    session = request.config.stash[KEY]
    key = session.key(request.module)
    request.node.user_properties.append((RAN, [key, cell.id]))
    return _or_fail(lambda: session.result(key, cell))


@pytest.fixture
def lines(cell: Cell, outcome: Result, request: pytest.FixtureRequest) -> list[GradedLine]:
    """Every probe of ``cell`` with its answers and verdicts."""
    return request.config.stash[KEY].lines(cell)


class Bounds:
    """The bounds that are declared for a cell."""

    def __init__(self, bounds: list[Gate]) -> None:
        self._bounds = bounds

    def broken(self, result: Result, *measures: str) -> list[str]:
        """A line for each bound that ``result`` does not keep; skips where none is declared.

        With ``measures`` only bounds on these are looked at.
        """
        bounds = [gate for gate in self._bounds if not measures or gate.measure in measures]
        if not bounds:
            pytest.skip("no gate is declared for this cell")
        return list(broken(bounds, result))


@pytest.fixture
def gate(cell: Cell, request: pytest.FixtureRequest) -> Bounds:
    """The gates that ``gates.toml`` beside the suite declares for ``cell``.

    They hold for the ``model`` that the file names, or for any.
    """
    session = request.config.stash[KEY]
    path = request.path.parent / _GATES
    model = _or_fail(lambda: model_of(path))
    if model and cell.subject.base.name != model:
        pytest.skip(f"these gates are declared for {model} only")
    if session.settings.grader == JUDGE:
        pytest.skip(
            "gates are declared for the fuzzy grader: --grader both holds them, with a judge beside"
        )
    if idle := _or_fail(lambda: session.idle_gates(session.key(request.module), path)):
        advice = "correct the pattern, or remove the gate"
        pytest.fail(f"{path}: cells = {idle[0]!r} matches no cell: {advice}", pytrace=False)
    return Bounds(_or_fail(lambda: gates(path, cell.id)))


@pytest.fixture
def may_diverge(cell: Cell, request: pytest.FixtureRequest) -> bool:
    """Whether ``gates.toml`` allows that the cell's training diverges: ``converged`` at least 0."""
    path = request.path.parent / _GATES
    declared = _or_fail(lambda: gates(path, cell.id))
    return any(gate.measure == "converged" and gate.least == 0 for gate in declared)


@pytest.fixture
def baseline(request: pytest.FixtureRequest, cell: Cell, outcome: Result) -> Comparison:
    """``cell`` against the same cell in ``--baseline``; skips where there is none.

    It also skips where nothing is worse but no loss could be shown: that proves nothing.
    """
    session = request.config.stash[KEY]
    name = session.settings.baseline
    if not name:
        pytest.skip("no --baseline is given")
    key = session.key(request.module)
    if not session.keeps_baseline(key):
        pytest.skip(f"baseline {name} is not kept for {session.scenario(key).name}")
    if cell.name not in session.baseline(key).cells:
        pytest.skip(f"baseline {name} does not hold {cell.name}")
    # limits are corrected for the number of comparisons, which every worker must know
    count = count_comparisons(session, session.collected or request.session.items)
    compared = compare_cell(session, key, cell, count)
    request.node.user_properties.append((COMPARED, [key, cell.id, count]))
    request.node.user_properties.extend(properties(compared))
    if not compared.conclusive:
        pytest.skip(
            f"not worse than baseline {compared.baseline}, as far as can be told: {compared.blind}"
        )
    return compared


class Ready(NamedTuple):
    """A loaded engine, and the files of adapters for it."""

    engine: Engine
    adapters: tuple[Path, ...]


def parametrise_engines(metafunc: pytest.Metafunc, session: HarnessSession) -> None:
    """``engine_spec`` becomes every engine of ``--engine``."""
    missing = session.settings.missing
    params = []
    for spec in session.settings.engines:
        marks = [pytest.mark.skip(reason=missing[spec])] if spec in missing else []
        params.append(pytest.param(spec, id=spec.name, marks=marks))
    metafunc.parametrize("engine_spec", params, scope="module")


@pytest.fixture(scope="module")
def ready(engine_spec: EngineSpec, request: pytest.FixtureRequest) -> Ready:
    """``engine_spec`` with the session's first model, and two small adapters trained for it."""
    session = request.config.stash[KEY]

    def load() -> Ready:
        base, known = session.bases[0], replay()
        trained_on = engine_spec.training(base, known)
        adapters = [
            Adapter(trained_on, dataset("oscarstxt"), replace(_TRAINING, seed=seed))
            for seed in (0, 1)
        ]
        model = engine_spec.answering(base, known)
        device = session.settings.device
        return Ready(*opened(model, adapters, session.fetch, engine_spec.dtype, device))

    return _or_fail(load)


@pytest.fixture
def ready_cell(cell: Cell, request: pytest.FixtureRequest) -> Ready:
    """The engine of ``cell``, and the files of its adapters."""
    session, subject = request.config.stash[KEY], cell.subject

    def load() -> Ready:
        dtype, device = subject.engine.dtype, session.settings.device
        return Ready(*opened(subject.model, subject.loras, session.fetch, dtype, device))

    return _or_fail(load)


def _or_fail(call: Callable[[], _Value]) -> _Value:
    """What ``call`` returns; a mistake fails the test with its one line, without a traceback."""
    try:
        return call()
    except HarnessError as error:
        # raised here, because pytest.fail would show the cause as well
        raise pytest.fail.Exception(str(error), pytrace=False) from None
