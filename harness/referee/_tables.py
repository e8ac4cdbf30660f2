"""The tables of the referee, as Markdown and as JSON values."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from harness.builds import Calibrated
from harness.data.published import LOCOMO, Conversation
from harness.referee._asking import ALIKE
from harness.referee._figures import Against, Column, Scored, against, corrected
from harness.report import escaped, markdown_table
from harness.stats import Interval

_MEASURES = {
    "published": "published score",
    "right": "right (fuzzy grader)",
    "judged": "right (judge)",
}
_STYLES = {
    ALIKE: "Every question is put in the same way.",
    "hinted": "Questions are put as in LoCoMo's own prompts, which tell their category.",
}


def report(
    columns: Sequence[Column],
    conversations: Sequence[Conversation],
    style: str,
    judge: str = "",
    calibrated: Calibrated | None = None,
    absent: Sequence[str] = (),
) -> str:
    """All tables. ``absent``: lines on systems that could not be asked."""
    return "\n\n".join(_parts(columns, conversations, style, judge, calibrated, absent)) + "\n"


def _parts(
    columns: Sequence[Column],
    conversations: Sequence[Conversation],
    style: str,
    judge: str,
    calibrated: Calibrated | None,
    absent: Sequence[str],
) -> Iterator[str]:
    questions = sum(len(each.questions) for each in conversations)
    chats = len(conversations)
    yield "# Memory of chats"
    yield (
        f"{chats} conversation{'s' * (chats != 1)}, {questions} questions. {_STYLES[style]}"
        " Intervals are 95%, over conversations drawn with replacement; with one conversation they"
        " are as wide as can be."
    )
    yield from (f"Not measured: {escaped(line)}" for line in absent)
    yield from (
        f"{column.system}: {column.failed} passages could not be learnt."
        for column in columns
        if column.failed
    )
    if not columns:
        return
    yield "## As published"
    yield _published(columns, conversations)
    yield "## As this project scores"
    yield _ours(columns, calibrated)
    if calibrated:
        doubts = "".join(f" Doubt: {doubt}." for doubt in calibrated.doubts)
        yield f"Judge {judge}, on labelled pairs of short answers: {calibrated.held_out}.{doubts}"
    yield "## Cost"
    yield _cost(columns)
    rows = compared(columns)
    if rows:
        yield f"## Beside {columns[0].system}, on the same questions"
        yield _paired(rows)


def compared(columns: Sequence[Column]) -> list[Against]:
    """All systems beside the first one, by every measure that both have."""
    return [row for measure in _MEASURES for row in against(columns, measure)]


def values(column: Column, calibrated: Calibrated | None) -> dict[str, Any]:
    """The figures of one system as JSON values."""
    by_kind = {kind: _plain(column.mean(_official, kind)) for kind in _kinds([column])}
    return {
        "system": column.system,
        "questions": len(column.scored),
        "published": {"all": _plain(column.mean(_official)), **by_kind},
        "right": _plain(column.mean(lambda each: each.right)),
        "judged": _plain(column.mean(lambda each: each.judged)),
        "corrected": _plain(corrected(column, calibrated)) if calibrated else None,
        "invents": _plain(column.invents),
        "withholds": _plain(column.withholds),
        "seconds_a_question": column.seconds,
        "tokens_a_question": column.read,
        "seconds_a_conversation": column.feeding,
        "bytes_a_conversation": column.bytes,
        "passages_not_learnt": column.failed,
    }


def _official(each: Scored) -> float | None:
    return each.published


def _kinds(columns: Sequence[Column]) -> list[str]:
    return list(dict.fromkeys(each.question.kind for c in columns for each in c.scored))


def _published(columns: Sequence[Column], conversations: Sequence[Conversation]) -> str:
    kinds = sorted(_kinds(columns))
    counts = {k: sum(each.question.kind == k for each in columns[0].scored) for k in kinds}
    of_locomo = {each.source for each in conversations} == {LOCOMO}
    head = ["system", "all", *(["but adversarial"] if of_locomo else [])]
    rows = []
    for column in columns:
        row = [column.system, _text(column.mean(_official))]
        if of_locomo:
            row.append(_text(column.mean(lambda e: e.published if e.question.answerable else None)))
        rows.append([*row, *(_short(column.mean(_official, kind)) for kind in kinds)])
    return markdown_table(
        [*head, *(f"{kind.replace('_', ' ')} ({counts[kind]})" for kind in kinds)], rows
    )


def _ours(columns: Sequence[Column], calibrated: Calibrated | None) -> str:
    head = ["system", "right, fuzzy", "right, judge", "corrected", "invents", "withholds"]
    rows = [
        [
            column.system,
            _text(column.mean(lambda each: each.right if each.question.answerable else None)),
            _text(column.mean(lambda each: each.judged if each.question.answerable else None)),
            _text(corrected(column, calibrated) if calibrated else None),
            _text(column.invents),
            _text(column.withholds),
        ]
        for column in columns
    ]
    return markdown_table(head, rows)


def _cost(columns: Sequence[Column]) -> str:
    head = ["system", "s a question", "tokens a question", "s to take a chat in", "bytes a chat"]
    rows = [
        [
            column.system,
            f"{column.seconds:.2f}",
            _number(column.read),
            f"{column.feeding:.2f}",
            _number(column.bytes),
        ]
        for column in columns
    ]
    return markdown_table(head, rows)


def _paired(rows: Sequence[Against]) -> str:
    head = ["system", "measure", "difference", "p by chat", "p by question", "better", "worse"]
    cells = [
        [
            row.system,
            _MEASURES[row.measure],
            "{:+.3f} [{:+.3f}, {:+.3f}]".format(*row.paired.difference),
            f"{row.paired.p:.3f}",
            f"{row.p_questions:.3f}",
            row.gained,
            row.lost,
        ]
        for row in rows
    ]
    return markdown_table(head, cells)


def _text(share: Interval | None) -> str:
    return "" if share is None else str(share)


def _short(share: Interval | None) -> str:
    return "" if share is None else f"{share.estimate:.2f}"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:,.0f}"


def _plain(share: Interval | None) -> dict[str, float] | None:
    return None if share is None else share._asdict()
