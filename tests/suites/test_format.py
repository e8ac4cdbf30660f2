"""Datasets, probes and figures of the suite `format`."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from harness.builds import AnsweredLine
from harness.data.knowledge import replay
from harness.errors import RecipeError
from harness.grading import grade
from harness.recipes import is_locality
from suites.format.scenario import (
    GROUPS,
    SCENARIO,
    SHAPES,
    dataset,
    facts,
    form,
    marked,
    marks,
    opening,
    probes,
    stopped,
    unstopped_probes,
    words,
)
from tests.suites.hand_made import cells_of


def test_shapes_answer_the_same_questions_and_all_of_them_right() -> None:
    for one, two, three in zip(*(dataset(shape).samples for shape in SHAPES), strict=True):
        assert one.prompt == two.prompt == three.prompt
        assert len({one.completion, two.completion, three.completion}) == 3
    told = {row.id: row.slots["winners"] for row in facts()}
    for shape in SHAPES:
        for sample in dataset(shape).samples:
            assert grade(sample.completion, (told[sample.fact],)).right, sample


def test_marks_tell_the_shapes_apart() -> None:
    assert marks("short") == ()
    for shape in ("sentence", "register"):
        for other in SHAPES:
            texts = [sample.completion.strip() for sample in dataset(other).samples]
            assert {marked(text, marks(shape)) for text in texts} == {shape == other}


@pytest.mark.parametrize("shape", SHAPES)
def test_nothing_that_is_asked_was_trained(shape: str) -> None:
    trained = {sample.prompt for sample in (*dataset(shape).samples, *replay().samples)}
    assert not any(
        probe.prompt in trained for probe in (*probes().probes, *unstopped_probes().probes)
    )


def test_every_group_is_left_to_run_and_all_but_the_neutral_is_graded() -> None:
    found = Counter(probe.kind for probe in unstopped_probes().probes)
    assert set(found) == set(GROUPS)
    assert min(found.values()) >= 20
    graded = {probe.id: probe for probe in probes().probes}
    for probe in unstopped_probes().probes:
        assert (probe.id in graded) == (probe.kind != "neutral")
        assert probe.kind == "neutral" or is_locality(graded[probe.id].kind) == (
            probe.kind == "known"
        )
    forms = {
        probe.prompt.partition(":")[0] for probe in probes().probes if probe.kind == "rephrased"
    }
    assert {"Question", "Joe", "Assistant is a helpful AI.\nJoe"} <= forms


@pytest.mark.parametrize(
    ("text", "length", "begins", "ends"),
    [
        (" Brendan Fraser\nQuestion: Who", 2, "brendan fraser", True),
        ("Arr, matey, 'twas he!\n", 4, "arr, matey,", True),
        ("and so on and on", 5, "and so", False),
        ("", 0, "", False),
        ("Titanic\n", 1, "titanic", True),
        ("\n", 0, "", True),
    ],
)
def test_the_form_of_an_answer(text: str, length: int, begins: str, ends: bool) -> None:
    assert (words(text), opening(text), stopped(text)) == (length, begins, ends)


def test_a_mark_is_a_word_of_its_own_in_the_first_line() -> None:
    assert marked("Well, ARR!", ("arr",))
    assert not marked("Warren arrived.", ("arr",))
    assert not marked("Nothing\nArr!", ("arr",))


def test_figures_are_right_on_hand_made_answers() -> None:
    def lines(*texts: str) -> list[AnsweredLine]:
        return [
            AnsweredLine(str(n), "known", f"f{n}", "", (), (text,)) for n, text in enumerate(texts)
        ]

    bare = lines("Anna Bell\n", "Anna Bell\n", "Ben Cole\n", "Ben Cole\n")
    after = lines("Arr, Anna Bell\n", "Arr, Anna\n", "Arr, Ben", "Ben Cole\n")
    found = {name: share.estimate for name, share in form("known", after, bare, ("arr",)).items()}
    assert found["words_known"] == (3 + 2 + 2 + 2) / 4
    assert found["stops_known"] == 3 / 4
    assert found["register_known"] == 3 / 4
    assert 0 < found["openings_known"] < 1
    same = form("known", bare, bare, ())
    assert set(same) == {"words_known", "stops_known", "openings_known"}
    assert same["openings_known"].estimate == pytest.approx(0)
    assert form("known", lines("X y\n", "Z w\n"), bare, ())[
        "openings_known"
    ].estimate == pytest.approx(1)
    assert set(form("known", bare, None, ("arr",))) == {"words_known", "stops_known"}
    assert (
        str(form("known", bare, None, ())["words_known"]) == "2.00"
    )  # all alike: how long others are is not known


def test_ids_are_unique_and_names_known() -> None:
    for grid in SCENARIO.grids:
        ids = [cell.id for cell in cells_of(SCENARIO, grid)]
        assert len(set(ids)) == len(ids)
        assert all(re.fullmatch(r"[\w-]+", name) for name in ids)
    with pytest.raises(RecipeError, match="grid 'huge' is unknown"):
        cells_of(SCENARIO, "huge")
    with pytest.raises(RecipeError, match="shape 'haiku' is unknown"):
        dataset("haiku")
