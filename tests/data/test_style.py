"""Divergence and authorship: properties that hold for any text."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.data.style import NaiveBayes, divergence, divergence_interval, ngrams

text = st.text("abcdefg ,.!", min_size=2, max_size=40)
texts = st.lists(text, min_size=1, max_size=6)
ONE = [
    "I must confess that it rains; one bears it.",
    "Permit me to add a word.",
    "I should be delighted to come.",
]
TWO = ["lol its raining again", "gonna get chips mate!!", "haha no way"]


def test_n_grams_of_a_text() -> None:
    assert ngrams("aba", 2) == {" a": 1, "ab": 1, "ba": 1, "a ": 1}


@settings(deadline=None)  # the first call imports scipy
@given(one=texts, two=texts)
def test_divergence_is_symmetric_bounded_and_zero_on_itself(one: list[str], two: list[str]) -> None:
    assert divergence(one, two) == pytest.approx(divergence(two, one))
    assert 0 <= divergence(one, two) <= 1
    assert divergence(one, one) == pytest.approx(0, abs=1e-9)


@settings(deadline=None)  # the first call imports scipy
@given(one=texts, two=texts)
def test_divergence_knows_no_order_and_no_repetition_of_the_whole(
    one: list[str], two: list[str]
) -> None:
    assert divergence(one[::-1], two) == pytest.approx(divergence(one, two))
    assert divergence([*one, *one], two) == pytest.approx(divergence(one, two))


def test_nothing_in_common_is_one_bit() -> None:
    assert divergence(["abc"], ["xyz"], n=2) == pytest.approx(1)
    with pytest.raises(ValueError, match="without n-grams"):
        divergence([], ["xyz"])


@settings(deadline=None)  # the first call imports scipy
@given(one=st.lists(text, min_size=2, max_size=6), two=texts)
def test_the_interval_holds_its_estimate(one: list[str], two: list[str]) -> None:
    interval = divergence_interval(one, two)
    assert interval.low <= interval.estimate <= interval.high
    assert interval.estimate == pytest.approx(divergence(one, two))


def test_more_text_of_a_kind_narrows_the_interval() -> None:
    few, many = (divergence_interval(ONE * times, TWO) for times in (1, 8))
    assert many.high - many.low < few.high - few.low


def test_authors_are_distinguished() -> None:
    classifier = NaiveBayes.of({"formal": ONE, "casual": TWO})
    assert classifier.author("Permit me to confess that I should be delighted.") == "formal"
    assert classifier.author("lol mate, gonna rain") == "casual"


@given(one=texts, two=texts, sample=text)
def test_scores_are_log_probabilities_and_names_do_not_matter(
    one: list[str], two: list[str], sample: str
) -> None:
    classifier = NaiveBayes.of({"one": one, "two": two})
    reversed_order = NaiveBayes.of({"two": two, "one": one})
    scores = classifier.scores(sample)
    assert all(score < 0 and math.isfinite(score) for score in scores.values())
    assert scores == pytest.approx(reversed_order.scores(sample))


@given(one=texts)
def test_a_text_is_its_own_author_s_and_not_that_of_one_who_writes_in_other_letters(
    one: list[str],
) -> None:
    other = ["xyz"[len(t) % 3] * len(t) for t in one]
    classifier = NaiveBayes.of({"own": one, "other": other})
    assert all(classifier.author(t) == "own" for t in one if t.strip(" "))


def test_two_authors_are_needed() -> None:
    with pytest.raises(ValueError, match="need two"):
        NaiveBayes.of({"one": ["a"]})
    with pytest.raises(ValueError, match="need two"):
        NaiveBayes.of({"one": ["a"], "two": [""]})
