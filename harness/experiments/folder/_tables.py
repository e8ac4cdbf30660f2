"""A folder's tables of facts and of questions, and the samples that its facts and text become."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import NamedTuple

from harness.data.formats import FORMATS, PLAIN, ask, reply, split_before
from harness.data.rewording import framed, reworded
from harness.data.user_files import SEPARATOR, decoded, rows
from harness.errors import DataError
from harness.experiments.scenario import TAKEN
from harness.grading import normalise
from harness.recipes import Sample

CARRIED = ("source", "note")
"""Columns for people, which are not read."""
FACT_COLUMNS = ("question", "answer", "accepted", "rephrased", "statement", "fact", "format")
_PROBE_COLUMNS = ("question", "accepted", "kind", "fact", "format")


class Fact(NamedTuple):
    """A row of facts.csv."""

    where: str
    """File and line, for messages."""
    id: str
    questions: tuple[str, ...]
    """Trained, each with the answer."""
    answer: str
    accepted: tuple[str, ...]
    rephrased: tuple[str, ...]
    """Asked, and never trained."""
    statements: tuple[str, ...]
    """Trained."""
    format: str
    """In which its questions are trained; where empty, the scenario's formats take turns."""


class AskedQuestion(NamedTuple):
    """A row of probes.csv or locality.csv, or a question of a fact, an edit or a task."""

    where: str
    """File and line, for messages."""
    kind: str
    fact: str
    text: str
    format: str
    accepted: tuple[str, ...]


def read_facts(path: Path) -> list[Fact]:
    """The facts, in order. Raises DataError."""
    facts = [_fact(where, row) for where, row in _rows(path, ("answer",), FACT_COLUMNS)]
    _check_once([(question, fact.where) for fact in facts for question in fact.questions])
    return facts


def read_probes(path: Path, kind: str) -> list[AskedQuestion]:
    """The questions; of ``kind`` where the table does not have one. Raises DataError."""
    table = _rows(path, ("question", "accepted"), _PROBE_COLUMNS)
    questions = [_question(where, row, kind) for where, row in table]
    _check_once(
        [
            (f"{each.text} (format {each.format}, fact {each.fact})", each.where)
            for each in questions
        ]
    )
    return questions


def samples_of_facts(facts: Sequence[Fact], formats: Sequence[str]) -> Iterator[Sample]:
    """Each fact's statements, then its questions."""
    for place, fact in enumerate(facts):
        yield from (_statement(fact, text) for text in fact.statements)
        for question, form in trained_wordings(fact, place, formats):
            yield Sample(reply(form, fact.answer), ask(form, question), fact.id)


def trained_wordings(fact: Fact, place: int, formats: Sequence[str]) -> Iterator[tuple[str, str]]:
    """(question, format) of each trained wording of fact number ``place``; formats take turns."""
    for number, question in enumerate(fact.questions):
        yield question, fact.format or formats[(place + number) % len(formats)]


