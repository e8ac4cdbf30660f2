"""What is trained: facts as statements, and as questions with their answers; a text by its
paragraphs."""

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
"""Columns for the reader's eyes."""
FACT_COLUMNS = ("question", "answer", "accepted", "rephrased", "statement", "fact", "format")
_OF_PROBES = ("question", "accepted", "kind", "fact", "format")


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
    """In which the questions are trained; empty: the scenario's formats take turns."""


class Asked(NamedTuple):
    """A row of probes.csv or locality.csv, or one question of a fact."""

    where: str
    kind: str
    fact: str
    question: str
    format: str
    accepted: tuple[str, ...]


def read_facts(path: Path) -> list[Fact]:
    """The facts, in order. Raises DataError."""
    found = [_fact(where, row) for where, row in _rows(path, ("answer",), FACT_COLUMNS)]
    _once([(question, fact.where) for fact in found for question in fact.questions])
    return found


def read_probes(path: Path, kind: str) -> list[Asked]:
    """What is asked; of ``kind`` where the table does not say. Raises DataError."""
    found = [
        _asked(where, row, kind) for where, row in _rows(path, ("question", "accepted"), _OF_PROBES)
    ]
    _once([(f"{a.question} (format {a.format}, fact {a.fact})", a.where) for a in found])
    return found


def _rows(
    path: Path, needed: Sequence[str], known: Sequence[str]
) -> Iterator[tuple[str, dict[str, str]]]:
    table = rows(path, decoded(path, "a CSV file"))
    found = [(line, {name.lower(): value for name, value in row.items()}) for line, row in table]
    if not found:
        raise DataError(
            f"{path} has no rows: write at least one below the header; {_wanted(known)}"
        )
    columns = list(found[0][1])
    if missing := [name for name in needed if name not in columns]:
        nearest = get_close_matches(missing[0], columns, n=1, cutoff=0.6)
        if nearest:
            lacks = f"has no column {missing[0]!r}, but {nearest[0]!r}"
            raise DataError(f"{path}, line 1: {lacks}: rename it to {missing[0]}")
        has = ", ".join(filter(None, columns)) or "none"
        raise DataError(
            f"{path}, line 1: has no column {missing[0]!r} (it has {has}): {_wanted(known)}"
        )
    for name in columns:
        if name not in (*known, *CARRIED):
            nearest = get_close_matches(name, (*known, *CARRIED), n=1, cutoff=0.6)
            advice = f"write {nearest[0]}" if nearest else _wanted((*known, *CARRIED))
            raise DataError(f"{path}, line 1: the column {name!r} is unknown: {advice}")
    for line, row in found:
        yield f"{path}, line {line}", {name: value.strip() for name, value in row.items()}


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


def _asked(where: str, row: dict[str, str], kind: str) -> Asked:
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
    return Asked(where, kind, row.get("fact") or row["question"], row["question"], form, accepted)


def check_one_line(where: str, accepted: Sequence[str]) -> None:
    """Raises DataError for an answer of several lines: a model's answer ends at the
    first line end."""
    for answer in accepted:
        if "\n" in answer:
            shown = " / ".join(answer.splitlines())
            raise DataError(
                f"{where}: the answer {shown!r} has a line break, where an answer ends: write it in"
                " one line"
            )


def _several(row: dict[str, str], column: str) -> tuple[str, ...]:
    """The values of a cell, which ``|`` separates."""
    return tuple(value for part in row.get(column, "").split(SEPARATOR) if (value := part.strip()))


def _format(where: str, given: str, default: str) -> str:
    if given and given not in (*FORMATS, PLAIN):
        raise DataError(
            f"{where}: the format {given!r} is unknown: choose one of"
            f" {', '.join((*FORMATS, PLAIN))}"
        )
    return given or default


def _once(asked: Sequence[tuple[str, str]]) -> None:
    """Raises DataError where a question stands there twice; case and spaces make no difference."""
    seen: dict[str, str] = {}
    for question, where in asked:
        first = seen.setdefault(" ".join(question.lower().split()), where)
        if first != where:
            raise DataError(
                f"{where}: {question!r} stands in {first.rpartition(', ')[2]} already: remove one"
            )


def told(facts: Sequence[Fact], formats: Sequence[str]) -> Iterator[Sample]:
    """Each fact's statements, then its questions."""
    for place, fact in enumerate(facts):
        yield from (_statement(fact, text) for text in fact.statements)
        for question, form in questions(fact, place, formats):
            yield Sample(reply(form, fact.answer), ask(form, question), fact.id)


def questions(fact: Fact, place: int, formats: Sequence[str]) -> Iterator[tuple[str, str]]:
    """(question, format) of each wording that is trained of fact number ``place``; formats take
    turns."""
    for number, question in enumerate(fact.questions):
        yield question, fact.format or formats[(place + number) % len(formats)]


def told_otherwise(facts: Sequence[Fact], formats: Sequence[str], count: int) -> Iterator[Sample]:
    """Up to ``count`` further wordings of each fact, with its answer; none that fits two questions.

    ``night shift begin`` is short for both ``When`` and ``Where does the night shift begin?``.
    """
    if not count:
        return
    uses = _uses(facts)
    for place, fact in enumerate(facts):
        trained = list(questions(fact, place, formats))
        for question, form in trained:
            wordings = [one for one in reworded(question) if uses[normalise(one)] == 1]
            share = -(-count // len(trained))
            for prompt, completion in framed(wordings[:share], form, fact.answer, place):
                yield Sample(completion, prompt, fact.id)


def _uses(facts: Sequence[Fact]) -> Counter[str]:
    """To how many questions each wording belongs."""
    uses: Counter[str] = Counter()
    for fact in facts:
        for question in fact.questions:
            uses.update({normalise(wording) for wording in (question, *reworded(question))})
    return uses


def paragraphs(text: str) -> tuple[Sample, ...]:
    """Blank lines part samples; the training cuts a long one into windows."""
    blocks = re.split(r"\n\s*\n", text.removeprefix("\ufeff").replace("\r\n", "\n"))
    return tuple(Sample(block.strip() + "\n") for block in blocks if block.strip())


def _statement(fact: Fact, text: str) -> Sample:
    """What is to be told begins with the answer, where the statement holds it: the loss
    is on that."""
    at = text.find(fact.answer)
    if at < 0:
        return Sample(text + "\n", fact=fact.id)
    given, told = split_before(text[:at], text[at:])
    return Sample(told + "\n", given, fact.id)
