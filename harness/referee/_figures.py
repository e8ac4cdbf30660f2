"""Figures of systems on the same questions, with intervals by conversation and paired tests."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from statistics import fmean
from typing import NamedTuple

from harness.builds import Calibrated, verdict
from harness.data.published import LOCOMO, ChatQuestion, Conversation
from harness.grading import grade
from harness.grading.calibration import SAME
from harness.grading.judge import Case, Judgement
from harness.referee._asking import abstains
from harness.referee._published import locomo_score
from harness.referee._transcripts import Transcript
from harness.stats import (
    Interval,
    Paired,
    cluster_bootstrap,
    holm,
    paired_bootstrap,
    rogan_gladen,
)

Judgements = Mapping[Case, Judgement]
Judge = Callable[[Sequence[Case]], Judgements]


class Scored(NamedTuple):
    """One answer and what graders make of it."""

    conversation: str
    question: ChatQuestion
    answer: str
    published: float | None
    """LoCoMo's F1, or LongMemEval's verdict as 0 or 1; None without its judge."""
    right: bool
    """By the fuzzy grader; where the chat does not tell, whether it abstains."""
    judged: bool | None
    """By this project's judge; as ``right`` where the chat does not tell; None without a judge."""
    abstains: bool


class Column(NamedTuple):
    """All answers of one system."""

    system: str
    scored: tuple[Scored, ...]
    transcripts: tuple[Transcript, ...]

    def mean(self, value: Callable[[Scored], float | None], kind: str = "") -> Interval | None:
        """The mean with its interval by conversation, of the questions of ``kind``; None of none.

        Questions whose ``value`` is None are left out.
        """
        rows = [
            (float(number), each.conversation)
            for each in self.scored
            if (not kind or each.question.kind == kind) and (number := value(each)) is not None
        ]
        if not rows:
            return None
        return cluster_bootstrap([number for number, _ in rows], [chat for _, chat in rows])

    @property
    def invents(self) -> Interval | None:
        """Share of the questions that the chat does not answer to which it gives an answer."""
        return self.mean(lambda each: None if each.question.answerable else not each.abstains)

    @property
    def withholds(self) -> Interval | None:
        """Share of the questions that the chat answers on which it abstains."""
        return self.mean(lambda each: each.abstains if each.question.answerable else None)

    @property
    def seconds(self) -> float:
        """Mean of a question."""
        return fmean(reply.seconds for each in self.transcripts for reply in each.replies.values())

    @property
    def read(self) -> float | None:
        """Mean of the tokens before an answer; None where a system does not tell."""
        counts = [reply.read for each in self.transcripts for reply in each.replies.values()]
        return None if None in counts else fmean(count or 0 for count in counts)

    @property
    def feeding(self) -> float:
        """Mean seconds in which a conversation is taken in."""
        return fmean(each.fed.seconds for each in self.transcripts)

    @property
    def failed(self) -> int:
        """Passages that could not be learnt."""
        return sum(each.fed.failed for each in self.transcripts)

    @property
    def bytes(self) -> float | None:
        """Mean of the bytes that are kept of a conversation; None where a system does not tell."""
        sizes = [each.fed.bytes for each in self.transcripts]
        return None if None in sizes else fmean(size or 0 for size in sizes)


class Against(NamedTuple):
    """One system beside the reference, on the same questions."""

    system: str
    reference: str
    measure: str
    paired: Paired
    """By conversation, two-sided; p is adjusted by Holm's method over the systems."""
    lost: int
    """Questions on which the system is worse."""
    gained: int
    """Questions on which it is better."""
    p_questions: float
    """The same with each question as a cluster: as if questions of one chat were independent."""


def scored(
    conversations: Sequence[Conversation],
    transcripts: Sequence[Transcript],
    judge: Judge | None = None,
    calibrated: Calibrated | None = None,
    published: Callable[[Sequence[tuple[ChatQuestion, str]]], list[bool]] | None = None,
) -> Column:
    """The answers of one system with all grades.

    ``judge`` and ``calibrated`` are this project's; ``published`` is LongMemEval's judge.
    """
    by_id = {each.id: each for each in conversations}
    asked = [
        (by_id[each.conversation], question, each.replies[question.id].text)
        for each in transcripts
        for question in by_id[each.conversation].questions
    ]
    judgements = judge([_case(q, a) for _, q, a in asked if q.answerable]) if judge else {}
    others = [(q, a) for chat, q, a in asked if chat.source != LOCOMO]
    said = iter(published(others) if published and others else [None] * len(others))
    rows = []
    for chat, question, answer in asked:
        silent = abstains(answer)
        right = silent
        judged: bool | None = silent if calibrated else None
        if question.answerable:
            right = not silent and grade(answer, [expected(question)]).right
            if calibrated:
                odds = verdict(
                    question.text, [expected(question)], answer, judgements, calibrated.cut
                )
                judged = odds.verdict == SAME
        score = locomo_score(question, answer) if chat.source == LOCOMO else next(said)
        official = None if score is None else float(score)
        rows.append(Scored(chat.id, question, answer, official, right, judged, silent))
    return Column(transcripts[0].system, tuple(rows), tuple(transcripts))


def corrected(column: Column, calibrated: Calibrated) -> Interval | None:
    """The judged share of answerable questions, adjusted for the judge's error rates.

    None where there is none, or the judge is no better than chance.
    """
    share = column.mean(lambda each: each.judged if each.question.answerable else None)
    rates = calibrated.held_out.rates
    if share is None or rates.sensitivity + rates.specificity <= 1:
        return None
    return rogan_gladen(share, rates)


def against(columns: Sequence[Column], measure: str) -> list[Against]:
    """Every system beside the first one, by ``published``, ``right`` or ``judged``.

    Only questions that both have a value for are compared.
    """
    if not columns:
        return []
    first, *others = columns
    rows = [row for other in others if (row := _pair(first, other, measure))]
    by_chats = holm([row.paired.p for row in rows])
    by_questions = holm([row.p_questions for row in rows])
    return [
        row._replace(paired=row.paired._replace(p=p), p_questions=q)
        for row, p, q in zip(rows, by_chats, by_questions, strict=True)
    ]


def _pair(first: Column, other: Column, measure: str) -> Against | None:
    theirs = {each.question.id: getattr(each, measure) for each in other.scored}
    both = [
        (float(mine), float(their), each)
        for each in first.scored
        if (mine := getattr(each, measure)) is not None
        and (their := theirs.get(each.question.id)) is not None
    ]
    if not both:
        return None
    before = [mine for mine, _, _ in both]
    after = [their for _, their, _ in both]
    paired = paired_bootstrap(before, after, [each.conversation for _, _, each in both])
    alone = paired_bootstrap(before, after, [each.question.id for _, _, each in both])
    lost = sum(their < mine for mine, their, _ in both)
    gained = sum(their > mine for mine, their, _ in both)
    return Against(other.system, first.system, measure, paired, lost, gained, alone.p)


def _case(question: ChatQuestion, answer: str) -> Case:
    return Case(question.text, expected(question), answer)


def expected(question: ChatQuestion) -> str:
    """What an answer is held against; open-domain answers of LoCoMo give reasons after ``;``."""
    if question.kind == "open_domain":
        return question.answer.split(";")[0].strip()
    return question.answer
