"""The prompts of a judge, and how its replies are read."""

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


class Biased:
    """An engine that prefers a word, or the answer that is first in the prompt."""

    def __init__(self, word: str, scores: bool, first: float = 0.0) -> None:
        self.capabilities = Capabilities(False, False, False, log_likelihood=scores)
        self.word, self.first = word, first

    def log_likelihood(self, pairs: Sequence[tuple[str, str]]) -> list[Likelihood]:
        def total(prompt: str, word: str) -> float:
            expected_first = prompt.split("\n")[1].startswith("Expected")
            bonus = self.first if expected_first and word == " yes" else 0.0
            return -1.0 - 3.0 * (word.strip() != self.word) + bonus

        return [Likelihood(total(*pair), 1, 1) for pair in pairs]

    def answer(self, prompts: Sequence[str], decoding: Decoding) -> list[list[str]]:
        return [[self.word] for _ in prompts]


def test_every_order_with_every_polarity_and_both_answers_folded() -> None:
    texts = prompts(CASE)
    assert len(set(texts)) == len(VERDICTS) == 4
    for prompt in texts:
        assert "Question: Who won?\n" in prompt
        assert "Expected answer: renee zellweger and j.k. simmons\n" in prompt
        assert "Given answer: jk simmons and renee zellweger\n" in prompt
    assert sum(p.index("Expected") < p.index("Given") for p in texts) == 2
    assert sum("Do they differ?" in p for p in texts) == 2


@pytest.mark.parametrize("word", ["yes", "no"])
@pytest.mark.parametrize("scores", [True, False])
def test_a_judge_that_always_says_one_word_decides_nothing(word: str, scores: bool) -> None:
    [judgement] = put(cast(Engine, Biased(word, scores)), [CASE])
    assert judgement.odds == 0
    assert decide(judgement.odds, 0.0) == UNDECIDED
    assert len(judgement.asked) == 4


def test_a_bias_to_the_first_answer_cancels_out() -> None:
    [judgement] = put(cast(Engine, Biased("yes", True, first=5.0)), [CASE])
    assert judgement.odds == pytest.approx(0)


def test_an_answer_is_read_no_further_than_sixty_words() -> None:
    answer = " ".join(f"w{i}" for i in range(99))
    prompt = prompts(Case("Q?", "A", answer))[0].replace("\n", " ")
    assert "w59 " in prompt
    assert "w60" not in prompt


@pytest.mark.parametrize(
    ("reply", "word"),
    [
        ("Yes.", "yes"),
        (" no, they do not", "no"),
        ("**NO**", "no"),
        ("yes or no", ""),
        ("maybe", ""),
        ("", ""),
        ("I say yes", ""),
        ("nothing", ""),
        ("no\nyes", ""),
    ],
)
def test_replies_are_read_strictly(reply: str, word: str) -> None:
    assert read(reply) == word


def test_an_unclear_reply_is_asked_again_more_firmly_and_kept() -> None:
    class Shy(Biased):
        def answer(self, prompts: Sequence[str], decoding: Decoding) -> list[list[str]]:
            return [
                ["yes"] if p.endswith("yes or no:") and "differ" not in p else ["hm"]
                for p in prompts
            ]

    [judgement] = put(cast(Engine, Shy("", False)), [CASE])
    assert judgement.odds == 2
    assert [record["vote"] for record in judgement.asked] == [1, 0, 1, 0]
    assert [record["replies"] for record in judgement.asked][:2] == [
        ["hm", "yes"],
        ["hm", "hm", "hm"],
    ]


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
