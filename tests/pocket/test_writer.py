"""The writer is the one on the card, and writes as well as the card says."""

from __future__ import annotations

import random
import re
from itertools import islice

import pytest

from harness.data import invented
from harness.data.facts import World
from harness.data.writing import read_pairs
from harness.models.adapters import WEIGHTS
from harness.models.loading import SHIPPED, WRITER
from harness.pocket import _reading, _writer, _writing
from harness.store import file_sha256


@pytest.fixture(scope="module")
def world() -> World:
    return World()


def test_the_card_is_that_of_this_writer() -> None:
    assert file_sha256(WRITER / WEIGHTS) in (SHIPPED / "README.md").read_text(encoding="utf-8")


def test_it_is_small_enough_to_ship() -> None:
    assert (WRITER / WEIGHTS).stat().st_size <= 2.5e6


def test_the_figures_still_come_out() -> None:
    """A draft is up to a hundred words, so more of them may tip than of short answers."""
    measured, stated = _writer.figures(WRITER), _writer.stated(SHIPPED)
    assert measured["all"] == pytest.approx(stated["all"], abs=0.02)
    for kind in ("people", "dialogue", "dated"):
        assert measured[kind] == pytest.approx(stated[kind], abs=0.04)
        assert measured[kind].covered >= 0.9


def test_the_same_seed_gives_the_same_text(world: World) -> None:
    made = [_writing.samples(world, 50, seed) for seed in (3, 3, 4)]
    assert made[0] == made[1] != made[2]


def test_no_probe_is_in_its_text(world: World) -> None:
    """Neither questions for tests nor the held-out passages are trained."""
    text = [sample.text for sample in _writing.samples(world, 2000, 0).samples]
    asked = {pair.question for each in text for pair in read_pairs(each.partition("\n\n")[2])[0]}
    rng = random.Random(0)
    rows = rng.sample(world.rows, 200)
    probes = {
        world.fill(probe, row)
        for row in rows
        for relation in world.relations[row.table]
        for probe in relation.probes
    }
    assert not asked & probes
    patterns = [probe for spec in invented.reading().values() for probe in spec["probes"]]
    patterns += [probe for _, probe, _ in _reading.DATED]
    for pattern in patterns:
        probe = re.compile(re.sub(r"\\{\w+\\}", ".+", re.escape(pattern)))
        assert not any(probe.fullmatch(question) for question in asked), pattern
    passages = {each.text for each in _writing.held_out(world, 100)}
    assert not any(passage in each for passage in passages for each in text if len(passage) > 60)


def test_what_is_asked_stands_in_the_passage(world: World) -> None:
    rng = random.Random(1)
    for source in (_writing.passage(world, rng) for _ in range(300)):
        for asked in source.asked:
            pair = next(islice(asked.all(), 1))
            names = [names[0] for names in world.categories.values()]
            if pair.answer not in names:  # an award is asked for under its first name
                assert all(word in source.text for word in pair.answer.split()), pair