def reworded_samples(facts: Sequence[Fact], formats: Sequence[str], count: int) -> Iterator[Sample]:
    """Up to ``count`` further wordings of each fact, with its answer; none that fits two questions.

    ``night shift begin`` is short for both ``When`` and ``Where does the night shift begin?``.
    """
    if not count:
        return
    uses = _uses(facts)
    for place, fact in enumerate(facts):
        trained = list(trained_wordings(fact, place, formats))
        for question, form in trained:
            wordings = [text for text in reworded(question) if uses[normalise(text)] == 1]
            # rounded up: the questions of a fact share its further wordings
            share = -(-count // len(trained))
            # the place varies the frames from fact to fact
            for prompt, completion in framed(wordings[:share], form, fact.answer, place):
                yield Sample(completion, prompt, fact.id)


def paragraphs(text: str) -> tuple[Sample, ...]:
    """Each paragraph of ``text`` as a sample; the training cuts long ones into windows."""
    blocks = re.split(r"\n\s*\n", text.removeprefix("\ufeff").replace("\r\n", "\n"))
    return tuple(Sample(block.strip() + "\n") for block in blocks if block.strip())


def check_one_line(where: str, accepted: Sequence[str]) -> None:
    """Raises DataError for an answer of several lines: a model's answer ends with its line."""
    for answer in accepted:
        if "\n" in answer:
            shown = " / ".join(answer.splitlines())
            raise DataError(
                f"{where}: the answer {shown!r} has a line break, where an answer ends: write it in"
                " one line"
            )


def _rows(
    path: Path, needed: Sequence[str], known: Sequence[str]
) -> Iterator[tuple[str, dict[str, str]]]:
    numbered = [
        (line, {name.lower(): cell for name, cell in row.items()})
        for line, row in rows(path, decoded(path, "a CSV file"))
    ]
    if not numbered:
        raise DataError(
            f"{path} has no rows: write at least one below the header; {_wanted(known)}"
        )
    _check_columns(path, list(numbered[0][1]), needed, (*known, *CARRIED))
    for line, row in numbered:
        yield f"{path}, line {line}", {name: cell.strip() for name, cell in row.items()}


def _check_columns(
    path: Path, columns: Sequence[str], needed: Sequence[str], known: Sequence[str]
) -> None:
    """Raises DataError where a column is missing or unknown; the line names the nearest one."""
    wanted = _wanted([name for name in known if name not in CARRIED])
    if missing := [name for name in needed if name not in columns]:
        nearest = get_close_matches(missing[0], columns, n=1, cutoff=0.6)
        if nearest:
            lacks = f"has no column {missing[0]!r}, but {nearest[0]!r}"
            raise DataError(f"{path}, line 1: {lacks}: rename it to {missing[0]}")
        has = ", ".join(filter(None, columns)) or "none"
        raise DataError(f"{path}, line 1: has no column {missing[0]!r} (it has {has}): {wanted}")
    for name in columns:
        if name not in known:
            nearest = get_close_matches(name, known, n=1, cutoff=0.6)
            advice = f"write {nearest[0]}" if nearest else _wanted(known)
            raise DataError(f"{path}, line 1: the column {name!r} is unknown: {advice}")


def _wanted(known: Sequence[str]) -> str:
    return f"the header names some of {', '.join(known)}, separated by commas"


def _fact(where: str, row: dict[str, str]) -> Fact:
    questions, statements = _several(row, "question"), _several(row, "statement")
    if not questions and not statements:
        raise DataError(
            f"{where}: there is neither a question nor a statement: give one to train on"
        )
    answer = row["answer"].partition(SEPARATOR)[0].strip()
    if not answer:
        raise DataError(f"{where}: the answer is empty: give one")
    accepted = _several(row, "accepted") or _several(row, "answer")
    check_one_line(where, accepted)
    return Fact(
        where=where,
        id=row.get("fact") or (questions or statements)[0],
        questions=questions,
        answer=answer,
        accepted=accepted,
        rephrased=_several(row, "rephrased"),
        statements=statements,
        format=_format(where, row.get("format", ""), ""),
    )


def _question(where: str, row: dict[str, str], kind: str) -> AskedQuestion:
    accepted = _several(row, "accepted")
    for name, value in (("question", row["question"]), ("accepted answer", accepted)):
        if not value:
            raise DataError(f"{where}: the {name} is empty: give one")
    check_one_line(where, accepted)
    kind = row.get("kind") or kind
    if not re.fullmatch(r"[a-z][a-z0-9_]*", kind) or kind in {*TAKEN} - {"locality"}:
        raise DataError(
            f"{where}: the kind {kind!r} cannot be used: write a word in small letters, such as"
            " rephrased"
        )
    form = _format(where, row.get("format", ""), "qa")
    return AskedQuestion(
        where, kind, row.get("fact") or row["question"], row["question"], form, accepted
    )


def _several(row: dict[str, str], column: str) -> tuple[str, ...]:
    """The values of a cell, separated by ``|``."""
    return tuple(value for part in row.get(column, "").split(SEPARATOR) if (value := part.strip()))


def _format(where: str, name: str, default: str) -> str:
    if name and name not in (*FORMATS, PLAIN):
        raise DataError(
            f"{where}: the format {name!r} is unknown: choose one of {', '.join((*FORMATS, PLAIN))}"
        )
    return name or default


def _check_once(questions: Sequence[tuple[str, str]]) -> None:
    """Raises DataError for a question that is there twice, apart from case and spaces."""
    seen: dict[str, str] = {}
    for question, where in questions:
        first = seen.setdefault(" ".join(question.lower().split()), where)
        if first != where:
            raise DataError(
                f"{where}: {question!r} stands in {first.rpartition(', ')[2]} already: remove one"
            )


def _uses(facts: Sequence[Fact]) -> Counter[str]:
    """How many questions have each wording."""
    uses: Counter[str] = Counter()
    for fact in facts:
        for question in fact.questions:
            uses.update({normalise(wording) for wording in (question, *reworded(question))})
    return uses


def _statement(fact: Fact, text: str) -> Sample:
    """A statement; where it holds the answer, the completion begins there: the loss is on that."""
    start = text.find(fact.answer)
    if start < 0:
        return Sample(text + "\n", fact=fact.id)
    prompt, completion = split_before(text[:start], text[start:])
    return Sample(completion + "\n", prompt, fact.id)
