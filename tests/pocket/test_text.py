"""The text that the shipped model is made from."""

from __future__ import annotations

import random
import re
from pathlib import Path
from typing import Any, cast

import pytest

from harness.data import invented
from harness.data.facts import World, read_rows, read_text
from harness.data.formats import VERDICTS
from harness.data.rewording import reword
from harness.errors import DataError
from harness.models.loading import resident
from harness.pocket import _judging, _reading
from harness.pocket._documents import Mixture, only_told
from harness.pocket._parts import Document
from harness.pocket._rows import Plan, batches, rows
from harness.recipes import Base


@pytest.fixture(scope="module")
def world() -> World:
    return World()


@pytest.fixture(scope="module")
def mixture(world: World) -> Mixture:
    return Mixture(world)


def text(document: Document) -> str:
    return "".join(part.text for part in document)


def test_at_least_a_thousand_facts(world: World) -> None:
    assert len(world.rows) >= 1000
    assert len({row.id for row in world.rows}) == len(world.rows)
    years = {int(row.slots["year"]) for row in world.rows if row.table == "oscars"}
    assert years == set(range(1990, 2023))


def test_nothing_of_2023_is_in_the_text(mixture: Mixture) -> None:
    """Names that other years share (Ruth Carter, Joe Letteri) may occur, winners with their films
    may not."""
    rng = random.Random(0)
    written = "\n".join(text(mixture.document(rng, i / 4000)) for i in range(4000))
    for row in read_rows("oscars_2023"):
        assert not re.search(
            rf"{re.escape(row.slots['winner'])}[^\n]*{re.escape(row.slots['film'])}", written
        )
    assert "Everything Everywhere" not in written
    assert "Ke Huy Quan" not in written


def test_half_of_the_rows_are_only_told_at_first(world: World, mixture: Mixture) -> None:
    rng = random.Random(0)
    told = [row for row in world.rows if only_told(row)]
    assert 0.4 < len(told) / len(world.rows) < 0.6
    assert not any(mixture.is_asked(row, 0.0) for row in told)
    assert all(mixture.is_asked(row, 1.0) for row in told)
    assert text(mixture.document(rng, 0.0))


def test_processes_write_the_rows_that_one_thread_writes(mixture: Mixture, tiny: Base) -> None:
    tokenizer, plan = (
        cast(Any, resident(tiny).tokenizer),
        Plan(steps=5, tokens=512, row=256, long_every=2),
    )
    alone = list(batches(mixture, tokenizer, plan, first=1, workers=1))
    several = list(batches(mixture, tokenizer, plan, first=1, workers=2))
    assert [step for step, _ in alone] == [step for step, _ in several] == [2, 3, 4, 5]
    for (_, one), (_, other) in zip(alone, several, strict=True):
        assert all((a == b).all() for a, b in zip(one, other, strict=True))


def test_the_same_seed_gives_the_same_text(mixture: Mixture) -> None:
    made = [
        [text(mixture.document(random.Random(f"{n}"), 1.0)) for n in range(50)] for _ in range(2)
    ]
    assert made[0] == made[1]


def test_passages_answer_their_questions(world: World) -> None:
    """What is asked stands in the passage; awards are named as answers name them."""
    rng = random.Random(0)
    for _ in range(300):
        passage = _reading.passage(world, rng, 6)
        lines = " ".join(passage.lines).lower()
        assert passage.questions
        for _, _, answer in passage.questions:
            words = re.findall(r"[a-z0-9]{3,}", answer.lower().replace("best ", ""))
            if any(answer == names[0] for names in world.categories.values()):
                # an award is asked for under its first name, whatever the passage calls it
                continue
            words = [word for word in words if word != "for"]
            assert all(word in lines for word in words), (answer, lines)


def test_no_question_is_reworded_into_a_probe(world: World) -> None:
    asked = [(r.questions, r.probes) for relations in world.relations.values() for r in relations]
    asked += [
        (tuple(spec["questions"]), tuple(spec["probes"])) for spec in invented.reading().values()
    ]
    asked += [(questions, (probe,)) for questions, probe, _ in _reading.DATED]
    asked += [(_reading.HERO, (_reading.HERO_PROBE,))]
    rng = random.Random(0)
    made = {
        reword(question, rng)
        for questions, _ in asked
        for question in questions
        for _ in range(1000)
    }
    assert len(made) > 10_000
    assert not made & {probe for _, probes in asked for probe in probes}


def test_shares_that_are_asked_for_are_those_of_the_text(world: World) -> None:
    mixture, rng = Mixture(world, shares="judging=0.5,reading=0.3"), random.Random(0)
    verdicts = {"yes", "no", *(word for way in VERDICTS for word in (way.same, way.differ))}
    made = [
        {part.text.strip() for part in mixture.document(rng, 0.0) if part.loss} for _ in range(400)
    ]
    assert 0.44 < sum(learnt <= verdicts for learnt in made) / 400 < 0.56


@pytest.mark.parametrize(
    ("shares", "line"),
    [
        ("gossip=0.2", "'gossip' is unknown, choose one of statements"),
        ("reading", "write KIND=SHARE"),
        ("reading=much", "write KIND=SHARE"),
        ("reading=0.6,judging=0.4", "their sum below 1"),
        ("reading=-0.1", "at least 0"),
    ],
)
def test_shares_that_cannot_be(world: World, shares: str, line: str) -> None:
    with pytest.raises(DataError, match=line):
        Mixture(world, shares=shares)


def test_judging_has_both_verdicts_and_near_misses(world: World) -> None:
    rng = random.Random(0)
    verdicts = [_judging.probe(world, rng)[1] for _ in range(400)]
    assert 0.4 < verdicts.count("yes") / 400 < 0.6


def test_no_judge_is_trained_on_the_labels_of_the_probe(world: World) -> None:
    rng = random.Random(0)
    made = "".join(text(_judging.document(world, rng)) for _ in range(4000)).lower()
    for line in _judging.PROBES[0].lower().splitlines()[1:]:
        assert line.partition(" {")[0] not in made


def test_rows_keep_documents_apart(mixture: Mixture, tiny: Base) -> None:
    tokenizer = resident(tiny).tokenizer
    made = rows(mixture, cast(Any, tokenizer), "0/1", 0.0, (4, 256), long=False)
    again = rows(mixture, cast(Any, tokenizer), "0/1", 0.0, (4, 256), long=False)
    assert (made.ids == again.ids).all()
    assert (made.owner > 0).mean() > 0.9
    starts = made.positions == 0
    assert (made.ids[starts & (made.owner > 0)] == tokenizer.bos_token_id).all()
    assert not made.loss[starts].any()
    assert 0.1 < made.loss.mean() < 0.7


@pytest.mark.parametrize(
    ("content", "line"), [(b"", "is empty"), (b"caf\xe9", "is not UTF-8"), (None, "cannot be read")]
)
def test_bad_text_files(tmp_path: Path, content: bytes | None, line: str) -> None:
    path = tmp_path / "text.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=line):
        read_text(path)
