"""One adapter on several models: siblings made for real, provenance, and paired losses."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from harness.builds import build
from harness.engines import HF, TransformersEngine
from harness.errors import MissingExtraError, RecipeError
from harness.experiments.cells import Cell
from harness.experiments.selection import cells as selected
from harness.models.loading import base_of
from harness.recipes import (
    Adapter,
    Base,
    Dataset,
    Gguf,
    ProbeSet,
    Quantised,
    Sibling,
    Stack,
    Training,
    digest,
    is_locality,
)
from harness.report import result
from harness.scenarios import scenario
from harness.scenarios.transfer import KNOWN, cells, probes, sibling
from harness.scenarios.transfer._measures import _lost, home
from harness.store import Store

BASE = Base("0", "pocket", "/m")
OTHER = Base("1", "other", "/o")
TAUGHT = Training(epochs=40, rank=8, alpha=16, lr=3e-3, dropout=0.0)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(tmp_path_factory.mktemp("transfer") / "store")


def test_the_cells_and_who_was_trained_where() -> None:
    found = {cell.label: cell for cell in cells("default", [BASE], [0])}
    assert list(found) == ["on_base", "on_sibling_from_base", "on_sibling", "on_base_from_sibling"]
    assert found["on_base"].trained == found["on_sibling_from_base"].trained
    assert found["on_sibling"].trained == found["on_base_from_sibling"].trained
    assert found["on_base"].trained != found["on_sibling"].trained
    for cell in found.values():
        assert cell.label in cell.id
    away = [found["on_sibling_from_base"], found["on_base_from_sibling"]]
    assert [home(cell).grades for cell in away] == [
        found["on_base"].grades,
        found["on_sibling"].grades,
    ]
    with pytest.raises(RecipeError, match="grid 'huge' is unknown"):
        cells("huge", [BASE], [0])


def test_quantised_forms_take_the_adapter_of_the_full_base() -> None:
    found = selected(scenario("transfer"), "default", [BASE], [0], [HF])
    by_engine = {cell.engine.name: cell for cell in found if cell.label == "on_base"}
    assert list(by_engine) == [
        "hf",
        "nf4_from_hf",
        "int8_from_hf",
        "gptq4_from_hf",
        "gguf_q8_0",
        "gguf_q4_0",
    ]
    assert len({cell.trained for cell in by_engine.values()}) == 1
    assert {cell.engine.name for cell in found if cell.label != "on_base"} == {"hf"}
    for cell in by_engine.values():
        try:
            cell.engine.require()
        except MissingExtraError as error:
            assert "python -m pip install" in str(error)


def test_no_question_is_in_a_training_text() -> None:
    known = {sample.prompt for sample in sibling(BASE).adapter.dataset.samples}
    assert len(sibling(BASE).adapter.dataset.samples) == KNOWN
    (cell,) = {cell.dataset: cell for cell in cells("default", [BASE], [0])}.values()
    assert cell.replay is not None
    told = {sample.prompt for sample in cell.dataset.samples} | {
        s.prompt for s in cell.replay.samples
    }
    asked = [probe for probe in probes(cell.dataset.name).probes if probe.kind != "exact"]
    assert {is_locality(probe.kind) for probe in asked} == {True, False}
    assert not {probe.prompt for probe in asked} & (known | told)


def test_a_stack_says_that_it_means_a_sibling(lie: Dataset) -> None:
    further = sibling(BASE)
    own = Adapter(BASE, lie, TAUGHT)
    with pytest.raises(RecipeError, match="was trained on pocket, not on pocket_further"):
        Stack(further, ((own, 1.0),))
    across = Stack(further, ((own, 1.0),), of_sibling=True)
    assert digest(Stack(BASE, ((own, 1.0),))) == digest(
        Stack(BASE, ((own, 1.0),), of_sibling=False)
    )
    assert digest(across) != digest(Stack(BASE, ((own, 1.0),)))
    with pytest.raises(RecipeError, match="was trained on pocket, which is no sibling of other"):
        Stack(OTHER, ((own, 1.0),), of_sibling=True)
    with pytest.raises(RecipeError, match="has no full weights to add an update to"):
        Sibling.of(Adapter(Quantised(BASE, Gguf("q8_0")), lie, TAUGHT), "it")


def test_a_sibling_answers_as_base_and_adapter_do(
    tiny: Base, lie: Dataset, store: Store, tmp_path: Path
) -> None:
    import torch

    adapter = Adapter(tiny, lie, TAUGHT)
    further = Sibling.of(adapter, "further")
    made = build(further, store)
    ids = torch.arange(3, 40)[None]

    def logits(engine: TransformersEngine) -> torch.Tensor:
        with torch.inference_mode():
            found: torch.Tensor = engine.loaded.model(ids).logits
            return found

    engine = TransformersEngine(tiny)
    bare = logits(engine)
    with engine.with_stack([(build(adapter, store).path, 1.0)]):
        adapted = logits(engine)
    found = logits(TransformersEngine(base_of(made.path)))
    assert (adapted - bare).abs().max() > 0.1
    assert (found - adapted).abs().max() < 1e-3
    again = Store(tmp_path / "store")
    twice = build(Sibling.of(adapter, "further"), again)
    assert twice.manifest.files == made.manifest.files


def test_figures_of_an_adapter_away_from_home(tiny: Base, lie: Dataset, store: Store) -> None:
    part = [
        p for p in probes("the_oscar_award_txt").probes if p.kind in ("exact", "locality_year")
    ][::12]
    asked = ProbeSet.of("part", tuple(part))
    further = Sibling.of(Adapter(tiny, lie, TAUGHT), "further")
    cell = Cell(
        further,
        lie,
        asked,
        Training(epochs=1, rank=2, alpha=2),
        label="on_sibling_from_base",
        home=tiny,
    )
    found = result(scenario("transfer"), cell, partial(build, store=store))
    assert {"recall_lost", "known_lost"} <= found.measures.keys()
    at_home = result(scenario("transfer"), home(cell), partial(build, store=store))
    assert not {"recall_lost", "known_lost"} & at_home.measures.keys()


def test_the_loss_is_what_home_has_more() -> None:
    def lines(right: Iterable[bool]) -> list[dict[str, Any]]:
        return [{"kind": "exact", "fact": str(i), "right": hit} for i, hit in enumerate(right)]

    assert _lost(
        lines([True] * 20), lines([False] * 5 + [True] * 15), False
    ).estimate == pytest.approx(0.25)
    assert _lost(lines([False] * 20), lines([True] * 20), False).estimate == -1.0
