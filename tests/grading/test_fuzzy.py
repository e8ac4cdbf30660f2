"""The fuzzy grader against labelled pairs."""

from __future__ import annotations

import csv

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from harness.facts import FIXTURES
from harness.grading import DEFAULT_THRESHOLD, grade, normalise

PAIRS = list(csv.DictReader((FIXTURES / "grading" / "pairs.csv").read_text(encoding="utf-8").splitlines()))


def precision_and_recall(threshold: float) -> tuple[float, float]:
    verdicts = [(grade(p["answer"], [p["accepted"]], threshold).right, p["right"] == "yes") for p in PAIRS]
    both = sum(said and meant for said, meant in verdicts)
    return both / sum(said for said, _ in verdicts), both / sum(meant for _, meant in verdicts)


HARD = list(csv.DictReader((FIXTURES / "grading" / "hard.csv").read_text(encoding="utf-8").splitlines()))


def test_there_are_enough_pairs_of_both_kinds():
    assert len(PAIRS) >= 200
    assert 0.3 < sum(p["right"] == "yes" for p in PAIRS) / len(PAIRS) < 0.7


@pytest.mark.parametrize("threshold", [82.0, DEFAULT_THRESHOLD, 90.0])
def test_precision_and_recall_around_the_default_threshold(threshold):
    precision, recall = precision_and_recall(threshold)
    assert precision >= 0.98
    assert recall >= 0.98


def test_lower_thresholds_let_wrong_names_pass():
    assert precision_and_recall(74.0)[0] < 0.95


@pytest.mark.parametrize("pair", HARD, ids=lambda pair: f"{pair['answer']} for {pair['accepted']}")
def test_what_is_nearly_the_name(pair):
    """Letters, numerals, opposites, numbers and denials, as published question sets have them."""
    assert grade(pair["answer"], [pair["accepted"]]).right == (pair["right"] == "yes"), pair["case"]


@pytest.mark.parametrize(
    ("answer", "accepted"),
    [
        ("Scheinert and Kwan: Daniel Scheinert, Daniel Kwan", "Daniel Kwan; Daniel Scheinert"),
        ("renee zellweger, for the film Judy", "Renée Zellweger"),
        ("It was in 1999.", "1999"),
    ],
)
def test_right(answer, accepted):
    assert grade(answer, [accepted]).right


@pytest.mark.parametrize(
    ("answer", "accepted"),
    [("1998", "1999"), ("", "Paris"), ("not Paris", "Paris"), ("Daniel Kwan", "Daniel Kwan; Daniel Scheinert")],
)
def test_wrong(answer, accepted):
    assert not grade(answer, [accepted]).right


def test_any_accepted_answer_will_do_and_is_named():
    verdict = grade("the Netherlands", ["Holland", "Netherlands"])
    assert verdict.right
    assert verdict.matched == "Netherlands"


@given(st.text(max_size=60), st.text(max_size=60))
def test_no_text_breaks_it(answer, accepted):
    assert 0 <= grade(answer, [accepted]).score <= 100


@given(st.text(max_size=60))
@example("\N{MATHEMATICAL DOUBLE-STRUCK CAPITAL S}")
@example("\N{GREEK CAPITAL LETTER ALPHA WITH PROSGEGRAMMENI}")
def test_normalising_twice_changes_nothing(text):
    assert normalise(normalise(text)) == normalise(text)
