"""The fuzzy grader against labelled pairs."""

from __future__ import annotations

import csv
import subprocess
import sys
import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from harness.data.facts import FIXTURES
from harness.grading import DEFAULT_THRESHOLD, grade, normalise

LETTERS_AND_DIGITS = st.characters(categories=("L", "Nd"))


def pairs_of(name: str) -> list[dict[str, str]]:
    text = (FIXTURES / "grading" / f"{name}.csv").read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


PAIRS = pairs_of("pairs")
HARD = pairs_of("hard")
UNSEEN = pairs_of("unseen")
KINDS = pairs_of("kinds")


def precision_and_recall(threshold: float) -> tuple[float, float]:
    graded = [(grade(p["answer"], [p["accepted"]], threshold), p["right"] == "yes") for p in PAIRS]
    true_positives = sum(verdict.right and label for verdict, label in graded)
    accepted = sum(verdict.right for verdict, _ in graded)
    return true_positives / accepted, true_positives / sum(label for _, label in graded)


def accuracy_and_false_accepts(pairs: list[dict[str, str]]) -> tuple[float, float]:
    """Share of pairs judged as labelled, and share of the wrong answers that pass."""
    graded = [(grade(p["answer"], [p["accepted"]]).right, p["right"] == "yes") for p in pairs]
    agreed = sum(right == label for right, label in graded)
    wrong = [right for right, label in graded if not label]
    return agreed / len(graded), sum(wrong) / len(wrong)


@pytest.mark.parametrize("pairs", [PAIRS, UNSEEN, KINDS], ids=["pairs", "unseen", "kinds"])
def test_there_are_enough_pairs_of_both_kinds(pairs: list[dict[str, str]]) -> None:
    assert len(pairs) >= 180
    assert 0.3 < sum(p["right"] == "yes" for p in pairs) / len(pairs) < 0.7


@pytest.mark.parametrize("threshold", [74.0, 82.0, DEFAULT_THRESHOLD, 90.0])
def test_precision_and_recall_around_the_default_threshold(threshold: float) -> None:
    precision, recall = precision_and_recall(threshold)
    assert precision >= 0.98
    assert recall >= 0.98


def test_the_threshold_decides_about_misspelt_words() -> None:
    """Words that are other words score 0 at any threshold, so precision does not need it."""
    misspelt = grade("Brendan Frasre", ["Brendan Fraser"])
    assert DEFAULT_THRESHOLD < misspelt.score < 100
    assert misspelt.right
    assert not grade("Brendan Frasre", ["Brendan Fraser"], misspelt.score + 1).right
    assert not grade("Emma Stone", ["Emma Thompson"], 1.0).right
    assert precision_and_recall(99.0)[1] < precision_and_recall(DEFAULT_THRESHOLD)[1]


@pytest.mark.parametrize(
    ("pairs", "least"),
    [(PAIRS, 0.98), (KINDS, 0.95), (UNSEEN, 0.95)],
    ids=["pairs", "kinds", "unseen"],
)
def test_accuracy_and_false_accepts(pairs: list[dict[str, str]], least: float) -> None:
    accuracy, false_accepts = accuracy_and_false_accepts(pairs)
    assert accuracy >= least
    assert false_accepts <= 0.05


@pytest.mark.parametrize("pair", HARD, ids=lambda pair: f"{pair['answer']} for {pair['accepted']}")
def test_what_is_nearly_the_name(pair: dict[str, str]) -> None:
    """Letters, numerals, opposites, numbers and denials, as published question sets have them."""
    assert grade(pair["answer"], [pair["accepted"]]).right == (pair["right"] == "yes"), pair["case"]


WRONG = {
    "Paris": ["Paris, London, Rome or Berlin", "either Paris or London", "", "not Paris"],
    "Edda Finch": ["I don't believe it's Edda Finch", "everyone except Edda Finch"],
    "Mark Twain": ["Mark Twain? No, Jane Austen."],
    "Guinea": ["Papua New Guinea"],
    "Sudan": ["South Sudan"],
    "York": ["New York", "the Duke of York"],
    "7 million": ["7 billion"],
    "£5": ["$5"],
    "O+": ["O-"],
    "C++": ["C"],
    "> 5": ["< 5"],
    "1990": ["1990-1995"],
    "irresponsible": ["responsible"],
    "methane": ["ethane"],
    "four million": ["forty million"],
    "1999": ["1998"],
    "Daniel Kwan; Daniel Scheinert": ["Daniel Kwan"],
    "red, yellow and blue": ["red and blue", "red, green and blue", "red, yellow or blue"],
    "Danube": ["It could be the Danube, it could be the Rhine.", "The Danube? The Rhine?"],
    "李白": ["李白和杜甫", "不是李白而是杜甫"],
    "서울": ["서울과 부산", "서울이 아니라 부산입니다"],
    "दिल्ली": ["दिल्ली नहीं"],
    "กรุงเทพ": ["ไม่ใช่กรุงเทพ"],
    "Москва": ["Это не Москва"],
    "B": ["A or B"],
}
RIGHT = {
    "Edda Finch": ["Not Marta Quill, Edda Finch", "I thought it was Edda Finch, but I'm not sure."],
    "two": ["2"],
    "third": ["3rd"],
    "1 million": ["1,000,000"],
    "5 November 1605": ["Nov. 5, 1605"],
    "Henry VIII": ["Henry the Eighth"],
    "5 km": ["5km", "5,000 m"],
    "F-16": ["F16"],
    "A320": ["A-320"],
    "United States": ["USA"],
    "St. Petersburg": ["Saint Petersburg"],
    "Dr. Edda Finch": ["Edda Finch"],
    "王小明": ["答案是王小明。"],
    "東京": ["東京です。"],
    "김철수": ["김철수입니다."],
    "+": ["+"],
    "🦊": ["🦊"],
    "1999": ["It was in 1999."],
    "Renée Zellweger": ["renee zellweger, for the film Judy"],
    "Daniel Kwan; Daniel Scheinert": ["Scheinert and Kwan: Daniel Scheinert, Daniel Kwan"],
    "red, yellow and blue": ["Blue, red & yellow."],
    "Mercury and Venus": ["Venus, Mercury"],
    "24": ["two dozen"],
    "6:30": ["half past six"],
    "부산": ["서울이 아니라 부산입니다"],
    "杜甫": ["不是李白而是杜甫"],
    "Mount Everest": ["Everest"],
}


