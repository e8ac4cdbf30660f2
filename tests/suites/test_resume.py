"""Datasets, probes and cells of the suite `resume`."""

from __future__ import annotations

from collections import Counter

import pytest

from harness.errors import RecipeError
from harness.recipes import Adapter, Base, digest
from harness.scenarios.oscars import replay
from harness.scenarios.resume import both, cells, half, probes, rehearsed
from harness.scenarios.resume._grid import before

BASE = Base("0", "pocket", "/m")


def test_halves_share_no_fact_and_make_the_whole() -> None:
    first, second = ({s.fact for s in half(name).samples} for name in ("first", "second"))
    assert len(first) == len(second) == 6
    assert not first & second
    assert {s.fact for s in both().samples} == first | second


def test_rehearsal_adds_a_share_of_the_other_half() -> None:
    found = rehearsed("second", "first", 0.25)
    assert Counter(found.samples) >= Counter(half("second").samples)
    assert len(found.samples) == len(half("second").samples) + round(
        0.25 * len(half("first").samples)
    )
    assert found != rehearsed("second", "first", 0.25, seed=1)


def test_no_probe_is_a_training_text_and_each_half_is_asked_about() -> None:
    trained = {sample.prompt for sample in (*both().samples, *replay().samples)}
    assert not any(probe.prompt in trained for probe in probes().probes)
    for name in ("first", "second"):
        assert {p.fact for p in probes().probes if p.kind == name} == {
            s.fact for s in half(name).samples
        }


def test_cells_go_on_from_the_adapter_that_retention_is_measured_from() -> None:
    found = cells("full", [BASE], [0, 1])
    ids = [cell.id for cell in found]
    assert len(ids) == len(set(ids))
    known = {cell.id: cell for cell in found}
    resumed = [cell for cell in found if "_then_" in cell.label]
    assert len(resumed) == 28
    for cell in resumed:
        (adapter,) = cell.adapters
        assert isinstance(adapter, Adapter)
        reference = known[before(cell).id]
        assert adapter.init_from is not None
        assert digest(adapter.init_from) == digest(reference.adapters[0])
        assert digest(before(cell).grades) == digest(reference.grades)


def test_unknown_grid() -> None:
    with pytest.raises(RecipeError, match="grid 'huge' is unknown"):
        cells("huge", [BASE], [0])
