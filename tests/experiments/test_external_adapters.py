"""Adapters that were made elsewhere as cells of a scenario, each at its own scale."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from harness.builds import build
from harness.errors import ModelError, RecipeError
from harness.experiments import AdapterSpec, Cell, ExternalSpec, Subject
from harness.experiments.selection import Selection, adapters, cells, load, shipped
from harness.recipes import Adapter, Answers, Base, Dataset, Probe, ProbeSet, Training
from harness.store import Store

TRAINING = Training(epochs=1, rank=2, alpha=4)
PROBES = ProbeSet.of("moon", (Probe("moon", "exact", "moon", "The colour of", ("green",)),))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(tmp_path_factory.mktemp("external") / "store")


@pytest.fixture(scope="module")
def folder(tiny: Base, lie: Dataset, store: Store, tmp_path_factory: pytest.TempPathFactory) -> str:
    """An adapter of the tiny model, outside the store."""
    trained = build(Adapter(tiny, lie, TRAINING), store).path
    return str(shutil.copytree(trained, tmp_path_factory.mktemp("mine") / "mine"))


def external_cells(base: Base, specs: tuple[ExternalSpec, ...]) -> list[Cell]:
    found = cells(load(shipped()["oscars"]), Selection((base,), adapters=specs))
    return [cell for cell in found if not cell.subject.trains]


def test_a_scale_is_part_of_the_name_and_of_the_stack(tiny: Base, folder: str) -> None:
    specs = adapters([folder, f"mine={folder}:0.5", f"{folder}:-2"])
    assert [spec.name for spec in specs] == ["mine", "mine_x0p5", "mine_x_2e0"]
    found = [cell for cell in external_cells(tiny, specs) if cell.dataset.name == "oscarstxt"]
    names = [f"oscarstxt-adapter_{spec.name}" for spec in specs]
    assert [cell.id for cell in found] == names
    assert [cell.subject.external for cell in found] == [(spec,) for spec in specs]
    stacks = [cell.subject.stack.adapters for cell in found]
    assert stacks == [((spec.adapter, spec.scale),) for spec in specs]


def test_two_of_one_name_and_scale_are_refused(folder: str) -> None:
    with pytest.raises(RecipeError, match="--adapter mine_x0p5 is given twice"):
        adapters([f"{folder}:0.5", f"mine={folder}:0.5"])


def test_external_and_trained_adapters_make_one_stack(
    tiny: Base, lie: Dataset, folder: str
) -> None:
    (external,) = adapters([f"{folder}:0.5"])
    specs = (external, AdapterSpec(lie, TRAINING, scale=0.25))
    subject = Subject(tiny, adapters=specs, calibration_text=lie)
    assert subject.trains
    assert [scale for _, scale in subject.stack.adapters] == [0.5, 0.25]
    assert [adapter for adapter, _ in subject.stack.adapters] == [external.adapter, *subject.loras]


def test_scale_0_answers_as_the_bare_model(
    tiny: Base, lie: Dataset, folder: str, store: Store
) -> None:
    (external,) = adapters([f"{folder}:0"])
    subject = Subject(tiny, adapters=(external,), calibration_text=lie)
    answers = [build(Answers(stack, PROBES), store) for stack in (subject.bare, subject.stack)]
    bare, adapted = [(artefact.path / "answers.jsonl").read_text() for artefact in answers]
    assert bare == adapted


def test_an_adapter_that_cannot_be_scaled_says_so_in_one_line(
    tiny: Base, lie: Dataset, folder: str, store: Store, tmp_path: Path
) -> None:
    changed = shutil.copytree(folder, tmp_path / "with_biases")
    config = json.loads((changed / "adapter_config.json").read_text())
    (changed / "adapter_config.json").write_text(json.dumps(config | {"bias": "all"}))
    (external,) = adapters([f"{changed}:0.5"])
    subject = Subject(tiny, adapters=(external,), calibration_text=lie)
    with pytest.raises(ModelError, match=r"scale 0\.5 cannot be put on this adapter") as raised:
        build(Answers(subject.stack, PROBES), store)
    assert "\n" not in str(raised.value)