def each(table: dict[str, list[str]]) -> list[tuple[str, str]]:
    return [(accepted, answer) for accepted, answers in table.items() for answer in answers]


@pytest.mark.parametrize(("accepted", "answer"), each(RIGHT))
def test_right(accepted: str, answer: str) -> None:
    assert grade(answer, [accepted]).right


@pytest.mark.parametrize(("accepted", "answer"), each(WRONG))
def test_wrong(accepted: str, answer: str) -> None:
    assert not grade(answer, [accepted]).right


@pytest.mark.parametrize(
    ("accepted", "kind"),
    [
        ("Edda Finch", "text"),
        ("the 5th of November 1605", "date 1605-11-05"),
        ("05/11/1605", "date 1605-05-11/1605-11-05"),
        ("two and a half million", "number 2500000"),
        ("£5", "money 5 GBP"),
        ("five kilometres", "quantity 5 kilometer"),
        ("quarter to four", "time 03:45"),
        ("at least 18", "comparison >= 18"),
        ("1990-95", "range 1990 to 1995"),
        ("0417", "code 0417"),
    ],
)
def test_how_the_accepted_answer_is_read(accepted: str, kind: str) -> None:
    assert grade("", [accepted]).kind == kind


def test_any_accepted_answer_will_do_and_is_named() -> None:
    verdict = grade("the Netherlands", ["Holland", "Netherlands"])
    assert verdict.right
    assert verdict.matched == "Netherlands"


@given(st.text(LETTERS_AND_DIGITS, min_size=1, max_size=40))
def test_a_name_is_right_for_itself(name: str) -> None:
    assert grade(name, [name]).right


@given(st.text(max_size=60), st.text(max_size=60))
def test_no_text_breaks_it(answer: str, accepted: str) -> None:
    assert 0 <= grade(answer, [accepted]).score <= 100


@pytest.mark.parametrize(
    "accepted", ["Edda Finch", "1990", "5 km", "red, yellow and blue", "王小明"]
)
@pytest.mark.parametrize(
    "part",
    [
        "1",
        "1,",
        "1.",
        "1/",
        "1:",
        "a-",
        "a@",
        "A.",
        "? ",
        "no, ",
        "or ",
        "maybe ",
        "(",
        "<think>",
        "$1 ",
        "*",
        "not ",
        "it is ",
        "Paris ",
        "王",
        "김",
        "one ",
        "may 1 ",
        "i thought ",
        "\\boxed{",
        "x > 1 ",
    ],
)
def test_long_answers_take_no_time_without_end(part: str, accepted: str) -> None:
    """10,000 characters at which a careless pattern would step back again and again."""
    start = time.process_time()
    assert not grade(part * (10_000 // len(part)), [accepted]).right
    assert time.process_time() - start < 5  # 0.1 s as a rule; 1 s where a dictionary is loaded


@pytest.mark.parametrize("part", ["1,", "a and ", "one ", "x > 1 ", "王"])
def test_long_accepted_answers_take_no_time_without_end(part: str) -> None:
    text = part * (10_000 // len(part))
    start = time.process_time()
    grade(text, [text])
    assert time.process_time() - start < 10


@given(st.text(max_size=60))
@example("\N{MATHEMATICAL DOUBLE-STRUCK CAPITAL S}")
@example("\N{GREEK CAPITAL LETTER ALPHA WITH PROSGEGRAMMENI}")
def test_normalising_twice_changes_nothing(text: str) -> None:
    assert normalise(normalise(text)) == normalise(text)


def test_importing_the_grader_loads_no_library_before_it_is_needed() -> None:
    heavy = ("pint", "jieba", "spellchecker", "pycountry", "opencc", "dateutil", "text_to_num")
    code = f"import sys, harness.grading; print([n for n in {heavy} if n in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("accepted", "answer"),
    [
        ("red; green; blue", "red, green, blue, yellow"),
        ("John; Paul; George; Ringo", "John, Paul, George, Ringo, Mick"),
    ],
)
def test_one_more_than_the_list_that_was_asked_for(accepted: str, answer: str) -> None:
    assert not grade(answer, [accepted]).right
    assert grade(answer.rpartition(",")[0], [accepted]).right
