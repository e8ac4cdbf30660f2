"""One adapter on several models: siblings made for real, provenance, and paired losses."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
import torch

from harness.builds import GradedLine, build
from harness.data.awards import dataset
from harness.data.knowledge import TableKnowledge, replay
from harness.engines import TransformersEngine
from harness.errors import MissingExtraError, RecipeError
from harness.experiments import QUESTIONS, AdapterSpec, Ask, Cell, Evidence, Setup, Subject
from harness.experiments.selection import Selection, cells
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
from harness.store import Store
from suites.transfer.scenario import KNOWN, SCENARIO, home, lost, measures, probes, sibling

BASE = Base("0", "pocket", "/m")
OTHER = Base("1", "other", "/o")
SETUP = Setup(BASE, 0, TableKnowledge())
TAUGHT = Training(epochs=40, rank=8, alpha=16, lr=3e-3, dropout=0.0)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(tmp_path_factory.mktemp("transfer") / "store")


def test_the_cells_and_who_was_trained_where() -> None:
    by_label = {design.label: design.cell(SETUP) for design in SCENARIO.designs("default", SETUP)}
    names = ["on_base", "on_sibling_from_base", "on_sibling", "on_base_from_sibling"]
    assert list(by_label) == names
    on_base, from_base, on_sibling, from_sibling = by_label.values()
    assert on_base.subject.trained == from_base.subject.trained
    assert on_sibling.subject.trained == from_sibling.subject.trained
    assert on_base.subject.trained != on_sibling.subject.trained
    for label, cell in by_label.items():
        assert label in cell.id
        assert home(cell).subject.trained == cell.subject.trained
    assert home(from_base).grades == on_base.grades
    assert home(from_sibling).grades == on_sibling.grades


def test_quantised_forms_take_the_adapter_of_the_full_base() -> None:
    selected = cells(SCENARIO, Selection((BASE,)))
    by_engine = {cell.subject.engine.name: cell for cell in selected if cell.label == "on_base"}
    assert list(by_engine) == [
        "hf",
        "nf4_from_hf",
        "int8_from_hf",
        "gptq4_from_hf",
        "gguf_q8_0",
        "gguf_q4_0",
    ]
    assert len({cell.subject.trained for cell in by_engine.values()}) == 1
    elsewhere = [cell for cell in selected if cell.label != "on_base"]
    assert {cell.subject.engine.name for cell in elsewhere} == {"hf"}
    for cell in by_engine.values():
        try:
            cell.subject.engine.require()
        except MissingExtraError as error:
            assert "python -m pip install" in str(error)


def test_no_question_is_in_a_training_text() -> None:
    known = sibling(SETUP).adapter.dataset
    assert len(known.samples) == KNOWN
    (text,) = {cell.dataset for cell in cells(SCENARIO, Selection((BASE,)))}
    assert text == dataset("the_oscar_award_txt")
    samples = (*known.samples, *text.samples, *replay().samples)
    trained = {sample.prompt for sample in samples}
    asked = [probe for probe in probes(text.name).probes if probe.kind != "exact"]
    assert {is_locality(probe.kind) for probe in asked} == {True, False}
    assert not {probe.prompt for probe in asked} & trained


def test_a_stack_says_that_it_means_a_sibling(lie: Dataset) -> None:
    further = sibling(SETUP)
    own = Adapter(BASE, lie, TAUGHT)
    with pytest.raises(RecipeError, match="was trained on pocket, not on pocket_further"):
        Stack(further, ((own, 1.0),))
    across = Stack(further, ((own, 1.0),), of_sibling=True)
    alone = digest(Stack(BASE, ((own, 1.0),)))
    assert alone == digest(Stack(BASE, ((own, 1.0),), of_sibling=False))
    assert alone != digest(across)
    with pytest.raises(RecipeError, match="was trained on pocket, which is not a sibling of other"):
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
            scores: torch.Tensor = engine.loaded.model(ids).logits
            return scores

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
    kinds = ("exact", "locality_year")
    part = [probe for probe in probes("the_oscar_award_txt").probes if probe.kind in kinds][::12]
    training = Training(epochs=1, rank=2, alpha=2)
    further = Sibling.of(Adapter(tiny, lie, TAUGHT), "further")
    spec = AdapterSpec(lie, training)
    subject = Subject(further, adapters=(spec,), trained_on=tiny, calibration_text=lie)
    asks = (Ask(QUESTIONS, ProbeSet.of("part", tuple(part))),)
    cell = Cell(subject, lie, training, asks, label="on_sibling_from_base")
    fetch = partial(build, store=store)
    assert measures(Evidence(cell, fetch)).keys() == {"recall_lost", "known_lost"}
    assert measures(Evidence(cell, fetch, adapted=False)) == {}
    assert measures(Evidence(home(cell), fetch)) == {}


def line(fact: str, right: bool) -> GradedLine:
    return GradedLine(
        id=f"exact/{fact}",
        kind="exact",
        fact=fact,
        prompt="",
        accepted=("it",),
        answers=("it",),
        verdicts=(right,),
        right=right,
        scores=(100.0,),
        read_as=("text",),
    )


@pytest.mark.parametrize(("at_home", "here", "expected"), [(20, 15, 0.25), (0, 20, -1.0)])
def test_the_loss_is_what_home_has_more(at_home: int, here: int, expected: float) -> None:
    pairs = [(line(str(i), i < at_home), line(str(i), i < here)) for i in range(20)]
    assert lost(pairs).estimate == pytest.approx(expected)
