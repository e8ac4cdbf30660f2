"""An engine by itself, with two adapters to put on it, for timings."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest

from harness.builders import opened
from harness.cells import Cell
from harness.engines import Engine, EngineSpec
from harness.errors import HarnessError
from harness.plugin._session import KEY, HarnessSession
from harness.recipes import Adapter, Training
from harness.scenarios.oscars import dataset, replay

_TRAINING = Training(epochs=1, rank=8, alpha=16)
"""Little, as what an adapter holds does not change how long it takes."""


class Ready(NamedTuple):
    """A loaded engine, and files of two adapters for it."""

    engine: Engine
    adapters: tuple[Path, ...]


def parametrise_engines(metafunc: pytest.Metafunc, own: HarnessSession) -> None:
    """``engine_spec`` becomes every engine of ``--engine``."""
    missing = own.settings.missing
    marks = {spec: [pytest.mark.skip(reason=missing[spec])] if spec in missing else [] for spec in own.settings.engines}
    params = [pytest.param(spec, id=spec.name, marks=marks[spec]) for spec in own.settings.engines]
    metafunc.parametrize("engine_spec", params, scope="module")


@pytest.fixture(scope="module")
def ready(engine_spec: EngineSpec, request: pytest.FixtureRequest) -> Ready:
    """The engine ``engine_spec`` with the session's first model, and two small adapters trained as it wants them."""
    own, spec = request.config.stash[KEY], engine_spec
    try:
        base, known = own.bases[0], replay()
        trained_on = spec.training(base, known)
        adapters = [Adapter(trained_on, dataset("oscarstxt"), replace(_TRAINING, seed=seed)) for seed in (0, 1)]
        return Ready(*opened(spec.answering(base, known), adapters, own.fetch, spec.dtype, own.settings.device))
    except HarnessError as error:
        pytest.fail(str(error), pytrace=False)


@pytest.fixture
def ready_cell(cell: Cell, request: pytest.FixtureRequest) -> Ready:
    """The engine of ``cell``, and the files of its adapters."""
    own = request.config.stash[KEY]
    try:
        return Ready(*opened(cell.model, cell.adapters, own.fetch, cell.engine.dtype, own.settings.device))
    except HarnessError as error:
        pytest.fail(str(error), pytrace=False)
