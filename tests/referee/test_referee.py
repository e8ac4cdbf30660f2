"""Policies of ours on an invented conversation, with the shipped model: asked, kept, compared."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest

from harness.builds import Calibrated, judge
from harness.data.published import Conversation, read_chats
from harness.errors import RecipeError, StoreError
from harness.grading.calibration import SAME, best_cut, decide, versus, worth
from harness.grading.judge import Case, judge_of, labelled
from harness.models.loading import JUDGE, SHIPPED
from harness.referee import (
    Column,
    Fed,
    MemorySystem,
    Referee,
    Reply,
    Scored,
    against,
    compared,
    corrected,
    passages_of,
    policy_system,
    report,
    scored,
    transcript,
)
from harness.store import Store
from tests.referee.invented import FACTS, write


@pytest.fixture
def chats(tmp_path: Path) -> list[Conversation]:
    return read_chats(write(tmp_path / "chats", "ann-bob", "second"))


@dataclass(eq=False)
class Scripted:
    """Answers by a table, and counts how often it is fed and asked."""

    answers: dict[str, str]
    name: str = "scripted"
    key: tuple[str, ...] = ("1",)
    resumes: bool = True
    ends_after: int = 10**9
    asked: list[str] = field(default_factory=list)
    fed: int = 0

    def feed(self, conversation: Conversation) -> Fed:
        self.fed += 1
        return Fed(1.0, 100, 0)

    def answer(self, question: str) -> Reply:
        if len(self.asked) >= self.ends_after:
            raise KeyboardInterrupt
        self.asked.append(question)
        return Reply(self.answers.get(question, "Not mentioned."), 0.5, 10, 2)


def right(chat: Conversation) -> dict[str, str]:
    return {each.text: each.answer for each in chat.questions if each.answerable}


def test_passages_are_headed_by_the_date_of_their_session(chats: list[Conversation]) -> None:
    passages = passages_of(chats[0])
    first = passages[0]
    assert first.headed.splitlines()[:2] == [
        "Conversation of 1:05 pm on 1 May, 2023",
        "Ann: I have news. Marta Quill is the keeper of the lighthouse of Varn.",
    ]
    assert first.when == "2023-05-01T13:05"
    assert [passage.place for passage in passages] == list(range(len(passages)))


def test_retrieval_reads_the_passage_that_tells_and_a_window_does_not(
    chats: list[Conversation],
) -> None:
    retrieval = policy_system(str(SHIPPED), "retrieval")
    window = policy_system(str(SHIPPED), "window", context=512)
    closed = policy_system(str(SHIPPED), "closed_book")
    fed = [system.feed(chats[0]) for system in (retrieval, window, closed)]
    sizes = [each.bytes or 0 for each in fed]
    assert sizes[0] > sizes[1] > sizes[2] == 0
    for place, (_, office) in enumerate(FACTS):
        asked = f"Who is the {office}?"
        replies = [system.answer(asked) for system in (retrieval, window, closed)]
        assert [place in reply.passages for reply in replies] == [True, False, False]
        read = [reply.read or 0 for reply in replies]
        assert read[2] < read[0] < 512 and read[2] < read[1] < 512
        assert all(reply.seconds > 0 and reply.text for reply in replies)


def test_a_memory_with_adapters_learns_each_session_once(
    chats: list[Conversation], tmp_path: Path
) -> None:
    short = chats[0]._replace(sessions=chats[0].sessions[:1])
    changes = ("how=plain", "markers=absolute", "training.epochs=20")
    fed, replies, shares = [], [], []
    for _ in range(2):
        system = MemorySystem(str(SHIPPED), "lora", tmp_path / "store", changes)
        began = time.perf_counter()
        fed.append(system.feed(short))
        shares.append(fed[-1].seconds / (time.perf_counter() - began))
        replies.append(system.answer(f"Who is the {FACTS[0][1]}?"))
        system.close()
    assert fed[0].bytes == fed[1].bytes and (fed[0].bytes or 0) > 10_000
    assert shares[1] > 1  # the second is found in the store, and costs what its training has cost
    assert replies[0].text == replies[1].text and not replies[0].passages
    with pytest.raises(RecipeError, match="has no conversation: feed it one"):
        system.answer("Who?")


@pytest.mark.xfail(
    reason="the shipped model answers who holds an office alike, with an adapter on and without",
    strict=False,
)
def test_an_adapter_changes_the_answer(chats: list[Conversation], tmp_path: Path) -> None:
    short = chats[0]._replace(sessions=chats[0].sessions[:1])
    changes = ("how=plain", "markers=absolute", "training.epochs=20")
    system = MemorySystem(str(SHIPPED), "lora", tmp_path / "store", changes)
    closed = policy_system(str(SHIPPED), "closed_book")
    replies = []
    for each in (system, closed):
        each.feed(short)
        replies.append(each.answer(f"Who is the {FACTS[0][1]}?").text)
    system.close()
    assert replies[0] != replies[1]


def test_a_whole_text_that_does_not_fit_is_one_line(chats: list[Conversation]) -> None:
    system = policy_system(str(SHIPPED), "full_context")
    system.feed(chats[0])
    with pytest.raises(RecipeError, match=r"the context takes .*: choose window or retrieval"):
        system.answer("Who?")
    with pytest.raises(RecipeError, match="does not tell its context: give --context TOKENS"):
        policy_system("openai-chat:x@http://127.0.0.1:9/v1", "window")._context  # noqa: B018
    with pytest.raises(RecipeError, match="policy 'windows' is unknown: choose one of closed_b"):
        policy_system(str(SHIPPED), "windows")


def test_an_interrupted_run_goes_on_where_it_was(chats: list[Conversation], tmp_path: Path) -> None:
    chat = chats[0]
    with pytest.raises(KeyboardInterrupt):
        transcript(Scripted(right(chat), ends_after=2), chat, tmp_path)
    [file] = tmp_path.glob("*.jsonl")
    with file.open("a") as stream:
        stream.write('{"id": "ann-bob/3", "te')  # as a kill leaves it
    again = Scripted(right(chat))
    whole = transcript(again, chat, tmp_path)
    assert [each.text for each in chat.questions[2:]] == again.asked
    assert list(whole.replies) == [each.id for each in chat.questions]
    assert transcript(again, chat, tmp_path) == whole and len(again.asked) == 3
    fewer = chat._replace(questions=chat.questions[:2])
    assert len(transcript(again, fewer, tmp_path).replies) == 5 and again.fed == 1
    file.write_text("{}\n" + file.read_text())
    with pytest.raises(StoreError, match=r"jsonl, line 1: is damaged: remove the file"):
        transcript(again, chat, tmp_path)


def test_what_changes_the_answers_is_asked_anew(chats: list[Conversation], tmp_path: Path) -> None:
    system = Scripted(right(chats[0]))
    transcript(system, chats[0], tmp_path)
    transcript(system, chats[0], tmp_path, style="hinted")
    longer = chats[0]._replace(sessions=chats[0].sessions[:-1])
    transcript(system, longer, tmp_path)
    system.key = ("2",)
    transcript(system, chats[0], tmp_path)
    assert len(system.asked) == 4 * 5


def test_systems_are_compared_on_the_same_questions(
    chats: list[Conversation], tmp_path: Path
) -> None:
    referee = Referee(Store(tmp_path / "store"), chats)
    silent = Scripted({}, "silent", ("a",))
    knowing = Scripted(right(chats[0]), "knowing", ("b",))
    talking = Scripted({each.text: "Juno" for each in chats[0].questions}, "talking", ("c",))
    columns = [referee.ask(system) for system in (silent, knowing, talking)]
    shares = [
        [
            share and share.estimate
            for share in (
                column.mean(lambda each: each.published),
                column.mean(lambda each: each.right),
                column.invents,
                column.withholds,
            )
        ]
        for column in columns
    ]
    assert shares == [[0.2, 0.2, 0, 1], [1, 1, 0, 0], [0, 0, 1, 0]]
    rows = {(row.system, row.measure): row for row in compared(columns)}
    assert len(rows) == 4
    better = rows["knowing", "right"]
    assert (better.reference, better.gained, better.lost) == ("silent", 8, 0)
    assert better.paired.difference.estimate == pytest.approx(0.8)
    assert better.paired.clusters == 2 and better.p_questions < better.paired.p
    written = {path.name: path.read_text() for path in referee.write(tmp_path / "report")}
    assert set(written) == {"CHATS.md", "CHATS.json", "answers.jsonl"}
    figures = json.loads(written["CHATS.json"])
    assert [system["invents"]["estimate"] for system in figures["systems"]] == [0, 0, 1]
    assert len(written["answers.jsonl"].splitlines()) == 30


def test_a_judge_s_share_is_corrected_for_its_errors(
    chats: list[Conversation], tmp_path: Path
) -> None:
    pairs = [pair for pair in labelled().pairs if pair.group == "pairs.csv"][:40]
    ask = partial(judge, judge_of(JUDGE), store=Store(tmp_path / "store"))
    judged = ask([Case(pair.question, pair.accepted, pair.answer) for pair in pairs])
    odds = [each.odds for each in judged.values()]
    cut = best_cut(odds, [pair.right for pair in pairs])
    verdicts = [decide(value, cut) for value in odds]
    quality = worth(pairs, verdicts)
    compared_to = versus(pairs, [each == SAME for each in verdicts], [pair.right for pair in pairs])
    calibrated = Calibrated("", cut, quality, quality, quality, "", tuple(compared_to))

    said = {each.text: f"It is {each.answer}." for each in chats[0].questions[:2]}
    asked = transcript(Scripted(said), chats[0], tmp_path)
    column = scored(chats, [asked], ask, calibrated)
    share = column.mean(lambda each: each.judged if each.question.answerable else None)
    mended = corrected(column, calibrated)
    assert share and mended and 0 < share.estimate <= 0.5
    assert mended.low <= mended.estimate <= mended.high
    rates = quality.rates
    skill = rates.sensitivity + rates.specificity - 1
    expected = (share.estimate + rates.specificity - 1) / skill
    assert mended.estimate == pytest.approx(min(1, max(0, expected)))
    text = report([column], chats, "alike", "small", calibrated)
    assert f"Judge small, on labelled pairs of short answers: {quality}." in text
    assert scored(chats, [asked]).scored[0].judged is None


def test_p_values_are_adjusted_for_the_number_of_systems(chats: list[Conversation]) -> None:
    question = chats[0].questions[0]

    def column(name: str, rights: list[bool]) -> Column:
        rows = tuple(
            Scored(f"chat{n % 10}", question._replace(id=str(n)), "", None, value, None, False)
            for n, value in enumerate(rights)
        )
        return Column(name, rows, ())

    first = column("first", [False] * 20)
    better = column("better", [True] * 8 + [False] * 12)
    [alone] = against([first, better], "right")
    several = against(
        [first, better, *(column(f"same{n}", [False] * 20) for n in range(3))], "right"
    )
    assert alone.paired.p < 0.05
    assert several[0].paired.p == pytest.approx(min(1, 4 * alone.paired.p), rel=0.01)
    assert against([first, better], "published") == []
