"""The scores of LoCoMo and LongMemEval are those that their authors' scripts give."""

from __future__ import annotations

import sys

import pytest

from harness.data.published import ChatQuestion
from harness.errors import MissingExtraError
from harness.referee import _published as published
from harness.referee import is_yes, locomo_score, token_f1, yes_or_no


def asked(kind: str, answer: str, answerable: bool = True) -> ChatQuestion:
    return ChatQuestion("26/1", kind, "Which pets does Ann have?", answer, answerable)


@pytest.mark.parametrize(
    ("given", "truth", "score"),
    [
        ("The dogs ran quickly", "a running dog", 0.4),  # stems dog, ran, quickli and run, dog
        ("7 May 2023", "7 May, 2023", 1.0),
        ("May 7th, 2023", "7 May 2023", 2 / 3),
        ("red and blue", "Red, blue!", 1.0),
        ("dog dog dog", "dog", 0.5),
        ("", "dog", 0.0),
        ("cat", "dog", 0.0),
        ("the", "a", 0.0),
    ],
)
def test_f1_counts_stems_without_articles_and_punctuation(
    given: str, truth: str, score: float
) -> None:
    assert token_f1(given, truth) == pytest.approx(score)


def test_each_category_is_scored_in_its_own_way() -> None:
    several = asked("multi_hop", "two cats, a dog")
    assert locomo_score(several, "a dog, a parrot") == pytest.approx(0.5)
    assert locomo_score(several, "a dog and two cats") == pytest.approx((0.8 + 0.5) / 2)
    assert locomo_score(asked("open_domain", "Likely no; she likes reading"), "likely no") == 1
    assert locomo_score(asked("single_hop", "Likely no; she"), "likely no") == pytest.approx(0.8)
    adversarial = asked("adversarial", "a dog", answerable=False)
    for reply, score in (
        ("Not mentioned in the conversation", 1),
        ("There is NO INFORMATION AVAILABLE.", 1),
        ("It does not say.", 0),
        ("a dog", 0),
    ):
        assert locomo_score(adversarial, reply) == score


def test_the_judge_of_longmemeval_gets_the_rule_of_the_type() -> None:
    prompts = {
        kind: yes_or_no(asked(kind, "19 days"), "18 days")
        for kind in (
            "single-session-user",
            "temporal-reasoning",
            "knowledge-update",
            "single-session-preference",
        )
    }
    assert all("19 days" in text and "Response: 18 days" in text for text in prompts.values())
    assert [kind for kind, text in prompts.items() if "off by one" in text] == [
        "temporal-reasoning"
    ]
    assert [kind for kind, text in prompts.items() if "rubric" in text] == [
        "single-session-preference"
    ]
    unanswerable = yes_or_no(asked("temporal-reasoning", "No pets were told", False), "None")
    assert "Explanation: No pets were told" in unanswerable and "off by one" not in unanswerable
    assert [is_yes(reply) for reply in ("Yes.", "yes", "No", "")] == [True, True, False, False]


def test_without_nltk_the_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    published._stemmer.cache_clear()
    published._stemmed.cache_clear()
    monkeypatch.setitem(sys.modules, "nltk", None)
    monkeypatch.setitem(sys.modules, "nltk.stem", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'lora-memory-harness\[referee\]'"):
        token_f1("dog", "dogs")
