"""Chat logs in plain text: who said what, and when, in the forms that exports have."""

from __future__ import annotations

from datetime import datetime

import pytest

from harness.data.times import time_of
from harness.memory.chat_logs import read_chat_log
from harness.memory.documents import read_document
from harness.memory.passages import Turn

FIRST = datetime(2026, 3, 12, 9, 14)
NEXT = datetime(2026, 3, 13, 21, 5)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("[2026-03-12 09:14] Ann: Hi.", "[2026-03-13 21:05] Bob: Hello: you?"),
        ("2026-03-12T09:14 Ann: Hi.", "2026-03-13T21:05 Bob: Hello: you?"),
        ("12/3/26, 9:14 - Ann: Hi.", "13/3/26, 21:05 - Bob: Hello: you?"),
        ("3/12/26, 9:14\u202fAM - Ann: Hi.", "3/13/26, 9:05\u202fPM - Bob: Hello: you?"),
        ("\u200e[12.03.26, 09:14:00] Ann: Hi.", "[13.03.26, 21:05:00] Bob: \u200eHello: you?"),
        ("[12 March 2026, 09:14] Ann: Hi.", "[March 13, 2026 at 9:05 pm] Bob: Hello: you?"),
        ("(12/03/2026 9.14) Ann: Hi.", "(13/03/2026 21.05) Bob: Hello: you?"),
    ],
)
def test_dated_lines_are_turns(first: str, second: str) -> None:
    log = read_chat_log(f"{first}\n{second}\nand a second line\n")
    assert log is not None
    assert [turn.speaker for turn in log.turns] == ["Ann", "Bob"]
    assert [turn.text.strip("\u200e") for turn in log.turns] == [
        "Hi.",
        "Hello: you?\nand a second line",
    ]
    assert [turn.at for turn in log.turns] == [FIRST, NEXT]


def test_notices_of_an_export_are_left_out_and_counted() -> None:
    text = (
        "12/3/26, 9:13 - Messages are end-to-end encrypted.\n"
        "12/3/26, 9:14 - Ann: Hi.\n12/3/26, 9:15 - +49 170 1234567: Who is that?\n"
    )
    document = read_document(text.encode(), "chat.txt")
    assert document.left_out == ("1 notice left out",)
    assert [turn.speaker for turn in document.turns] == ["Ann", "+49 170 1234567"]
    assert [passage.when for passage in document.passages()] == ["2026-03-12T09:14"]


def test_a_line_with_a_date_alone_dates_the_turns_below_it() -> None:
    log = read_chat_log(
        "[5 March 2021]\nMax: I keep bees.\nBo: oh.\n--- 6 March 2021 ---\nMax: Yes."
    )
    assert log is not None
    day = datetime(2021, 3, 5)
    assert log.turns == (
        Turn("Max", "I keep bees.", day),
        Turn("Bo", "oh.", day),
        Turn("Max", "Yes.", datetime(2021, 3, 6)),
    )


@pytest.mark.parametrize(
    "text",
    [
        "Name: Ann Quill\nAge: 41\nTown: Varn\nWork: baker",
        "The recipe: take eggs.\nThen bake them.\nServe warm.",
        "See http://varn.example\nand https://senn.example",
        "One line alone: this.",
        "2026-01-05 09:12 The server was started.\n2026-01-05 09:13 It was stopped.",
    ],
)
def test_other_texts_are_no_logs(text: str) -> None:
    assert read_chat_log(text) is None
    assert read_document(text.encode(), "a.txt").text == text


def test_the_day_comes_first_unless_the_log_tells_otherwise() -> None:
    def month(*stamps: str) -> list[int]:
        log = read_chat_log("\n".join(f"{stamp} - Ann: Hi." for stamp in stamps))
        assert log is not None
        return [turn.at.month for turn in log.turns if turn.at]

    assert month("5/1/26, 09:00", "6/1/26, 09:00") == [1, 1]
    assert month("5/1/26, 09:00", "5/16/26, 09:00") == [5, 5]
    assert month("5/1/26, 9:00 PM", "6/1/26, 9:00 PM") == [5, 6]
    assert month("5/1/26, 9:00 PM", "16/1/26, 9:00 PM") == [1, 1]


@pytest.mark.parametrize("value", ["yesterday", "12", "", "99/99/2026", None, True, 1e300, []])
def test_what_is_no_time_is_none(value: object) -> None:
    assert time_of(value) is None
    assert time_of("1:56 pm on 8 May, 2023") == datetime(2023, 5, 8, 13, 56)
    assert time_of("2023/05/30 (Tue) 23:40") == datetime(2023, 5, 30, 23, 40)
