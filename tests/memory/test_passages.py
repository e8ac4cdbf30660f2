"""Passages: nothing is lost, none is too long, and an edit changes only what lies beside it."""

from __future__ import annotations

import re
from datetime import datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import RecipeError
from harness.memory.passages import Passage, Turn, spans, split

SIZE = 120
WORDS = st.text("abcdefgh", min_size=1, max_size=12)
SENTENCES = st.lists(WORDS, min_size=1, max_size=12).map(lambda words: f"{' '.join(words)}. ")
PARAGRAPHS = st.lists(SENTENCES, min_size=1, max_size=6).map(lambda parts: "".join(parts).strip())
TEXTS = st.lists(PARAGRAPHS, min_size=1, max_size=25)


def without_blanks(text: str) -> str:
    return "".join(text.split())


@given(st.text("ab.!? \n\r\t#-=\f\u2028", max_size=400), st.integers(20, 200))
def test_every_character_is_in_one_passage_in_order(text: str, size: int) -> None:
    passages = split(text, size)
    assert [passage.place for passage in passages] == list(range(len(passages)))
    rest = iter(without_blanks(text.replace("#", "").replace("=", "").replace("-", "")))
    for passage in passages:  # headings stand above the passages, so characters may be skipped
        for character in without_blanks(passage.text):
            assert character in "#=-" or character in rest


@given(TEXTS, st.integers(20, 300))
def test_joined_passages_give_the_text_and_none_is_too_long(parts: list[str], size: int) -> None:
    text = "\n\n".join(parts)
    passages = split(text, size)
    assert without_blanks("".join(passage.text for passage in passages)) == without_blanks(text)
    for passage in passages:
        assert len(passage.text) <= size or " " not in passage.text
        assert set(passage.text.split()) <= set(text.split())  # no word is cut


@settings(max_examples=300)
@given(TEXTS, PARAGRAPHS, st.data())
def test_an_edit_changes_only_passages_beside_it(
    parts: list[str], new: str, data: st.DataObject
) -> None:
    parts = [f"{number} {part}" for number, part in enumerate(parts)]
    place = data.draw(st.integers(0, len(parts) - 1))
    edited = [*parts[:place], *data.draw(st.sampled_from(([], [new], [new, parts[place]])))]
    edited += parts[place + 1 :]
    before = "\n\n".join(parts)
    start = len("\n\n".join([*parts[:place], ""])) if place else 0
    end = start + len(parts[place])
    ids = {passage.id for passage in split("\n\n".join(edited), SIZE)}
    position = 0
    for passage in split(before, SIZE):
        position = before.index(passage.text, position)
        if position + len(passage.text) < start - SIZE or position > end + SIZE:
            assert passage.id in ids
        position += len(passage.text)


def test_a_word_put_into_a_long_text_changes_one_passage() -> None:
    parts = [
        f"Paragraph {n} tells of the {n * 37 % 101}th lamp in the hall. " * 3 for n in range(90)
    ]
    edited = [*parts[:40], parts[40].replace("lamp", "green lamp"), *parts[41:]]
    old = {passage.id for passage in split("\n\n".join(parts))}
    new = {passage.id for passage in split("\n\n".join(edited))}
    assert len(old) > 20
    assert len(old - new) == len(new - old) == 1


def test_a_paragraph_put_in_front_leaves_the_others_of_a_long_page() -> None:
    sentences = [f"Lamp {n} stands in room {n * 37 % 101} of the hall." for n in range(400)]
    page = " ".join(sentences)
    old = {passage.id for passage in split(page)}
    new = {passage.id for passage in split(f"A sentence before all others. {page}")}
    assert len(old) > 15
    assert len(old - new) <= 2


def test_headings_are_kept_with_those_above_them() -> None:
    text = (
        "Before all.\n\n# Guide\n\nOne.\n\nTools\n-----\nTwo.\n\n```\n# no heading\n```\n\n"
        "## Empty\n\n# Last\n"
    )
    assert [(passage.heading, passage.text) for passage in split(text)] == [
        ("", "Before all."),
        ("Guide", "One."),
        ("Guide > Tools", "Two.\n\n```\n# no heading\n```"),
        ("Guide", "Empty"),
        ("", "Last"),
    ]


def test_the_id_is_that_of_the_words_and_the_heading() -> None:
    assert Passage("a  b\nc", "one", 1).id == Passage("a b c", "two", 2, when="2026-01-05").id
    assert Passage("caf\u00e9").id == Passage("cafe\u0301").id
    assert len({Passage("a").id, Passage("b").id, Passage("a", heading="b").id}) == 3


def test_sentences_are_split_behind_their_ends_alone() -> None:
    text = "Dr. Quill met J. Ibarra, e.g. at noon. They spoke. \u5f7c\u306f\u6765\u305f\u3002"
    ends = {passage.text for passage in split(text, 40)}
    assert "They spoke." in " ".join(ends)
    assert not any(part.endswith(("Dr.", "J.", "e.g.")) for part in ends)


@given(
    st.lists(st.tuples(st.sampled_from(("Ann", "Bob")), PARAGRAPHS), min_size=1, max_size=20),
    st.integers(60, 300),
)
def test_further_turns_change_only_the_last_passage(said: list[tuple[str, str]], size: int) -> None:
    turns = [Turn(*turn) for turn in said]
    passages = spans(turns, size, "chat")
    assert all(len(passage.text) <= size for passage in passages)
    lines = "".join(re.sub(r"^(?:Ann|Bob):", "", p.text, flags=re.MULTILINE) for p in passages)
    assert without_blanks(lines) == without_blanks("".join(text for _, text in said))
    grown = spans([*turns, Turn("Ann", "one more")], size, "chat")
    assert grown[: len(passages) - 1] == passages[:-1]


def test_a_passage_of_a_chat_is_of_one_day_and_says_when() -> None:
    turns = (
        Turn("Ann", "Hello.", datetime(2026, 1, 5, 9, 12)),
        Turn("Bob", "Hi.", datetime(2026, 1, 5, 9, 13)),
        Turn("Ann", "", datetime(2026, 1, 5, 9, 14)),
        Turn("Ann", "Good morning.", datetime(2026, 1, 6, 8, 0)),
    )
    assert [(p.text, p.when, p.place) for p in spans(turns, document="chat")] == [
        ("Ann: Hello.\nBob: Hi.", "2026-01-05T09:12", 0),
        ("Ann: Good morning.", "2026-01-06T08:00", 1),
    ]


def test_every_part_of_a_long_turn_begins_with_its_name() -> None:
    parts = spans([Turn("Ann", "one two three four. " * 20)], 60)
    assert len(parts) > 5
    assert all(part.text.startswith("Ann: one") and len(part.text) <= 60 for part in parts)


def test_a_size_below_20_is_refused() -> None:
    with pytest.raises(RecipeError, match="passage size is 19 characters: give 20 or more"):
        split("text", 19)
