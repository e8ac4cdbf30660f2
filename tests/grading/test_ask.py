"""What a judge is asked, and how its replies are read."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.data.formats import FORMATS, VERDICTS, ask, fold, question
from harness.engines import Capabilities, Engine, Likelihood
from harness.grading.calibration import DIFFER, SAME, UNDECIDED, decide
from harness.grading.judge import Case, prompts, read
from harness.grading.judge import ask as put
from harness.recipes import Decoding

CASE = Case("Who won?", "Renée Zellweger; J.K. Simmons", "JK Simmons and RENÉE Zellweger")


class Leaning:
    """An engine whose log-likelihoods and replies are a bias towards a word, or towards what stands
    first."""

    def __init__(self, word: str, scores: bool, first: float = 0.0) -> None:
        self.capabilities = Capabilities(False, False, False, log_likelihood=scores)
        self.word, self.first = word, first

    def log_likelihood(self, pairs: Sequence[tuple[str, str]]) -> list[Likelihood]:
        def total(prompt: str, said: str) -> float:
            place = (
                self.first
                if prompt.split("\n")[1].startswith("Expected") and said == " yes"
                else 0.0
            )
            return -1.0 - 3.0 * (said.strip() != self.word) + place

        return [Likelihood(total(*pair), 1, 1) for pair in pairs]

    def answer(self, prompts: Sequence[str], decoding: Decoding) -> list[list[str]]:
        return [[self.word] for _ in prompts]


def test_every_order_with_every_polarity_and_both_answers_folded() -> None:
    found = prompts(CASE)
    assert len(set(found)) == len(VERDICTS) == 4
    for prompt in found:
        assert "Question: Who won?\n" in prompt
        assert "Expected answer: renee zellweger and j.k. simmons\n" in prompt
        assert "Given answer: jk simmons and renee zellweger\n" in prompt
    assert sum(p.index("Expected") < p.index("Given") for p in found) == 2
    assert sum("Do they differ?" in p for p in found) == 2


@pytest.mark.parametrize("word", ["yes", "no"])
@pytest.mark.parametrize("scores", [True, False])
def test_a_judge_that_always_says_one_word_decides_nothing(word: str, scores: bool) -> None:
    [found] = put(cast(Engine, Leaning(word, scores)), [CASE])
    assert found.odds == 0
    assert decide(found.odds, 0.0) == UNDECIDED
    assert len(found.asked) == 4


def test_a_leaning_to_what_stands_first_cancels_out() -> None:
    [found] = put(cast(Engine, Leaning("yes", True, first=5.0)), [CASE])
    assert found.odds == pytest.approx(0)


def test_an_answer_is_read_no_further_than_sixty_words() -> None:
    assert "w59 " in prompts(Case("Q?", "A", " ".join(f"w{i}" for i in range(99))))[0].replace(
        "\n", " "
    )
    assert "w60" not in prompts(Case("Q?", "A", " ".join(f"w{i}" for i in range(99))))[0]


@pytest.mark.parametrize(
    ("reply", "word"),
    [("Yes.", "yes"), (" no, they do not", "no"), ("**NO**", "no"), ("yes or no", ""), ("maybe",
    ""), ("", ""),
     ("I say yes", ""), ("nothing", ""), ("no\nyes", "")],
)  # fmt: skip
def test_replies_are_read_strictly(reply: str, word: str) -> None:
    assert read(reply) == word


def test_an_unclear_reply_is_asked_again_more_firmly_and_kept() -> None:
    class Shy(Leaning):
        def answer(self, prompts: Sequence[str], decoding: Decoding) -> list[list[str]]:
            return [
                ["yes"] if p.endswith("yes or no:") and "differ" not in p else ["hm"]
                for p in prompts
            ]

    [found] = put(cast(Engine, Shy("", False)), [CASE])
    assert found.odds == 2
    assert [record["vote"] for record in found.asked] == [1, 0, 1, 0]
    assert [record["replies"] for record in found.asked][:2] == [["hm", "yes"], ["hm", "hm", "hm"]]


@given(st.floats(allow_nan=True), st.floats(-9, 9))
def test_more_odds_never_turn_same_into_differ(odds: float, cut: float) -> None:
    order = [DIFFER, UNDECIDED, SAME]
    assert decide(odds, cut) in order
    if not math.isnan(odds):
        assert order.index(decide(odds, cut)) <= order.index(decide(odds + 1, cut))


@pytest.mark.parametrize("form", sorted(FORMATS))
@settings(deadline=None)
@given(st.text(st.characters(blacklist_categories=("Cs", "Cc", "Z")), min_size=1, max_size=40))
def test_the_question_is_found_in_every_format(form: str, asked: str) -> None:
    before = "Joe: Hello.\nBrandine: Hi!\n" if form == "brandine" else ""
    assert question(before + ask(form, asked)) == asked


@given(st.text(max_size=40))
def test_folding_twice_changes_nothing(text: str) -> None:
    assert fold(fold(text)) == fold(text)
