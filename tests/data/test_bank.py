"""The bank of questions: what a model is asked to find out what it knows."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from rapidfuzz import fuzz, process

from harness.data.bank import BANK, BankQuestion, bank, read_bank
from harness.data.facts import World
from harness.errors import DataError
from harness.grading import grade, normalise

YES_OR_NO = re.compile(r"(is|are|was|were|do|does|did|can|has|have|will)\b", re.IGNORECASE)


def by_field() -> dict[str, list[BankQuestion]]:
    fields: dict[str, list[BankQuestion]] = defaultdict(list)
    for question in bank():
        fields[question.field].append(question)
    return fields


def test_the_bank_is_large_and_of_many_fields() -> None:
    sizes = Counter(question.field for question in bank())
    assert len(bank()) >= 1500
    assert len(sizes) >= 15
    assert max(sizes.values()) < len(bank()) / 5, sizes.most_common(3)
    assert min(sizes.values()) >= 10, sizes.most_common()[-3:]
    assert set(sizes) >= {path.stem for path in BANK.glob("*.csv")}
    assert sizes["oscars"] < len(bank()) / 20


def test_ids_are_unique_and_name_the_field() -> None:
    ids = [question.id for question in bank()]
    assert len(set(ids)) == len(ids)
    for question in bank():
        assert question.id.startswith(f"{question.field}/")
        assert not re.search(r"\s", question.id)
    assert "countries/capital-france" in ids
    assert "us_states/what-is-the-capital-of-the-us-state-of-texas" in ids


def test_no_two_questions_are_the_same() -> None:
    wordings = [normalise(text) for question in bank() for text in question.wordings]
    assert [text for text, count in Counter(wordings).items() if count > 1] == []


def test_no_two_questions_are_nearly_the_same() -> None:
    """Where two share a right answer, a name, a number or a quoted word tells them apart."""
    texts = [(text, question) for question in bank() for text in question.wordings]
    folded = [normalise(text) for text, _ in texts]
    scores = process.cdist(
        folded, folded, scorer=fuzz.token_sort_ratio, score_cutoff=93, dtype=np.uint8
    )
    alike = [
        (texts[one][0], texts[two][0])
        for one, two in zip(*np.nonzero(scores), strict=True)
        if one < two and _shares_an_answer(texts[one][1], texts[two][1])
    ]
    assert len(alike) > 10  # On which continent is Niger? And Nigeria?
    assert [pair for pair in alike if not _told_apart(*pair)] == []


def _shares_an_answer(one: BankQuestion, two: BankQuestion) -> bool:
    return one.id != two.id and bool({*one.accepted} & {*two.accepted})


def _told_apart(one: str, two: str) -> bool:
    first, second = ({*re.findall(r"\w+", text)} for text in (one, two))
    return all(
        any(word[0].isupper() or word[0].isdigit() for word in words)
        or '"' in one + two
        or len(words) == 1
        for words in (first - second, second - first)
    )


def test_the_second_wording_is_another_one() -> None:
    for question in bank():
        assert len(question.wordings) == 2, question
        first, second = map(normalise, question.wordings)
        one, two = {*first.split()}, {*second.split()}
        in_other_words = one - two and two - one and len(one ^ two) >= 4
        assert in_other_words or fuzz.ratio(first, second) < 85, question.wordings


def test_wordings_are_plain_questions() -> None:
    for question in bank():
        for text in question.wordings:
            assert re.search(r"[.?!]$", text), text
            assert "\n" not in text
            assert text == text.strip()
            assert text[0] == text[0].upper()
            assert "  " not in text
            assert not re.search(r"\b(Question|Answer|Q|A):", text), text
            assert "{" not in text
            assert not YES_OR_NO.match(text), text


def test_each_accepted_answer_is_right() -> None:
    for question in bank():
        assert question.accepted
        for answer in question.accepted:
            said = answer.replace("; ", " and ")
            assert grade(said, question.accepted).right, question
            assert grade(f"The answer is {said}.", question.accepted).right, question


def test_answers_are_short() -> None:
    answers = [answer for q in bank() if q.field != "oscars" for answer in q.accepted]
    assert [answer for answer in answers if len(answer.split()) > 5] == []


def _neighbours() -> Iterator[tuple[BankQuestion, BankQuestion]]:
    for questions in by_field().values():
        for one, two in zip(questions, [*questions[1:], questions[0]], strict=True):
            if not {a.lower() for a in one.accepted} & {a.lower() for a in two.accepted}:
                yield one, two


def test_the_answer_to_a_neighbour_is_wrong() -> None:
    pairs = list(_neighbours())
    assert len(pairs) > 1000
    for one, two in pairs:
        assert not grade(two.accepted[0], one.accepted).right, (one, two.accepted[0])


def test_no_question_tells_its_answer() -> None:
    for question in bank():
        for text in question.wordings:
            assert not grade(text, question.accepted).right, question


def test_nothing_is_asked_about_the_awards_that_suites_train() -> None:
    new = World(("oscars_2023",)).rows
    names = {name.strip() for row in new for name in row.slots["winners"].split(";")}
    films = {row.slots["film"] for row in new if row.slots["film"]}
    told = {normalise(name) for name in (names - {"Germany"}) | films}
    for question in bank():
        assert not {normalise(answer) for answer in question.accepted} & told, question
        assert not re.search(r"\b2023\b", " ".join(question.wordings)), question


def test_the_order_is_fixed() -> None:
    first = bank()
    bank.cache_clear()
    assert bank() == first
    assert bank() is bank()


def written(folder: Path, text: str, name: str = "bank.csv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_a_bank_of_a_user(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        "question,accepted,reworded,field\n"
        "Who keeps the keys?,Ann|Ann Lee,Name the keeper of the keys.|The keys: with whom?,office\n"
        "Who founded us?,Bo; Cy,,office\n"
        "C?,a letter,,\n"
        "C++?,a language,,\n",
    )
    assert read_bank(path) == (
        BankQuestion(
            "office/who-keeps-the-keys",
            "office",
            ("Who keeps the keys?", "Name the keeper of the keys.", "The keys: with whom?"),
            ("Ann", "Ann Lee"),
        ),
        BankQuestion("office/who-founded-us", "office", ("Who founded us?",), ("Bo; Cy",)),
        BankQuestion("general/c", "general", ("C?",), ("a letter",)),
        BankQuestion("general/c-2", "general", ("C++?",), ("a language",)),
    )


def test_a_bank_with_two_columns_and_tabs(tmp_path: Path) -> None:
    path = written(tmp_path, "Question\tAccepted\nWho, then?\tAnn\n", "bank.tsv")
    [question] = read_bank(path)
    assert question == BankQuestion("general/who-then", "general", ("Who, then?",), ("Ann",))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("question,accepted\n", " has no questions: give it a header (question, accepted)"),
        ("", " has no questions: give it a header (question, accepted)"),
        ("question,acepted\nWho?,Ann\n", ", line 2: column 'acepted' is unknown: did you mean"),
        ("question\nWho?\n", ", line 2: column 'accepted' is missing: add it"),
        ("question,accepted\nWho?,\n", ", line 2: column 'accepted' is '': write the right answer"),
        ("question,accepted\n,Ann\n", ", line 2: column 'question' is '': write a question"),
        ("question,accepted\nWho?,Ann,Bo\n", ", line 2: has 3 cells where the header has 2"),
        ('question,accepted\nWho?,"A\nB"\n', ", line 2: column 'accepted' is 'A\\nB': write it in"),
        ("question,accepted\nWho?,Ann\nwho?,Bo\n", ", line 3: 'who?' stands in line 2 already"),
        (
            "question,accepted,field\nWho?,Ann,a/b\n",
            ", line 2: column 'field' is 'a/b': a field is",
        ),
    ],
)
def test_a_wrong_bank_is_one_line(tmp_path: Path, text: str, message: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(DataError) as caught:
        read_bank(path)
    assert str(caught.value).startswith(f"{path}{message}")
    assert "\n" not in str(caught.value)


def test_a_bank_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.csv cannot be read \(No such file or directory\)"):
        read_bank(tmp_path / "none.csv")
