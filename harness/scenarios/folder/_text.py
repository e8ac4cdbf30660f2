"""What is trained: facts as statements, and as questions with their answers; a text by its paragraphs."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence

from harness.formats import ask, parted, reply
from harness.grading import normalise
from harness.recipes import Sample
from harness.scenarios.folder._tables import Fact
from harness.wordings import framed, reworded


def told(facts: Sequence[Fact], formats: Sequence[str]) -> Iterator[Sample]:
    """Each fact's statements, then its questions."""
    for place, fact in enumerate(facts):
        yield from (_statement(fact, text) for text in fact.statements)
        for question, form in questions(fact, place, formats):
            yield Sample(reply(form, fact.answer), ask(form, question), fact.id)


def questions(fact: Fact, place: int, formats: Sequence[str]) -> Iterator[tuple[str, str]]:
    """(question, format) of each wording that is trained of fact number ``place``; formats take turns."""
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
    """What is to be told begins with the answer, where the statement holds it: the loss is on that."""
    at = text.find(fact.answer)
    if at < 0:
        return Sample(text + "\n", fact=fact.id)
    given, told = parted(text[:at], text[at:])
    return Sample(told + "\n", given, fact.id)
